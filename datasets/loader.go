package datasets

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"rkd/datasets/fault"
	"rkd/datasets/memory"
)

// Row is a row of a batch to be: a view of the i-th sample of a data set.
type Row struct {
	Sample int
	View   int32
}

// LoaderOptions say how a Loader reads.
type LoaderOptions struct {
	// Batch is the number of rows of a batch at most.
	Batch int
	// Ahead is the number of batches that are read ahead of the one in use; default 2.
	Ahead int
	// Strict makes every error of a sample that of the batch, whatever on_error says.
	Strict bool
	Keep   Keep
}

// Loader turns samples into batches of tensors: it reads and transforms rows on several goroutines and prefetches
// batches. It is safe for concurrent use.
type Loader struct {
	data      Dataset
	rows      []Row
	transform Transform
	options   LoaderOptions
	kept      *store
}

// readers is the least number of samples that are read at a time: with few cores, readers wait for the disk more than
// for a core.
const readers = 8

// NewLoader returns a loader of rows of data; nil rows are all samples in view 0.
func NewLoader(data Dataset, rows []Row, t Transform, o LoaderOptions) *Loader {
	if rows == nil {
		rows = make([]Row, data.Len())
		for i := range rows {
			rows[i].Sample = i
		}
	}
	if o.Ahead == 0 {
		o.Ahead = 2
	}
	return &Loader{data: data, rows: rows, transform: t, options: o, kept: newStore(len(rows), t.CompactBytes(), o.Keep)}
}

// Len is the number of rows.
func (l *Loader) Len() int { return len(l.rows) }

// KeptMemory is the memory that the loader keeps when it has read all rows, in bytes.
func (l *Loader) KeptMemory() int64 { return l.kept.inRAM * int64(l.kept.size) }

// Close gives back what is kept. No batch may be in use.
func (l *Loader) Close() error { return l.kept.Close() }

// InOrder cuts all rows from first to last−1 into batches of the loader's size.
func (l *Loader) InOrder(first, last int) iter.Seq[[]int] {
	return func(yield func([]int) bool) {
		for start := first; start < last; start += l.options.Batch {
			rows := make([]int, 0, l.options.Batch)
			for row := start; row < min(start+l.options.Batch, last); row++ {
				rows = append(rows, row)
			}
			if !yield(rows) {
				return
			}
		}
	}
}

// Chunks cuts rows into batches of the loader's size.
func (l *Loader) Chunks(rows []int) iter.Seq[[]int] { return slices.Chunk(rows, l.options.Batch) }

