package train

import (
	"context"
	"slices"

	"rkd/student/sampler"
)

// Rows is what a student learns from: R rows, each a view of a sample with its label and the teacher's embedding.
type Rows struct {
	Labels  []int32   // (R)
	Samples []int64   // (R) identities; the views of one sample share theirs and stay on one side of the selection split
	Teacher []float32 // (R,Dt)
	Logits  []float32 // (R,C) of the teacher, nil without
	// Load writes the preprocessed pixels of rows to x, (len(rows),Input...). It is called from two goroutines at
	// a time, never for the same row.
	Load func(rows []int, x []float32) error
}

// batch is one step's input.
type batch struct {
	rows []int
	x    []float32
	err  error
}

// loader reads the batches of the coming steps while a step computes.
type loader struct {
	batches chan batch
	free    chan []float32
	cancel  context.CancelFunc
	done    chan struct{}
}

// newLoader starts reading the batches of steps first to last−1, each of size values.
func newLoader(ctx context.Context, rows Rows, order sampler.Batches, first, last, size int) *loader {
	const ahead = 2
	ctx, cancel := context.WithCancel(ctx)
	l := &loader{
		batches: make(chan batch, ahead), free: make(chan []float32, ahead+1), cancel: cancel, done: make(chan struct{}),
	}
	for range ahead + 1 {
		l.free <- make([]float32, size)
	}
	go func() {
		defer close(l.done)
		defer close(l.batches)
		for step := first; step < last; step++ {
			select {
			case x := <-l.free:
				b := batch{rows: order.Batch(step), x: x}
				b.err = rows.Load(b.rows, b.x)
				select {
				case l.batches <- b:
				case <-ctx.Done():
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return l
}

// next returns the batch of the next step; recycle gives its memory back.
func (l *loader) next(ctx context.Context) (batch, error) {
	select {
	case b, ok := <-l.batches:
		if !ok {
			return batch{}, ctx.Err()
		}
		return b, b.err
	case <-ctx.Done():
		return batch{}, ctx.Err()
	}
}

func (l *loader) recycle(b batch) { l.free <- b.x }

// close stops reading and waits until Load is no longer called.
func (l *loader) close() {
	l.cancel()
	<-l.done
}

// gather copies the given rows of a matrix, (R,width), to dst, (len(rows),width).
func gather(dst, of []float32, rows []int, width int) []float32 {
	dst = slices.Grow(dst[:0], len(rows)*width)
	for _, row := range rows {
		dst = append(dst, of[row*width:(row+1)*width]...)
	}
	return dst
}
