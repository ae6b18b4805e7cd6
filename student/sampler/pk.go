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

// pk is the shape of kind PK that draws the classes and rows of s, which is of kind PK or Episodes.
func (s Shape) pk() Shape {
	if s.Kind == Episodes {
		return Shape{Classes: s.Ways, PerClass: s.Shots + s.Queries, Short: s.Short}
	}
	return s
}

// Short lists the classes, by label, that have fewer of the rows than a batch of the shape takes of one, with how many
// they have.
func Short(labels []int32, rows []int, shape Shape) map[int32]int {
	short := map[int32]int{}
	if shape.Kind == Shuffled {
		return short
	}
	classes, names := byClass(labels, rows)
	for i, c := range classes {
		if names[i] >= 0 && len(c) < shape.pk().PerClass {
			short[names[i]] = len(c)
		}
	}
	return short
}

// newPK returns ErrBatch where there are fewer classes than P. Classes with fewer rows than K are left out or draw rows
// again, as the shape says.
func newPK(labels []int32, rows []int, shape Shape, seed uint64) (*pk, error) {
	classes, _ := byClass(labels, rows)
	all := len(classes)
	if shape.Short == ShortDrop {
		classes = slices.DeleteFunc(classes, func(c []int) bool { return len(c) < shape.PerClass })
	}
	if len(classes) < shape.Classes {
		left := ""
		if len(classes) < all {
			left = fmt.Sprintf(" with %d samples or more (of %d; short: %s would draw samples of the others again)",
				shape.PerClass,
				all, ShortRepeat)
		}
		return nil, fmt.Errorf("%w: %d classes a batch, but the training data has %d%s", ErrBatch, shape.Classes,
			len(classes),
			left)
	}
	return &pk{shape: shape, seed: seed, classes: classes, orders: make([]order, len(classes))}, nil
}

// Rows is the number of rows of every batch.
func (s *pk) Rows() int { return s.shape.drawn() }

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
	if len(rows) < k {
		return s.repeated(class, turn)
	}
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

// repeated returns K rows of a class that has fewer: each as often as any other, give or take one.
func (s *pk) repeated(class, turn int) []int {
	k, rows := s.shape.PerClass, s.classes[class]
	again := make([]int, 0, k)
	r := Stream(s.seed, fmt.Sprintf("rows of class %d", class), turn)
	for len(again) < k {
		for _, j := range r.Perm(len(rows)) {
			again = append(again, rows[j])
		}
	}
	return again[:k]
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