// Batches reads the batches of order, a list of rows each, and yields them in that order, while the following ones are
// read. A batch's memory is that of a later one once the loop goes on. A sample that cannot be read is left out of its
// batch where the data set's on_error says so; otherwise its error ends the loop, as does the end of ctx. order is
// walked in another goroutine than the loop's. When the loop has ended nothing is read any more.
func (l *Loader) Batches(ctx context.Context, order iter.Seq[[]int]) iter.Seq2[*Batch, error] {
	return func(yield func(*Batch, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		p := l.start(ctx, order)
		defer p.group.Wait()
		defer cancel()
		for {
			b, err := p.next(ctx)
			if b == nil && err == nil {
				return
			}
			if err == nil {
				err = l.settle(b)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(&b.Batch, nil) {
				return
			}
			p.free <- b
		}
	}
}

// slot is a batch that is being read.
type slot struct {
	Batch
	failed []error
	left   atomic.Int64 // rows to be read, and one for handing them out
	done   chan struct{}
}

// finish marks one row as read.
func (s *slot) finish() {
	if s.left.Add(-1) == 0 {
		s.done <- struct{}{}
	}
}

// prefetch is a sequence of batches that is being read.
type prefetch struct {
	free  chan *slot // memory that is not in use
	ready chan *slot // batches in order, being read or read
	work  chan piece
	group sync.WaitGroup
	err   error // why there are no further batches, once ready is closed
}

// piece is a row to be read.
type piece struct {
	slot *slot
	at   int // in the batch
}

func (l *Loader) start(ctx context.Context, order iter.Seq[[]int]) *prefetch {
	slots := l.options.Ahead + 1
	p := &prefetch{free: make(chan *slot, slots), ready: make(chan *slot, slots), work: make(chan piece)}
	for range slots {
		p.free <- nil // allocated when it is needed
	}
	p.group.Go(func() {
		defer close(p.ready)
		defer close(p.work)
		p.err = fault.Guard(func() error {
			buf := memory.Make[byte](l.transform.CompactBytes())
			for rows := range order {
				if !l.handOut(ctx, p, rows, buf) {
					break
				}
			}
			return nil
		})()
	})
	for range min(max(readers, runtime.GOMAXPROCS(0)), l.options.Batch) {
		p.group.Go(func() {
			var buf []byte
			for w := range p.work {
				w.slot.failed[w.at] = fault.Guard(func() error {
					if buf == nil {
						buf = memory.Make[byte](l.transform.CompactBytes())
					}
					return l.read(ctx, w, buf)
				})()
				w.slot.finish()
			}
		})
	}
	return p
}

// handOut begins a batch: rows that are kept are filled in at once, the others given to the readers. It reports false
// when ctx has ended.
func (l *Loader) handOut(ctx context.Context, p *prefetch, rows []int, buf []byte) bool {
	var s *slot
	select {
	case s = <-p.free:
	case <-ctx.Done():
		return false
	}
	if s == nil || cap(s.Rows) < len(rows) {
		s = &slot{Batch: *newBatch(l.transform, max(len(rows), l.options.Batch)), done: make(chan struct{}, 1)}
	}
	s.Rows = append(s.Rows[:0], rows...)
	s.Skipped = nil
	s.failed = slices.Grow(s.failed[:0], len(rows))[:len(rows)]
	clear(s.failed)
	s.left.Store(int64(len(rows)) + 1)
	p.ready <- s // has room for all slots
	for i, row := range rows {
		if compact := l.kept.get(row, buf); compact != nil {
			l.transform.Expand(s.Values.row(i, s.size), compact)
			s.finish()
			continue
		}
		select {
		case p.work <- piece{s, i}:
		case <-ctx.Done():
			return false
		}
	}
	s.finish()
	return true
}

// read reads one row.
func (l *Loader) read(ctx context.Context, w piece, buf []byte) error {
	row := w.slot.Rows[w.at]
	r := l.rows[row]
	if err := l.transform.Compact(ctx, l.data.Sample(r.Sample), r.View, buf); err != nil {
		return err
	}
	l.kept.put(row, buf)
	l.transform.Expand(w.slot.Values.row(w.at, w.slot.size), buf)
	return nil
}

// next waits for the next batch; it is nil after the last.
func (p *prefetch) next(ctx context.Context) (*slot, error) {
	select {
	case s, ok := <-p.ready:
		if !ok {
			return nil, errors.Join(p.err, ctx.Err())
		}
		select {
		case <-s.done:
			return s, ctx.Err()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// settle removes rows that could not be read from a batch, or returns the error of the first one that must not be
// skipped.
func (l *Loader) settle(s *slot) error {
	kept := 0
	for i, err := range s.failed {
		if err == nil {
			if kept < i {
				s.Values.copyRow(kept, i, s.size)
				s.Rows[kept] = s.Rows[i]
			}
			kept++
			continue
		}
		if l.options.Strict || !l.data.Skips(l.rows[s.Rows[i]].Sample, err) {
			return err
		}
		sample := l.data.Sample(l.rows[s.Rows[i]].Sample)
		s.Skipped = append(s.Skipped, Skipped{ID: sample.ID, Path: sample.Path, Reason: err})
	}
	s.Rows = s.Rows[:kept]
	return nil
}

// RowsOf returns the rows of the given views of samples, by their ids. Its error wraps ErrUnknownSample.
func RowsOf(d Dataset, ids []int64, views []int32) ([]Row, error) {
	rows := make([]Row, len(ids))
	for i, id := range ids {
		at, ok := d.Find(id)
		if !ok {
			return nil, fmt.Errorf("%w: %d is not in %s", ErrUnknownSample, id, d.Name())
		}
		rows[i] = Row{Sample: at, View: views[i]}
	}
	return rows, nil
}
