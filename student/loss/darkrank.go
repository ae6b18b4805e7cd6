package loss

import (
	"cmp"
	"fmt"
	"math"

	"rkd/student/internal/blas"
	"rkd/student/internal/parallel"
)

// DarkRankOptions are the settings of [DarkRank].
type DarkRankOptions struct {
	Alpha float64 `yaml:"alpha,omitempty" within:"(0,1000000]"` // α, the scale of scores, more than 0; 0 means 3
	// β, the power of distances in scores, more than 0; 0 means 3
	Beta   float64 `yaml:"beta,omitempty" within:"(0,1000000]"`
	Length int     `yaml:"length,omitempty" within:"[1,16384]"` // how many rows a list ranks, 1 or more; 0 means 4
}

// WithDefaults fills in what is 0.
func (o DarkRankOptions) WithDefaults() DarkRankOptions {
	o.Alpha, o.Beta, o.Length = cmp.Or(o.Alpha, 3), cmp.Or(o.Beta, 3), cmp.Or(o.Length, 4)
	return o
}

// New implements [Options].
func (o DarkRankOptions) New() (Loss[float32], error) { return NewDarkRank[float32](o) }

// DarkRank is hard DarkRank: the teacher's list of each row's nearest others shall be likely under the student's
// scores.
//
//	L = −1/N Σ_i Σ_{k=1..K} ( s_i,π(k) − ln Σ_{m=k..K} exp s_i,π(m) ),  s_ij = −α·‖x_i − x_j‖₂^β
//
// where π(1), π(2), … are the rows other than i by growing distance from i in the teacher, the first of equal ones
// first, and K is Length or N−1 where that is less. Student is (N,Ds), teacher (N,Dt), N ≥ 2; Ds and Dt are free. The
// value is in nats; distances are as they come. The teacher gives an order and is a constant. Time is O(N²·(D + K) +
// N·K²), memory O(N²).
//
// Two rows coincide when the square of their distance is at most 1e-12. They count with distance 1e-6 and get no
// gradient through it. For N = 2 or Length 1 there is one order, and the value is 0.
//
// Eval returns ErrShape for N < 2 or unequal numbers of rows, and ErrNotFinite for rows that hold NaN or an infinity or
// are so large that scores or gradient overflow.
//
// Source: Chen et al., DarkRank, AAAI 2018, section 3; the list of the nearest, α 3, β 3 and Length 4 are those of the
// code of Park et al., CVPR 2019. Deviation: that code drops the first of the sorted rows for i itself, which with
// coincident teacher rows may be another.
type DarkRank[T blas.Float] struct {
	options          DarkRankOptions
	student, teacher *pairs[T]
	gradient         *pairGradient[T]
	length           int // K
	weight           float64

	order   []int     // (N,K): π
	score   []float64 // (N,K): s_i,π(k)
	rest    []float64 // (N,K): ln Σ_{m≥k} exp s_i,π(m)
	slope   []float64 // (N,K): weight·dL/d‖x_i − x_π(k)‖²
	rowLoss []float64 // (N), +Inf where something overflows
	rows    *parallel.Loop
	term    [1]Term
}

// NewDarkRank returns a hard DarkRank loss, or ErrOption for a setting out of range.
func NewDarkRank[T blas.Float](o DarkRankOptions) (*DarkRank[T], error) {
	o = o.WithDefaults()
	for _, s := range []struct {
		name  string
		value float64
	}{{"alpha", o.Alpha}, {"beta", o.Beta}} {
		if !(s.value > 0) || math.IsInf(s.value, 1) {
			return nil, fmt.Errorf("%w: %s is %g, expected a number of more than 0", ErrOption, s.name, s.value)
		}
	}
	if o.Length < 1 {
		return nil, fmt.Errorf("%w: length is %d, expected 1 or more", ErrOption, o.Length)
	}
	l := &DarkRank[T]{
		options: o, student: newPairs[T]("student"), teacher: newPairs[T]("teacher"), gradient: newPairGradient[T](),
		term: [1]Term{{Name: "dark_rank", Weight: 1}},
	}
	l.rows = parallel.NewLoop(l.rankRow)
	return l, nil
}

