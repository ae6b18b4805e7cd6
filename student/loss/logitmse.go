package loss

import (
	"math"

	"rkd/student/internal/blas"
)

// LogitMSEOptions are the settings of [LogitMSE]: none.
type LogitMSEOptions struct{}

// New implements [Options].
func (LogitMSEOptions) New() (Loss[float32], error) { return NewLogitMSE[float32](), nil }

// LogitMSE pulls each logit of the student to the teacher's:
//
//	L = 1/(N·C) Σ_i Σ_c (s_ic − t_ic)²
//
// Student holds the student's logits s, (N,C), for instance those that [Projected] makes of its embeddings, the batch's
// Logits the teacher's t, (N,C); N ≥ 1. The value is in squared units of the logits. The teacher is a constant. Time is
// O(N·C), and nothing is allocated. Identical rows are nothing special.
//
// Eval returns ErrBatch without the teacher's logits, ErrShape when both sides' sizes differ or N < 1, and ErrNotFinite
// for rows that hold NaN or an infinity, or whose difference is too large to square.
//
// Source: Ba & Caruana, Do Deep Nets Really Need to be Deep?, NIPS 2014, eq. 1. Deviation: the mean runs over classes
// too and is not halved, as in PyTorch's MSELoss.
type LogitMSE[T blas.Float] struct{ term [1]Term }

// NewLogitMSE returns the regression of logits.
func NewLogitMSE[T blas.Float]() *LogitMSE[T] {
	return &LogitMSE[T]{[1]Term{{Name: "logit_mse", Weight: 1}}}
}

// Eval implements [Loss]; it looks at the batch's student and logits, and its one term is named logit_mse.
func (l *LogitMSE[T]) Eval(b Batch[T], weight float64, grad Matrix[T]) (Value, error) {
	if err := validateBothLogits(b, grad, 1); err != nil {
		return Value{}, err
	}
	factor, sum := 2*weight/float64(len(b.Student.Data)), 0.0
	for i := range b.Student.Rows {
		student, teacher := b.Student.row(i), b.Logits.row(i)
		row := 0.0
		for c, s := range student {
			d := float64(s) - float64(teacher[c])
			row += d * d
			if grad.Data != nil {
				grad.Data[i*grad.Cols+c] += T(factor * d)
			}
		}
		if math.IsNaN(row) || math.IsInf(row, 0) {
			return Value{}, &RowError{Side: "student", Row: i, What: "is too far from the teacher's to square the difference"}
		}
		sum += row
	}
	l.term[0].Value = sum / float64(len(b.Student.Data))
	return Value{Total: l.term[0].Value, Terms: l.term[:]}, nil
}
