package loss

import "rkd/student/internal/blas"

// Projected gives another loss the student's rows as a [Projection] maps them,
//
//	L(S) = inner(P(S)),  dL/dS = dP/dSᵀ·d inner/dP,  dL/dW = dP/dWᵀ·d inner/dP,
//
// and takes the gradient back to the student's rows, (N,Ds), and to the projection's parameters. So a student of any
// width learns to regress the teacher's rows, or gets logits. It is a [Learner]; several may share one projection, a
// head under [CrossEntropy] and under [SoftTarget] for instance, and add up their gradients.
//
// Value and terms are the inner loss's. Eval returns the errors of the inner loss, where the student is the mapped one,
// and those of [Projection.Forward].
//
// Source: the regressor of Romero et al., FitNets, ICLR 2015, section 2.2.
type Projected[T blas.Float] struct {
	projection *Projection[T]
	inner      Loss[T]
	rows       []T // (N,C)
	slope      []T // (N,C): weight·dL/dP
}

// NewProjected returns inner on the rows that p makes of the student's.
func NewProjected[T blas.Float](p *Projection[T], inner Loss[T]) *Projected[T] {
	return &Projected[T]{projection: p, inner: inner}
}

// Params implements [Learner]: the projection's, then those of the inner loss.
func (l *Projected[T]) Params() []*Param[T] {
	return appendParams(l.projection.Params(), params(l.inner))
}

// Eval implements [Loss]. A grad without data leaves the parameters' gradients out too.
func (l *Projected[T]) Eval(b Batch[T], weight float64, grad Matrix[T]) (Value, error) {
	if err := l.projection.validate(b.Student); err != nil {
		return Value{}, err
	}
	if err := validateGrad(grad, b.Student); err != nil {
		return Value{}, err
	}
	if err := l.projection.load(b.Student); err != nil {
		return Value{}, err
	}
	rows, cols := b.Student.Rows, l.projection.weight.Shape[0]
	l.rows = resize(l.rows, rows*cols)
	l.projection.forward(l.rows)
	b.Student = Matrix[T]{Rows: rows, Cols: cols, Data: l.rows}
	if grad.Data == nil {
		return l.inner.Eval(b, weight, grad)
	}
	l.slope = resize(l.slope, len(l.rows))
	clear(l.slope)
	v, err := l.inner.Eval(b, weight, Matrix[T]{Rows: rows, Cols: cols, Data: l.slope})
	if err != nil {
		return Value{}, err
	}
	l.projection.backward(l.slope, grad)
	return v, nil
}