// Eval implements [Loss]; it looks at the batch's student and teacher, and its one term is named dark_rank.
func (l *DarkRank[T]) Eval(b Batch[T], weight float64, grad Matrix[T]) (Value, error) {
	if err := validateSides(b, grad); err != nil {
		return Value{}, err
	}
	if err := l.student.measure(b.Student); err != nil {
		return Value{}, err
	}
	if err := l.teacher.measure(b.Teacher); err != nil {
		return Value{}, err
	}
	n := b.Student.Rows
	l.length, l.weight = min(l.options.Length, n-1), weight
	cells := n * l.length
	l.order, l.rowLoss = resize(l.order, cells), resize(l.rowLoss, n)
	l.score, l.rest, l.slope = resize(l.score, cells), resize(l.rest, cells), resize(l.slope, cells)
	l.student.source = b.Student // for rankRow
	l.rows.Run(n)
	l.student.source = Matrix[T]{}
	sum := 0.0
	for i, v := range l.rowLoss {
		if math.IsInf(v, 0) {
			what := "is too far from others: powers of its distances overflow"
			return Value{}, &RowError{Side: "student", Row: i, What: what}
		}
		sum += v
	}
	if grad.Data != nil {
		l.gradient.reset(n)
		for c, slope := range l.slope {
			i, j := c/l.length, l.order[c]
			l.gradient.h[min(i, j)*n+max(i, j)] += T(slope)
		}
		l.gradient.addTo(l.student, grad)
	}
	l.term[0].Value = sum / float64(n)
	return Value{Total: l.term[0].Value, Terms: l.term[:]}, nil
}

// rankRow computes row i of order, score, rest, slope and rowLoss. It takes the few distances that it needs from the
// rows themselves: powers would magnify the rounding errors of float32.
func (l *DarkRank[T]) rankRow(i int) {
	first := i * l.length
	order, score := l.order[first:][:l.length], l.score[first:][:l.length]
	rest, slope := l.rest[first:][:l.length], l.slope[first:][:l.length]
	l.nearest(i, order)
	for k, j := range order {
		slope[k] = max(l.student.direct(i, j), minSquared)
		score[k] = -l.options.Alpha * math.Pow(slope[k], l.options.Beta/2)
	}
	loss, after := 0.0, math.Inf(-1)
	for k := len(order) - 1; k >= 0; k-- {
		high, low := max(score[k], after), min(score[k], after)
		after = high + math.Log1p(math.Exp(low-high))
		rest[k] = after
		loss += after - score[k]
	}
	for m, squared := range slope {
		pull := -1.0 // dL/ds, but for 1/N
		for _, r := range rest[:m+1] {
			pull += math.Exp(score[m] - r)
		}
		slope[m] = l.weight / float64(l.student.n) * pull * l.options.Beta / 2 * score[m] / squared
		loss += 0 * float64(T(slope[m])) // NaN when the slope overflows
	}
	if math.IsNaN(loss) {
		loss = math.Inf(1)
	}
	l.rowLoss[i] = loss
}

// nearest fills order with the rows nearest to i in the teacher, by insertion: lists are short.
func (l *DarkRank[T]) nearest(i int, order []int) {
	squared := l.teacher.squared[i*l.teacher.n:][:l.teacher.n]
	filled := 0
	for j, q := range squared {
		if j == i || filled == len(order) && q >= squared[order[filled-1]] {
			continue
		}
		filled = min(filled+1, len(order))
		at := filled - 1
		for ; at > 0 && squared[order[at-1]] > q; at-- {
			order[at] = order[at-1]
		}
		order[at] = j
	}
}
