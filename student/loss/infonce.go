package loss

import (
	"cmp"
	"fmt"
	"math"

	"rkd/student/internal/blas"
	"rkd/student/internal/parallel"
)

// DefaultTemperature is the temperature of [InfoNCE] where none is given.
const DefaultTemperature = 0.07

// InfoNCEOptions are the settings of [InfoNCE].
type InfoNCEOptions struct {
	// Temperature divides the cosines; more than 0. 0 means DefaultTemperature.
	Temperature float64 `yaml:"temperature,omitempty" within:"(0,1000000]"`
}

// WithDefaults fills in what is 0.
func (o InfoNCEOptions) WithDefaults() InfoNCEOptions {
	o.Temperature = cmp.Or(o.Temperature, DefaultTemperature)
	return o
}

// New implements [Options].
func (o InfoNCEOptions) New() (Loss[float32], error) { return NewInfoNCE[float32](o) }

// InfoNCE makes the teacher's row of a sample the likeliest among the teacher's rows of the batch, as seen from the
// student's row of that sample:
//
//	L = −1/N Σ_i log( exp(c_ii/τ) / Σ_j exp(c_ij/τ) ),  c_ij = ⟨s_i,t_j⟩ / (max(‖s_i‖₂, 1e-12)·max(‖t_j‖₂, 1e-12))
//
// Student and teacher are (N,D), N ≥ 2. The value is in nats, log N where all rows are alike. The teacher is a
// constant. Labels play no part: rows of one class are each other's negatives. Time is O(N²·D), memory O(N²).
//
// Identical rows are nothing special. A student's row of at most 1e-12 has no direction and gets no gradient.
//
// Eval returns ErrShape for N < 2, unequal numbers of rows or unequal widths, and ErrNotFinite for rows that hold NaN
// or an infinity or are too large for T to hold 16·‖x‖².
//
// Source: van den Oord et al., Representation Learning with Contrastive Predictive Coding, 2018, eq. 4, with cosines
// over a temperature of 0.07 as in He et al., MoCo, CVPR 2020, eq. 1. Like the contrastive distillation of Tian et al.,
// ICLR 2020, it contrasts student with teacher; deviations from that: negatives are those of the batch, one direction
// only, and no learned projections, hence equal widths; [Projected] puts one before the student.
type InfoNCE[T blas.Float] struct {
	temperature      float64
	student, teacher *gram[T]
	gradient         *gramGradient[T]
	h                []float64 // (N,N): cosines over τ, then N times the derivative by them
	rowLoss          []float64 // (N)
	contrast, pull   *parallel.Loop
	term             [1]Term
}

// NewInfoNCE returns an InfoNCE loss, or ErrOption for a temperature out of range.
func NewInfoNCE[T blas.Float](o InfoNCEOptions) (*InfoNCE[T], error) {
	o = o.WithDefaults()
	if !(o.Temperature > 0) || math.IsInf(o.Temperature, 1) || math.IsInf(1/o.Temperature, 1) {
		return nil, fmt.Errorf("%w: temperature is %g, expected a number of more than 0", ErrOption, o.Temperature)
	}
	l := &InfoNCE[T]{
		temperature: o.Temperature, gradient: newGramGradient[T](), term: [1]Term{{Name: "info_nce", Weight: 1}},
		student: newGram[T]("student", true, 0), teacher: newGram[T]("teacher", true, 0),
	}
	l.contrast = parallel.NewLoop(l.contrastRow)
	l.pull = parallel.NewLoop(l.pullRows)
	return l, nil
}

// Eval implements [Loss]; it looks at the batch's student and teacher, and its one term is named info_nce.
func (l *InfoNCE[T]) Eval(b Batch[T], weight float64, grad Matrix[T]) (Value, error) {
	if err := validateWidths(b, grad); err != nil {
		return Value{}, err
	}
	if err := l.student.loadRows(b.Student); err != nil {
		return Value{}, err
	}
	if err := l.teacher.loadRows(b.Teacher); err != nil {
		return Value{}, err
	}
	n := b.Student.Rows
	l.h, l.rowLoss = resize(l.h, n*n), resize(l.rowLoss, n)
	l.contrast.Run(n)
	sum := 0.0
	for _, v := range l.rowLoss {
		sum += v
	}
	if grad.Data != nil {
		l.gradient.product = resize(l.gradient.product, n*b.Student.Cols)
		l.pull.Run((n + gradRows - 1) / gradRows)
		l.gradient.addProduct(l.student, weight/(float64(n)*l.temperature), grad)
	}
	l.term[0].Value = sum / float64(n)
	return Value{Total: l.term[0].Value, Terms: l.term[:]}, nil
}

// contrastRow computes row i's cross entropy and its derivative, softmax − one at i.
func (l *InfoNCE[T]) contrastRow(i int) {
	n := l.student.n
	h := l.h[i*n:][:n]
	blas.Gemv(n, l.teacher.stride, 1/l.temperature, l.teacher.rows, l.teacher.stride, l.student.padded(i), 0, h)
	l.rowLoss[i] = crossEntropyRow(h, i, 0)
}

// pullRows computes the derivative by the student's unit rows, up to the factors that addProduct gets.
func (l *InfoNCE[T]) pullRows(block int) {
	n, dim, first := l.student.n, l.student.dim, block*gradRows
	for c := 0; c < dim; c += gradCols {
		blas.Gemm(false, false, min(gradRows, n-first), min(gradCols, dim-c), n, 1, l.h[first*n:], n,
			l.teacher.rows[c:], l.teacher.stride, 0, l.gradient.product[first*dim+c:], dim)
	}
}
