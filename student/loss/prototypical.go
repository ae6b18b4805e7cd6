package loss

import (
	"fmt"

	"rkd/student/internal/blas"
	"rkd/student/internal/parallel"
)

// PrototypicalOptions are the settings of [Prototypical].
type PrototypicalOptions struct {
	// Shots is how many rows of each class are its support, 1 or more. It has no default, and no key: the batches
	// decide it.
	Shots int `yaml:"-"`
}

// New implements [Options].
func (o PrototypicalOptions) New() (Loss[float32], error) { return NewPrototypical[float32](o) }

// Prototypical is the loss of prototypical networks on one episode: queries shall lie nearest to the mean of their
// class.
//
//	L = −1/Q Σ_i log( exp(−‖x_i − c_y(i)‖²) / Σ_k exp(−‖x_i − c_k‖²) ),  c_k = mean of the support of class k
//
// The first Shots rows of each label, in the batch's order, are the support of that class, the Q others are queries i.
// Gradients flow to both. Student is (N,D) with N labels. The value is in nats; the squared distances take rows as they
// come. Time is O(Q·K·D), memory O(N·D + Q·K).
//
// Identical rows are nothing special: their value is log K. A large common offset costs no digits, since only
// differences of rows are squared.
//
// Eval returns ErrShape when there are not N labels, ErrBatch for fewer than two classes or a class without a query,
// and ErrNotFinite for rows that hold NaN or an infinity or are too large for T to hold 4·N²·‖x‖⁴.
//
// Source: Snell et al., Prototypical Networks for Few-shot Learning, NeurIPS 2017, eqs. 1 and 2 and algorithm 1.
type Prototypical[T blas.Float] struct {
	shots    int
	rows     *gram[T]
	gradient *gramGradient[T]
	episode  episode

	prototypes                []float64 // (K,D)
	slope                     []float64 // (Q,K): softmax − one at the query's class
	queryLoss                 []float64 // (Q)
	average, classify, spread *parallel.Loop
	term                      [1]Term
}

// episode says which row of a batch does what.
type episode struct {
	index   map[int32]int // of a label's class, classes by first appearance
	labels  []int32       // (K)
	sizes   []int         // (K): rows
	support []int         // (K,shots)
	queries []int         // (Q): rows
	ofQuery []int         // (Q): class
}

// NewPrototypical returns a prototypical loss, or ErrOption for a number of shots out of range.
func NewPrototypical[T blas.Float](o PrototypicalOptions) (*Prototypical[T], error) {
	if o.Shots < 1 {
		return nil, fmt.Errorf("%w: shots is %d, expected 1 or more", ErrOption, o.Shots)
	}
	l := &Prototypical[T]{
		shots: o.Shots, rows: newGram[T]("student", false, 0), gradient: newGramGradient[T](),
		episode: episode{index: map[int32]int{}}, term: [1]Term{{Name: "prototypical", Weight: 1}},
	}
	l.rows.fewest = 1
	l.average = parallel.NewLoop(l.averageClass)
	l.classify = parallel.NewLoop(l.classifyQuery)
	l.spread = parallel.NewLoop(l.spreadClass)
	return l, nil
}

// Eval implements [Loss]; it looks at the batch's student and labels, and its one term is named prototypical.
func (l *Prototypical[T]) Eval(b Batch[T], weight float64, grad Matrix[T]) (Value, error) {
	if err := validateLabels(b, grad); err != nil {
		return Value{}, err
	}
	if err := l.episode.deal(b.Labels, l.shots); err != nil {
		return Value{}, err
	}
	if err := l.rows.loadRows(b.Student); err != nil {
		return Value{}, err
	}
	classes, queries, dim := len(l.episode.labels), len(l.episode.queries), b.Student.Cols
	l.prototypes, l.slope = resize(l.prototypes, classes*dim), resize(l.slope, queries*classes)
	l.queryLoss, l.gradient.product = resize(l.queryLoss, queries), resize(l.gradient.product, b.Student.Rows*dim)
	l.average.Run(classes)
	l.classify.Run(queries)
	sum := 0.0
	for _, v := range l.queryLoss {
		sum += v
	}
	if grad.Data != nil {
		l.spread.Run(classes)
		l.gradient.addProduct(l.rows, weight/float64(queries), grad)
	}
	l.term[0].Value = sum / float64(queries)
	return Value{Total: l.term[0].Value, Terms: l.term[:]}, nil
}

