package loss

import (
	"fmt"

	"rkd/student/internal/blas"
	"rkd/student/internal/parallel"
)

// CrossEntropyOptions are the settings of [CrossEntropy].
type CrossEntropyOptions struct {
	// Smoothing is the share ε of the target that goes to all classes alike, from 0 to less than 1.
	Smoothing float64 `yaml:"smoothing,omitempty"`
}

// New implements [Options].
func (o CrossEntropyOptions) New() (Loss[float32], error) { return NewCrossEntropy[float32](o) }

// CrossEntropy is the cross entropy of labels under the softmax of logits, with label smoothing:
//
//	L = −1/N Σ_i Σ_c q_ic · log( exp(s_ic) / Σ_k exp(s_ik) ),  q_ic = (1 − ε)·[c = y_i] + ε/C
//
// The student's rows are the logits s, (N,C), N ≥ 1, for instance those that [Projected] makes of its embeddings;
// labels y are N numbers from 0 to C−1. The value is in nats. Time and memory are O(N·C).
//
// Identical rows are nothing special. No exponential overflows, however large the logits.
//
// Eval returns ErrShape for N < 1 or when there are not N labels, ErrBatch for a label that is no class, and
// ErrNotFinite for rows that hold NaN or an infinity or are too large for a float64 to hold 8 times their numbers.
//
// Source: Szegedy et al., Rethinking the Inception Architecture, CVPR 2016, section 7, with the mean of PyTorch's
// cross_entropy. Deviation from the latter: no label stands for a row to be ignored.
type CrossEntropy[T blas.Float] struct {
	smoothing float64

	batch   Batch[T]
	grad    Matrix[T]
	factor  float64
	slope   []float64 // (N,C): log-probabilities, then N times the derivative by the logits
	rowLoss []float64 // (N)
	rows    *parallel.Loop
	term    [1]Term
}

// NewCrossEntropy returns a cross entropy loss, or ErrOption for a smoothing out of range.
func NewCrossEntropy[T blas.Float](o CrossEntropyOptions) (*CrossEntropy[T], error) {
	if !(o.Smoothing >= 0 && o.Smoothing < 1) {
		return nil, fmt.Errorf("%w: smoothing is %g, expected a number from 0 to less than 1", ErrOption, o.Smoothing)
	}
	l := &CrossEntropy[T]{smoothing: o.Smoothing, term: [1]Term{{Name: "cross_entropy", Weight: 1}}}
	l.rows = parallel.NewLoop(l.classifyRow)
	return l, nil
}

// Eval implements [Loss]; it looks at the batch's student and labels, and its one term is named cross_entropy.
func (l *CrossEntropy[T]) Eval(b Batch[T], weight float64, grad Matrix[T]) (Value, error) {
	if err := validateLabels(b, grad); err != nil {
		return Value{}, err
	}
	if err := validateLogits("student", b.Student, 1); err != nil {
		return Value{}, err
	}
	n, classes := b.Student.Rows, b.Student.Cols
	for i, y := range b.Labels {
		if y < 0 || int(y) >= classes {
			return Value{}, fmt.Errorf("%w: row %d has label %d, expected 0 to %d for %d logits", ErrBatch, i, y, classes-1,
				classes)
		}
	}
	l.batch, l.grad, l.factor = b, grad, weight/float64(n)
	defer func() { l.batch, l.grad = Batch[T]{}, Matrix[T]{} }()
	l.slope, l.rowLoss = resize(l.slope, n*classes), resize(l.rowLoss, n)
	l.rows.Run(n)
	sum := 0.0
	for _, v := range l.rowLoss {
		sum += v
	}
	l.term[0].Value = sum / float64(n)
	return Value{Total: l.term[0].Value, Terms: l.term[:]}, nil
}

func (l *CrossEntropy[T]) classifyRow(i int) {
	slope := l.slope[i*l.batch.Student.Cols:][:l.batch.Student.Cols]
	for c, v := range l.batch.Student.row(i) {
		slope[c] = float64(v)
	}
	l.rowLoss[i] = crossEntropyRow(slope, int(l.batch.Labels[i]), l.smoothing)
	if l.grad.Data != nil {
		addScaled(l.grad.row(i), l.factor, slope)
	}
}

// addScaled adds factor·x to dst.
func addScaled[T blas.Float](dst []T, factor float64, x []float64) {
	for c, v := range x {
		dst[c] += T(factor * v)
	}
}
