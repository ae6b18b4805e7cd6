package loss

import (
	"cmp"
	"fmt"
	"math"

	"rkd/student/internal/blas"
	"rkd/student/internal/parallel"
)

// MultiSimilarityOptions are the settings of [MultiSimilarity]. A 0 means the paper's setting, and for Base nil does.
type MultiSimilarityOptions struct {
	Alpha float64 `yaml:"alpha,omitempty" within:"(0,1000000]"` // steepness for positive pairs, more than 0; 0 means 2
	Beta  float64 `yaml:"beta,omitempty" within:"(0,1000000]"`  // steepness for negative pairs, more than 0; 0 means 50
	// similarity λ that both are measured from, in [−1,1]; nil means 0.5
	Base    *float64 `yaml:"base,omitempty" within:"[-1,1]"`
	Epsilon float64  `yaml:"epsilon,omitempty" within:"(0,2]"` // margin ε of the pair mining, more than 0; 0 means 0.1
}

// WithDefaults fills in what is 0.
func (o MultiSimilarityOptions) WithDefaults() MultiSimilarityOptions {
	o.Alpha, o.Beta, o.Epsilon = cmp.Or(o.Alpha, 2), cmp.Or(o.Beta, 50), cmp.Or(o.Epsilon, 0.1)
	if o.Base == nil {
		base := 0.5
		o.Base = &base
	}
	return o
}

// New implements [Options].
func (o MultiSimilarityOptions) New() (Loss[float32], error) { return NewMultiSimilarity[float32](o) }

// MultiSimilarity is the multi-similarity loss with its pair mining:
//
//	L = 1/N Σ_i [ 1/α·log(1 + Σ_{j∈P_i} exp(−α(s_ij − λ))) + 1/β·log(1 + Σ_{j∈N_i} exp(β(s_ij − λ))) ]
//	P_i = {j ≠ i of i's label: s_ij − ε < the largest s_ik of another label}
//	N_i = {j of another label: s_ij + ε > the smallest s_ik, k ≠ i, of i's label}
//
// where s_ij is the cosine of rows i and j, which are divided by max(‖x‖₂, 1e-12). A row i for which P_i or N_i is
// empty adds nothing, but counts in N; when that is so for all, the value is 0. Mining is a constant for the gradient.
// Student is (N,D), N ≥ 2, with N labels. The value is dimensionless. Time is O(N²·D), memory O(N²).
//
// Identical rows are nothing special. Rows shorter than 1e-12 have no direction and get no gradient.
//
// Eval returns ErrShape when there are not N labels or N < 2, ErrBatch when no row has both another row of its label
// and one of another label, and ErrNotFinite for rows that hold NaN or an infinity or are too large for T to hold
// 16·‖x‖².
//
// Source: Wang et al., Multi-Similarity Loss with General Pair Weighting for Deep Metric Learning, CVPR 2019, eqs. 11,
// 12 and 16; rows without pairs as in the authors' code. Deviations from that code: it leaves out positive pairs of
// cosine 1 − 1e-5 and more, rather than i itself; it takes rows that are normalised already.
type MultiSimilarity[T blas.Float] struct {
	options  MultiSimilarityOptions
	gram     *gram[T]
	gradient *gramGradient[T]

	labels  []int32
	paired  []bool    // (N): row has positive and negative pairs, mined or not
	rowLoss []float64 // (N)
	rows    *parallel.Loop
	term    [1]Term
}

// NewMultiSimilarity returns a multi-similarity loss, or ErrOption for a setting out of range.
func NewMultiSimilarity[T blas.Float](o MultiSimilarityOptions) (*MultiSimilarity[T], error) {
	o = o.WithDefaults()
	for _, c := range []struct {
		name   string
		value  float64
		ok     bool
		expect string
	}{
		{"alpha", o.Alpha, o.Alpha > 0, "a number of more than 0"},
		{"beta", o.Beta, o.Beta > 0, "a number of more than 0"},
		{"base", *o.Base, -1 <= *o.Base && *o.Base <= 1, "a number from -1 to 1"},
		{"epsilon", o.Epsilon, o.Epsilon > 0, "a number of more than 0"},
	} {
		if !c.ok || math.IsInf(c.value, 1) {
			return nil, fmt.Errorf("%w: %s is %g, expected %s", ErrOption, c.name, c.value, c.expect)
		}
	}
	m := &MultiSimilarity[T]{
		options: o, gram: newGram[T]("student", true, 0), gradient: newGramGradient[T](),
		term: [1]Term{{Name: "multi_similarity", Weight: 1}},
	}
	m.rows = parallel.NewLoop(m.sumRow)
	return m, nil
}

