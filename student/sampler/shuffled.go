package sampler

import "fmt"

// shuffled draws batches of rows in random order. All rows are drawn before any is drawn again, except a remainder too
// small for a batch at the end of a round.
type shuffled struct {
	rows  []int
	size  int
	seed  uint64
	round int   // that order is of
	order []int // nil before the first batch
}

// newShuffled returns ErrBatch where there are fewer rows than size.
func newShuffled(rows []int, size int, seed uint64) (*shuffled, error) {
	if err := checkRows(len(rows), size); err != nil {
		return nil, err
	}
	return &shuffled{rows: rows, size: size, seed: seed}, nil
}

// checkRows returns ErrBatch where there are fewer rows than a batch takes.
func checkRows(rows, size int) error {
	if rows < size {
		return fmt.Errorf("%w: size is %d, but there are %d training rows", ErrBatch, size, rows)
	}
	return nil
}

// Rows is the number of rows of every batch.
func (s *shuffled) Rows() int { return s.size }

// Batch returns the rows of one step's batch.
func (s *shuffled) Batch(step int) []int {
	perRound := len(s.rows) / s.size // batches
	round, at := step/perRound, step%perRound
	if s.order == nil || s.round != round {
		s.round, s.order = round, Stream(s.seed, "rows", round).Perm(len(s.rows))
	}
	batch := make([]int, s.size)
	for i, j := range s.order[at*s.size : (at+1)*s.size] {
		batch[i] = s.rows[j]
	}
	return batch
}
