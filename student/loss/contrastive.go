package loss

import (
	"fmt"
	"math"

	"rkd/student/internal/blas"
	"rkd/student/internal/parallel"
)

// ContrastiveOptions are the settings of [Contrastive].
type ContrastiveOptions struct {
	// Margin is the distance m up to which rows of different labels are pushed apart; more than 0. It has no default; 1 is
	// pytorch-metric-learning's for rows of unit length.
	Margin float64 `yaml:"margin"`
}

// New implements [Options].
func (o ContrastiveOptions) New() (Loss[float32], error) { return NewContrastive[float32](o) }

// Contrastive is the contrastive loss: rows of one label shall lie together, rows of different labels apart.
//
//	L = 1/P Σ d_ij [i<j, y_i = y_j] + 1/Q Σ max(0, m − d_ij) [i<j, y_i ≠ y_j],  d_ij = ‖x_i − x_j‖₂
//
// P and Q count the pairs whose own term is more than 0; a sum over none is 0. Student is (N,D), N ≥ 2, with N labels
// y. Margin and value are in units of the distance. Every batch has a value, one of a single label included. Time is
// O(N²·D), memory O(N²).
//
// Rows coincide when the square of their distance is at most 1e-12: they have d = 0 and no gradient, so identical rows
// stay finite.
//
// Eval returns ErrShape when there are not N labels or N < 2, and ErrNotFinite for rows that hold NaN or an infinity.
//
// Source: Hadsell et al., Dimensionality Reduction by Learning an Invariant Mapping, CVPR 2006. Deviation from the
// paper, which squares and halves both terms: as in the documentation of pytorch-metric-learning's ContrastiveLoss,
// with a positive margin of 0, distances are not squared and each kind of pair has its mean over the pairs that are
// active. Deviation from the latter: rows are taken as they are; see [Normalized].
type Contrastive[T blas.Float] struct {
	margin   float64
	pairs    *pairs[T]
	gradient *pairGradient[T]

	labels             []int32
	scale              [2]float64 // of positive and negative pairs' derivatives
	rows               []contrastiveRow
	compare, propagate *parallel.Loop
	term               [1]Term
}

// contrastiveRow is what the pairs (i,j) of one row i with j > i add, positive ones first.
type contrastiveRow struct {
	sum    [2]float64
	active [2]int
}

// NewContrastive returns a contrastive loss, or ErrOption for a margin out of range.
func NewContrastive[T blas.Float](o ContrastiveOptions) (*Contrastive[T], error) {
	if !(o.Margin > 0) || math.IsInf(o.Margin, 1) {
		return nil, fmt.Errorf("%w: margin is %g, expected a number of more than 0", ErrOption, o.Margin)
	}
	c := &Contrastive[T]{
		margin: o.Margin, pairs: newPairs[T]("student"), gradient: newPairGradient[T](),
		term: [1]Term{{Name: "contrastive", Weight: 1}},
	}
	c.compare = parallel.NewLoop(c.compareRow)
	c.propagate = parallel.NewLoop(c.propagateRow)
	return c, nil
}

// Eval implements [Loss]; it looks at the batch's student and labels, and its one term is named contrastive.
func (c *Contrastive[T]) Eval(b Batch[T], weight float64, grad Matrix[T]) (Value, error) {
	if err := validateLabels(b, grad); err != nil {
		return Value{}, err
	}
	if err := c.pairs.measure(b.Student); err != nil {
		return Value{}, err
	}
	c.labels = b.Labels
	defer func() { c.labels = nil }()
	n := c.pairs.n
	c.rows = resize(c.rows, n)
	c.compare.Run(n)
	var all contrastiveRow
	for _, row := range c.rows {
		for k := range all.sum {
			all.sum[k] += row.sum[k]
			all.active[k] += row.active[k]
		}
	}
	value := 0.0
	for k, sum := range all.sum {
		count := float64(max(all.active[k], 1))
		value += sum / count
		c.scale[k] = weight / count
	}
	if grad.Data != nil {
		c.gradient.reset(n)
		c.propagate.Run(n)
		c.gradient.addTo(c.pairs, grad)
	}
	c.term[0].Value = value
	return Value{Total: value, Terms: c.term[:]}, nil
}

// pair returns the term of rows i and j, its kind (0 positive, 1 negative) and its derivative by their distance.
func (c *Contrastive[T]) pair(i, j int) (value float64, kind int, slope float64) {
	d := 0.0
	if c.pairs.inverse[i*c.pairs.n+j] != 0 {
		d = c.pairs.distance(i, j)
	}
	if c.labels[i] == c.labels[j] {
		return d, 0, 1
	}
	return max(0, c.margin-d), 1, -1
}

func (c *Contrastive[T]) compareRow(i int) {
	var row contrastiveRow
	for j := i + 1; j < c.pairs.n; j++ {
		if value, kind, _ := c.pair(i, j); value > 0 {
			row.sum[kind] += value
			row.active[kind]++
		}
	}
	c.rows[i] = row
}

// propagateRow goes on to the derivative by squared distances, 1/(2·d) times that by distances.
func (c *Contrastive[T]) propagateRow(i int) {
	n := c.pairs.n
	for j := i + 1; j < n; j++ {
		if value, kind, slope := c.pair(i, j); value > 0 {
			c.gradient.h[i*n+j] = T(c.scale[kind] * slope * float64(c.pairs.inverse[i*n+j]) * (math.Sqrt2 / 2))
		}
	}
}

// validateLabels returns ErrShape unless there is a label for each row and the gradient fits the student.
func validateLabels[T blas.Float](b Batch[T], grad Matrix[T]) error {
	if len(b.Labels) != b.Student.Rows {
		return fmt.Errorf("%w: %d labels for student (%d,%d), expected one a row", ErrShape, len(b.Labels),
			b.Student.Rows, b.Student.Cols)
	}
	return validateGrad(grad, b.Student)
}