// deal assigns rows to support and queries, or returns ErrBatch.
func (e *episode) deal(labels []int32, shots int) error {
	clear(e.index)
	e.labels, e.sizes, e.support = e.labels[:0], e.sizes[:0], e.support[:0]
	e.queries, e.ofQuery = e.queries[:0], e.ofQuery[:0]
	room := min(shots, len(labels)) // shots, unless the batch is refused below
	for i, y := range labels {
		k, seen := e.index[y]
		if !seen {
			k = len(e.labels)
			e.index[y] = k
			e.labels, e.sizes = append(e.labels, y), append(e.sizes, 0)
			for range room {
				e.support = append(e.support, i)
			}
		}
		if e.sizes[k] < shots {
			e.support[k*room+e.sizes[k]] = i
		} else {
			e.queries, e.ofQuery = append(e.queries, i), append(e.ofQuery, k)
		}
		e.sizes[k]++
	}
	if len(e.labels) < 2 {
		return fmt.Errorf("%w: %d rows of %d classes, expected 2 classes or more", ErrBatch, len(labels), len(e.labels))
	}
	for k, size := range e.sizes {
		if size <= shots {
			return fmt.Errorf("%w: class %d has %d rows, expected more than its %d shots, to leave a query", ErrBatch,
				e.labels[k], size, shots)
		}
	}
	return nil
}

// averageClass computes the prototype of class k.
func (l *Prototypical[T]) averageClass(k int) {
	prototype := l.prototypes[k*l.rows.dim:][:l.rows.dim]
	clear(prototype)
	for _, i := range l.support(k) {
		for c, v := range l.rows.padded(i)[:l.rows.dim] {
			prototype[c] += v
		}
	}
	for c := range prototype {
		prototype[c] /= float64(l.shots)
	}
}

func (l *Prototypical[T]) support(k int) []int { return l.episode.support[k*l.shots:][:l.shots] }

// classifyQuery computes the loss of a query, its row of slope, and its gradient, 2·Σ_k slope_k·(c_k − x).
func (l *Prototypical[T]) classifyQuery(q int) {
	dim, classes, row := l.rows.dim, len(l.episode.labels), l.episode.queries[q]
	x, slope, product := l.rows.padded(row)[:dim], l.slope[q*classes:][:classes], l.gradient.product[row*dim:][:dim]
	for k := range slope {
		slope[k] = 0
		for c, v := range l.prototypes[k*dim:][:dim] {
			slope[k] -= (x[c] - v) * (x[c] - v)
		}
	}
	l.queryLoss[q] = crossEntropyRow(slope, l.episode.ofQuery[q], 0)
	clear(product)
	for k, s := range slope {
		for c, v := range l.prototypes[k*dim:][:dim] {
			product[c] += 2 * s * (v - x[c])
		}
	}
}

// spreadClass computes the gradient of the rows of class k's support, the prototype's, 2·Σ_q slope_q·(x_q − c), in
// equal parts.
func (l *Prototypical[T]) spreadClass(k int) {
	dim, classes, support := l.rows.dim, len(l.episode.labels), l.support(k)
	prototype, first := l.prototypes[k*dim:][:dim], l.gradient.product[support[0]*dim:][:dim]
	clear(first)
	for q, row := range l.episode.queries {
		factor := 2 * l.slope[q*classes+k] / float64(l.shots)
		for c, v := range l.rows.padded(row)[:dim] {
			first[c] += factor * (v - prototype[c])
		}
	}
	for _, i := range support[1:] {
		copy(l.gradient.product[i*dim:][:dim], first)
	}
}