// Eval implements [Loss]; it looks at the batch's student and labels, and its one term is named multi_similarity.
func (m *MultiSimilarity[T]) Eval(b Batch[T], weight float64, grad Matrix[T]) (Value, error) {
	if err := validateLabels(b, grad); err != nil {
		return Value{}, err
	}
	if err := m.gram.measure(b.Student); err != nil {
		return Value{}, err
	}
	n := m.gram.n
	m.labels = b.Labels
	defer func() { m.labels = nil }()
	m.paired, m.rowLoss, m.gradient.h = resize(m.paired, n), resize(m.rowLoss, n), resize(m.gradient.h, n*n)
	m.rows.Run(n)
	sum, mineable := 0.0, false
	for i, v := range m.rowLoss {
		sum += v
		mineable = mineable || m.paired[i]
	}
	if !mineable {
		return Value{}, fmt.Errorf("%w: no pairs among %d rows of %d classes, expected 2 classes or more and 2 rows of one",
			ErrBatch, n, classes(b.Labels))
	}
	if grad.Data != nil {
		m.gradient.addTo(m.gram, weight/float64(n), grad)
	}
	m.term[0].Value = sum / float64(n)
	return Value{Total: m.term[0].Value, Terms: m.term[:]}, nil
}

// sumRow computes row i's share of the loss, and its derivative by the cosines with i.
func (m *MultiSimilarity[T]) sumRow(i int) {
	cosine, h := m.gram.row(i), m.gradient.h[i*m.gram.n:][:m.gram.n]
	leastPositive, mostNegative := math.Inf(1), math.Inf(-1)
	for j, s := range cosine {
		switch {
		case m.labels[j] != m.labels[i]:
			mostNegative = max(mostNegative, s)
		case j != i:
			leastPositive = min(leastPositive, s)
		}
	}
	m.paired[i] = !math.IsInf(leastPositive, 0) && !math.IsInf(mostNegative, 0)
	m.rowLoss[i] = 0
	// Either both kinds of pairs are left by mining or neither: each asks for leastPositive − epsilon < mostNegative.
	if !m.paired[i] || leastPositive-m.options.Epsilon >= mostNegative {
		clear(h)
		return
	}
	positive := softSum{steepness: -m.options.Alpha, base: *m.options.Base}
	negative := softSum{steepness: m.options.Beta, base: *m.options.Base}
	positive.shift = max(0, positive.exponent(leastPositive))
	negative.shift = max(0, negative.exponent(mostNegative))
	for j, s := range cosine {
		h[j] = 0
		switch {
		case m.labels[j] != m.labels[i]:
			if s+m.options.Epsilon > leastPositive {
				h[j] = negative.add(s)
			}
		case j != i && s-m.options.Epsilon < mostNegative:
			h[j] = positive.add(s)
		}
	}
	m.rowLoss[i] = positive.value() + negative.value()
	positiveTotal, negativeTotal := positive.total(), negative.total()
	for j := range h {
		if m.labels[j] == m.labels[i] {
			h[j] /= -positiveTotal
		} else {
			h[j] /= negativeTotal
		}
	}
}

// softSum is 1 + Σ exp(steepness·(s − base)), kept as multiple of exp(shift), the largest summand, so that it cannot
// overflow.
type softSum struct{ steepness, base, shift, sum float64 }

func (s *softSum) exponent(cosine float64) float64 { return s.steepness * (cosine - s.base) }

// add adds one summand and returns it.
func (s *softSum) add(cosine float64) float64 {
	v := math.Exp(s.exponent(cosine) - s.shift)
	s.sum += v
	return v
}

func (s *softSum) total() float64 { return math.Exp(-s.shift) + s.sum }

// value is the sum's logarithm over the steepness's size.
func (s *softSum) value() float64 {
	log := s.shift + math.Log(s.total())
	if s.shift == 0 {
		log = math.Log1p(s.sum)
	}
	return log / math.Abs(s.steepness)
}
