package loss

import (
	"fmt"
	"math"

	"rkd/student/internal/blas"
)

// TripletOptions are the settings of [Triplet].
type TripletOptions struct {
	// Margin is the margin m, in units of the distance (of its square when Squared); 0 or more. It has no default; 0.2 is
	// what the authors of RKD use.
	Margin float64 `yaml:"margin"`
	// Squared takes squared distances, as FaceNet does.
	Squared bool `yaml:"squared,omitempty"`
	// Miner is one of [Miners]; empty means MinerDistanceWeighted.
	Miner string `yaml:"miner,omitempty"`
}

// New implements [Options].
func (o TripletOptions) New() (Loss[float32], error) { return NewTriplet[float32](o) }

// Triplet is the triplet loss
//
//	L = 1/T Σ max(0, d(a,p) − d(a,n) + m),  d(x,y) = ‖x − y‖₂, or ‖x − y‖₂² when Squared
//
// over T triplets: every ordered pair (a,p) of different rows with one label, each with a mined negative n (all of them
// for MinerAll, which needs memory for N·(K−1)·(N−K) triplets at K rows a class). The mean runs over all T, inactive
// ones included. Anchors without a positive give none. Student is (N,D), N ≥ 2; mining is a constant for the gradient.
// Rows whose squared distance is at most 1e-12 have the distance 1e-6, and no gradient.
//
// Eval looks at the batch's student, labels and, for MinerDistanceWeighted and MinerRandom, its generator; equal
// generators give equal triplets. It returns ErrShape when there are not N labels or N < 2, ErrBatch when labels give
// no triplet or the generator is missing, and ErrNotFinite for rows that hold NaN or an infinity.
//
// Source: Schroff et al., FaceNet, CVPR 2015; distances and mean as in the code of Park et al., CVPR 2019. Deviation:
// their distance has 1e-6 added to each coordinate of the difference.
type Triplet[T blas.Float] struct {
	options  TripletOptions
	miner    miner[T]
	pairs    *pairs[T]
	gradient *pairGradient[T]
	triples  []triple
	term     [1]Term
}

// NewTriplet returns a triplet loss, or ErrOption for a setting out of range.
func NewTriplet[T blas.Float](o TripletOptions) (*Triplet[T], error) {
	if o.Miner == "" {
		o.Miner = MinerDistanceWeighted
	}
	if !(o.Margin >= 0) || math.IsInf(o.Margin, 1) {
		return nil, fmt.Errorf("%w: margin is %g, expected a number of 0 or more", ErrOption, o.Margin)
	}
	m := miner[T]{kind: o.Miner}
	if err := m.validate(); err != nil {
		return nil, err
	}
	return &Triplet[T]{options: o, miner: m, pairs: newPairs[T]("student"), gradient: newPairGradient[T]()}, nil
}

// Eval implements [Loss]; its one term is named triplet.
func (t *Triplet[T]) Eval(b Batch[T], weight float64, grad Matrix[T]) (Value, error) {
	if err := validateGrad(grad, b.Student); err != nil {
		return Value{}, err
	}
	if len(b.Labels) != b.Student.Rows {
		return Value{}, fmt.Errorf("%w: %d labels for student (%d,%d), expected one a row", ErrShape, len(b.Labels),
			b.Student.Rows, b.Student.Cols)
	}
	if b.Rand == nil && t.miner.draws() {
		return Value{}, fmt.Errorf("%w: miner %q needs a random generator", ErrBatch, t.options.Miner)
	}
	if err := t.pairs.measure(b.Student); err != nil {
		return Value{}, err
	}
	t.triples = t.miner.mine(t.triples[:0], t.pairs, b.Labels, b.Rand)
	if len(t.triples) == 0 {
		return Value{}, fmt.Errorf("%w: no triplet among %d rows of %d classes, expected 2 classes or more and 2 rows of one",
			ErrBatch, len(b.Labels), classes(b.Labels))
	}
	t.gradient.reset(t.pairs.n)
	value := t.sum(weight)
	if grad.Data != nil {
		t.gradient.addTo(t.pairs, grad)
	}
	t.term[0] = Term{Name: "triplet", Weight: 1, Value: value}
	return Value{Total: value, Terms: t.term[:]}, nil
}

// sum returns the mean over all triplets and collects weight times its derivative by squared distances.
func (t *Triplet[T]) sum(weight float64) float64 {
	sum, factor := 0.0, weight/float64(len(t.triples))
	for _, x := range t.triples {
		v := t.measure(x.anchor, x.positive) - t.measure(x.anchor, x.negative) + t.options.Margin
		if v > 0 {
			sum += v
			t.pull(x.anchor, x.positive, factor)
			t.pull(x.anchor, x.negative, -factor)
		}
	}
	return sum / float64(len(t.triples))
}

func (t *Triplet[T]) measure(i, j int) float64 {
	d := t.pairs.distance(i, j)
	if t.options.Squared {
		return d * d
	}
	return d
}

// pull adds factor·∂d/∂‖x_i − x_j‖².
func (t *Triplet[T]) pull(i, j int, factor float64) {
	if !t.options.Squared {
		factor *= float64(t.pairs.inverse[i*t.pairs.n+j]) * (math.Sqrt2 / 2)
	}
	t.gradient.h[min(i, j)*t.pairs.n+max(i, j)] += T(factor)
}

func classes(labels []int32) int {
	seen := map[int32]bool{}
	for _, l := range labels {
		seen[l] = true
	}
	return len(seen)
}
