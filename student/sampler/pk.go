package sampler

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// pk draws batches of P classes with K rows each (Hermans et al. 2017, "In Defense of the Triplet Loss", section 2).
// All classes are drawn in random order before any is drawn again, and so are the rows of a class; a remainder too
// small for a batch, or for K rows, is dropped in that round.
type pk struct {
	shape   Shape
	seed    uint64
	classes [][]int // rows of each class, ascending
	orders  []order // of the rows of each class
}

// order is a random order of a class's rows, kept for the steps that share it.
type order struct {
	round int
	rows  []int
}

// newPK returns ErrBatch where there are fewer classes than P or where a class has fewer rows than K.
func newPK(labels []int32, rows []int, shape Shape, seed uint64) (*pk, error) {
	classes, names := byClass(labels, rows)
	if err := shape.checkClasses(names, classes, 1); err != nil {
		return nil, err
	}
	return &pk{shape: shape, seed: seed, classes: classes, orders: make([]order, len(classes))}, nil
}

// checkClasses returns ErrBatch where batches of pk ask for more than there is: classes with some samples, in so many
// views each.
func (s Shape) checkClasses(names []int32, classes [][]int, views int) error {
	if len(classes) < s.Classes {
		return fmt.Errorf("%w: %d classes a batch, but the training data has %d", ErrBatch, s.Classes, len(classes))
	}
	for i, c := range classes {
		if len(c)*views < s.PerClass {
			return fmt.Errorf("%w: %d samples per class, but class %d has %d", ErrBatch, s.PerClass, names[i], len(c)*views)
		}
	}
	return nil
}

// Rows is the number of rows of every batch.
func (s *pk) Rows() int { return s.shape.Rows() }

// Batch returns the rows of one step's batch, class by class.
func (s *pk) Batch(step int) []int {
	p, k := s.shape.Classes, s.shape.PerClass
	perRound := len(s.classes) / p // batches
	round, at := step/perRound, step%perRound
	batch := make([]int, 0, p*k)
	for _, c := range Stream(s.seed, "classes", round).Perm(len(s.classes))[at*p : (at+1)*p] {
		batch = append(batch, s.rows(c, round)...)
	}
	return batch[:s.Rows()]
}

// rows returns the K rows of a class in a round of the classes, in each of which a class has one turn.
func (s *pk) rows(class, turn int) []int {
	k, rows := s.shape.PerClass, s.classes[class]
	turns := len(rows) / k // in a round of its rows
	round, at := turn/turns, turn%turns
	o := &s.orders[class]
	if o.rows == nil || o.round != round {
		*o = order{round: round, rows: make([]int, len(rows))}
		for i, j := range Stream(s.seed, fmt.Sprintf("rows of class %d", class), round).Perm(len(rows)) {
			o.rows[i] = rows[j]
		}
	}
	return o.rows[at*k : (at+1)*k]
}

// draw returns k different numbers below n, in random order (Floyd's algorithm, then a shuffle: k draws whatever n is).
func draw(r *rand.Rand, n, k int) []int {
	drawn := make([]int, 0, k)
	seen := make(map[int]bool, k)
	for j := n - k; j < n; j++ {
		i := r.IntN(j + 1)
		if seen[i] {
			i = j
		}
		seen[i] = true
		drawn = append(drawn, i)
	}
	r.Shuffle(k, func(i, j int) { drawn[i], drawn[j] = drawn[j], drawn[i] })
	return drawn
}

// byClass groups rows by label, classes ascending, and returns the label of each group too.
func byClass(labels []int32, rows []int) (classes [][]int, names []int32) {
	groups := map[int32][]int{}
	for _, r := range rows {
		groups[labels[r]] = append(groups[labels[r]], r)
	}
	for label := range groups {
		names = append(names, label)
	}
	slices.Sort(names)
	for _, label := range names {
		slices.Sort(groups[label])
		classes = append(classes, groups[label])
	}
	return classes, names
}
