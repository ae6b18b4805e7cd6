package loss

import (
	"cmp"
	"fmt"
	"math"

	"rkd/student/internal/blas"
	"rkd/student/internal/parallel"
)

// DefaultSoftTargetTemperature is the temperature of [SoftTarget] where none is given.
const DefaultSoftTargetTemperature = 4

// SoftTargetOptions are the settings of [SoftTarget].
type SoftTargetOptions struct {
	// Temperature divides the logits of both sides; more than 0. 0 means DefaultSoftTargetTemperature.
	Temperature float64 `yaml:"temperature,omitempty" within:"(0,1000000]"`
	// SquareTemperature multiplies the loss by the temperature's square, so that the gradient keeps its size when the
	// temperature grows.
	SquareTemperature bool `yaml:"square_temperature,omitempty"`
}

// WithDefaults fills in what is 0.
func (o SoftTargetOptions) WithDefaults() SoftTargetOptions {
	o.Temperature = cmp.Or(o.Temperature, DefaultSoftTargetTemperature)
	return o
}

// New implements [Options].
func (o SoftTargetOptions) New() (Loss[float32], error) { return NewSoftTarget[float32](o) }

// SoftTarget is Hinton's knowledge distillation (HKD): the student's classes shall be as likely as the teacher's, both
// softened by a temperature τ.
//
//	L = f/N Σ_i Σ_c p_ic·log(p_ic/q_ic),  p = softmax(t/τ),  q = softmax(s/τ),  f = τ² with SquareTemperature, 1 without
//
// Student holds the student's logits s, (N,C), for instance those that [Projected] makes of its embeddings, the batch's
// Logits the teacher's t, (N,C); N ≥ 1. The value is in nats, 0 or more. The teacher is a constant. Time and memory are
// O(N·C).
//
// Identical rows are nothing special. No exponential overflows, however large the logits.
//
// Eval returns ErrBatch when there are no teacher's logits, ErrShape for N < 1, unequal numbers of rows or unequal
// widths, and ErrNotFinite for rows that hold NaN or an infinity or are too large for a float64 to hold 8/τ times their
// numbers.
//
// Source: Hinton et al., Distilling the Knowledge in a Neural Network, 2015, section 2, with the mean over rows of
// PyTorch's kl_div at reduction "batchmean". Deviation: the teacher's entropy, a constant, is subtracted from the
// paper's cross entropy.
type SoftTarget[T blas.Float] struct {
	temperature, square float64

	batch            Batch[T]
	grad             Matrix[T]
	factor           float64
	student, teacher []float64 // (N,C): log q, then q − p; log p
	rowLoss          []float64 // (N)
	rows             *parallel.Loop
	term             [1]Term
}

// NewSoftTarget returns a loss on softened logits, or ErrOption for a temperature out of range.
func NewSoftTarget[T blas.Float](o SoftTargetOptions) (*SoftTarget[T], error) {
	o = o.WithDefaults()
	square := o.Temperature * o.Temperature
	if !(o.Temperature > 0) || math.IsInf(square, 1) || math.IsInf(1/o.Temperature, 1) {
		return nil, fmt.Errorf("%w: temperature is %g, expected a number of more than 0", ErrOption, o.Temperature)
	}
	if !o.SquareTemperature {
		square = 1
	}
	l := &SoftTarget[T]{temperature: o.Temperature, square: square, term: [1]Term{{Name: "hkd", Weight: 1}}}
	l.rows = parallel.NewLoop(l.compareRow)
	return l, nil
}

// Eval implements [Loss]; it looks at the batch's student and logits, and its one term is named hkd.
func (l *SoftTarget[T]) Eval(b Batch[T], weight float64, grad Matrix[T]) (Value, error) {
	if err := validateBothLogits(b, grad, 1/l.temperature); err != nil {
		return Value{}, err
	}
	n := b.Student.Rows
	l.batch, l.grad, l.factor = b, grad, weight*l.square/(float64(n)*l.temperature)
	defer func() { l.batch, l.grad = Batch[T]{}, Matrix[T]{} }()
	l.student, l.teacher = resize(l.student, len(b.Student.Data)), resize(l.teacher, len(b.Student.Data))
	l.rowLoss = resize(l.rowLoss, n)
	l.rows.Run(n)
	sum := 0.0
	for _, v := range l.rowLoss {
		sum += v
	}
	l.term[0].Value = l.square * sum / float64(n)
	return Value{Total: l.term[0].Value, Terms: l.term[:]}, nil
}

func (l *SoftTarget[T]) compareRow(i int) {
	classes := l.batch.Student.Cols
	student, teacher := l.student[i*classes:][:classes], l.teacher[i*classes:][:classes]
	logSoftmax(student, l.batch.Student.row(i), 1/l.temperature)
	logSoftmax(teacher, l.batch.Logits.row(i), 1/l.temperature)
	sum := 0.0
	for c, logQ := range student {
		p := math.Exp(teacher[c])
		sum += p * (teacher[c] - logQ)
		student[c] = math.Exp(logQ) - p
	}
	l.rowLoss[i] = max(sum, 0) // rounding may leave less than 0 of rows that agree
	if l.grad.Data != nil {
		addScaled(l.grad.row(i), l.factor, student)
	}
}
