package datasets

import (
	"context"
	"fmt"
)

// Batch is the tensor of consecutive rows. Its memory is used again when the next batch is taken.
type Batch struct {
	// Rows are the rows that could be read, as they were asked for, in order; the first len(Rows) rows of Values are
	// theirs.
	Rows    []int
	Skipped []Skipped
	Values  Values
	size    int // elements of a row
}

// Len is the number of rows.
func (b *Batch) Len() int { return len(b.Rows) }

// Pad repeats the last row up to row n, for a model with a fixed batch dimension. n is at most the size of batch that
// the loader was made for.
func (b *Batch) Pad(n int) {
	for i := len(b.Rows); i < n; i++ {
		b.Values.copyRow(i, len(b.Rows)-1, b.size)
	}
}

// Gather reads samples, each in view 0, to one batch with room for capacity rows. It reads nothing ahead. Its error is
// the first sample's that cannot be read.
func Gather(ctx context.Context, t Transform, capacity int, samples ...Sample) (*Batch, error) {
	if len(samples) < 1 || len(samples) > capacity {
		return nil, fmt.Errorf("reading a batch: %d samples, expected 1 to %d", len(samples), capacity)
	}
	b := newBatch(t, capacity)
	compact := make([]byte, t.CompactBytes())
	for i, s := range samples {
		if err := t.Compact(ctx, s, 0, compact); err != nil {
			return nil, err
		}
		t.Expand(b.Values.row(i, b.size), compact)
		b.Rows = append(b.Rows, i)
	}
	return b, nil
}

func newBatch(t Transform, capacity int) *Batch {
	size := sizeOf(t.Shape())
	return &Batch{Rows: make([]int, 0, capacity), Values: NewValues(t.Elem(), capacity*size), size: size}
}
