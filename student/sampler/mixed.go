package sampler

import (
	"fmt"
	"math"
)

// mixed draws batches of rows with labels, as a kind of batch draws them, and behind them rows without.
type mixed struct {
	with    Batches
	without *cycle
}

// newMixed returns ErrBatch where a batch would hold rows of one sort only, and the errors of the kind.
func newMixed(labels []int32, with, without []int, shape Shape, seed uint64) (Batches, error) {
	rows, drawn := shape.Rows(), shape.drawn()
	if shape.Kind == Shuffled {
		drawn = min(max(int(math.Round(shape.Labelled*float64(rows))), 1), rows)
	}
	if drawn >= rows {
		return nil,
			fmt.Errorf("%w: labelled is %g, which leaves no room for %d samples without labels in a batch of %d: expected "+
				"a smaller share, or no source without labels", ErrBatch, shape.Labelled, len(without), rows)
	}
	m := &mixed{without: newCycle(without, rows-drawn, "rows without labels", seed)}
	if shape.Kind == Shuffled {
		m.with = newCycle(with, drawn, "rows with labels", seed)
		return m, nil
	}
	shape.Labelled = 0
	var err error
	m.with, err = newOfKind(labels, with, shape, seed)
	return m, err
}

// Rows is the number of rows of every batch.
func (m *mixed) Rows() int { return m.with.Rows() + m.without.Rows() }

// Batch returns the rows of one step's batch.
func (m *mixed) Batch(step int) []int {
	with := m.with.Batch(step)
	return append(with[:len(with):len(with)], m.without.Batch(step)...)
}

// cycle draws rows in random order, all of them before any is drawn again. Unlike shuffled it drops none: a batch may
// end one round and begin the next, and where there are fewer rows than a batch takes, it holds some several times.
type cycle struct {
	rows    []int
	size    int
	purpose string
	seed    uint64
	round   int   // that order is of
	order   []int // nil before the first batch
}

func newCycle(rows []int, size int, purpose string, seed uint64) *cycle {
	return &cycle{rows: rows, size: size, purpose: purpose, seed: seed}
}

// Rows is the number of rows of every batch.
func (c *cycle) Rows() int { return c.size }

// Batch returns the rows of one step's batch.
func (c *cycle) Batch(step int) []int {
	batch := make([]int, c.size)
	for i := range batch {
		at := step*c.size + i
		if round := at / len(c.rows); c.order == nil || c.round != round {
			c.round, c.order = round, Stream(c.seed, c.purpose, round).Perm(len(c.rows))
		}
		batch[i] = c.rows[c.order[at%len(c.rows)]]
	}
	return batch
}
