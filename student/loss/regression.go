package loss

import (
	"cmp"
	"fmt"

	"rkd/student/internal/blas"
	"rkd/student/internal/parallel"
)

// The kinds of [Regression].
const (
	RegressionMSE    = "mse"    // mean squared error
	RegressionCosine = "cosine" // 1 − cosine
)

// RegressionOptions are the settings of [Regression].
type RegressionOptions struct {
	// Kind is RegressionMSE or RegressionCosine; empty means RegressionMSE.
	Kind string `yaml:"kind,omitempty"`
}

// WithDefaults fills in what is empty.
func (o RegressionOptions) WithDefaults() RegressionOptions {
	o.Kind = cmp.Or(o.Kind, RegressionMSE)
	return o
}

// New implements [Options].
func (o RegressionOptions) New() (Loss[float32], error) { return NewRegression[float32](o) }

// Regression pulls each row of the student to the teacher's row of the same sample, by kind:
//
//	mse:    L = 1/(N·D) Σ_i ‖s_i − t_i‖₂²
//	cosine: L = 1/N Σ_i (1 − ⟨s_i,t_i⟩ / (max(‖s_i‖₂, 1e-12)·max(‖t_i‖₂, 1e-12)))
//
// Student and teacher are (N,D), N ≥ 2. The value is in squared units of the rows for mse, dimensionless for cosine.
// The teacher is a constant. Time is O(N·D), memory too.
//
// Rows of zeros have cosine 0; a student's row of at most 1e-12 has no direction and gets no gradient from cosine.
//
// Eval returns ErrShape for N < 2, unequal numbers of rows or unequal widths, and ErrNotFinite for rows that hold NaN
// or an infinity or are too large for T to hold 4·N²·‖x‖⁴ (mse) or 16·‖x‖² (cosine).
//
// Source: Romero et al., FitNets, ICLR 2015, eq. 3, on the embedding and without the regressor that adapts its width,
// which [Projected] adds; reductions are those of PyTorch's mse_loss, where the paper sums and halves. Deviation:
// PyTorch's cosine_similarity has the floor 1e-8.
type Regression[T blas.Float] struct {
	student, teacher *gram[T]
	gradient         *gramGradient[T]
	cosine           bool
	rowLoss          []float64 // (N)
	rows             *parallel.Loop
	term             [1]Term
}

// NewRegression returns a regression onto the teacher's rows, or ErrOption for a kind that does not exist.
func NewRegression[T blas.Float](o RegressionOptions) (*Regression[T], error) {
	o = o.WithDefaults()
	if o.Kind != RegressionMSE && o.Kind != RegressionCosine {
		return nil, fmt.Errorf("%w: kind is %q, expected one of %s, %s", ErrOption, o.Kind, RegressionMSE, RegressionCosine)
	}
	cosine := o.Kind == RegressionCosine
	r := &Regression[T]{
		student: newGram[T]("student", cosine, 0), teacher: newGram[T]("teacher", cosine, 0),
		gradient: newGramGradient[T](), cosine: cosine, term: [1]Term{{Name: "regression", Weight: 1}},
	}
	r.rows = parallel.NewLoop(r.compareRow)
	return r, nil
}

// Eval implements [Loss]; it looks at the batch's student and teacher, and its one term is named regression.
func (r *Regression[T]) Eval(b Batch[T], weight float64, grad Matrix[T]) (Value, error) {
	if err := validateWidths(b, grad); err != nil {
		return Value{}, err
	}
	if err := r.student.loadRows(b.Student); err != nil {
		return Value{}, err
	}
	if err := r.teacher.loadRows(b.Teacher); err != nil {
		return Value{}, err
	}
	n, dim := b.Student.Rows, b.Student.Cols
	r.rowLoss, r.gradient.product = resize(r.rowLoss, n), resize(r.gradient.product, n*dim)
	r.rows.Run(n)
	sum := 0.0
	for _, v := range r.rowLoss {
		sum += v
	}
	count := float64(n)
	if !r.cosine {
		count *= float64(dim)
	}
	if grad.Data != nil {
		r.gradient.addProduct(r.student, weight/count, grad)
	}
	r.term[0].Value = sum / count
	return Value{Total: r.term[0].Value, Terms: r.term[:]}, nil
}

// compareRow computes the loss of row i and its derivative by the row, divided where the kind divides. Both kinds come
// from the difference of rows: 1 − ⟨y,z⟩ is ‖y − z‖²/2 for y and z of length 1, and keeps the digits of a small angle
// that way.
func (r *Regression[T]) compareRow(i int) {
	dim := r.student.dim
	s, t, product := r.student.padded(i), r.teacher.padded(i), r.gradient.product[i*dim:][:dim]
	square, along := 0.0, 0.0
	for c := range product {
		d := s[c] - t[c]
		square += d * d
		along += s[c] * t[c]
		product[c] = 2 * d
		if r.cosine {
			product[c] = -t[c]
		}
	}
	switch {
	case !r.cosine:
		r.rowLoss[i] = square
	case r.student.length[i] > shortest && r.teacher.length[i] > shortest:
		r.rowLoss[i] = square / 2
	default:
		r.rowLoss[i] = 1 - along
	}
}
