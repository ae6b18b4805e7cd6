package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"
)

// keepEvery is the time after which Filling.Add puts the rows that it holds on disk.
const keepEvery = 20 * time.Second

// Filling is a shard that is being filled. It holds a bounded number of rows in memory; earlier rows, also those of an
// interrupted process, are in parts on disk.
type Filling struct {
	w      *Writer
	header shardHeader
	parts  [][2]int // on disk, without a gap
	kept   int      // rows that they cover
	next   int      // first planned row that was not added
	held   part     // rows [kept, next)
	since  time.Time
}

// Fill begins a shard that is missing, or goes on with it where an interrupted process stopped.
func (w *Writer) Fill(ctx context.Context, shard int) (*Filling, error) {
	if shard < 0 || shard >= w.plan.ShardCount {
		return nil, fmt.Errorf("%w: shard %d, expected less than %d", ErrRows, shard, w.plan.ShardCount)
	}
	s := &Filling{w: w, header: w.plan.shardHeader(shard), since: time.Now()}
	for _, span := range chain(slices.Clone(w.parts[w.name(shard)])) {
		if span[1] > w.plan.planned(shard) {
			break
		}
		// A part that is damaged, or was removed by the writer that finished the shard, is computed again.
		if _, err := readPart(ctx, w.store, s.header, span[0], span[1]); err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			break
		}
		s.parts = append(s.parts, span)
		s.kept = span[1]
	}
	s.next = s.kept
	s.held.from = s.kept
	return s, nil
}

// Done returns the number of planned rows that are there, present or skipped.
func (s *Filling) Done() int { return s.next }

// Planned returns the number of rows that the shard is planned to hold.
func (s *Filling) Planned() int { return s.w.plan.planned(s.header.Shard) }

// Rows returns up to n planned rows after those that are there, without embeddings and logits.
func (s *Filling) Rows(n int) Rows {
	return s.w.plan.rows(s.header.Shard, s.next, min(s.Planned(), s.next+n))
}

// Add takes the next planned rows: of the n that follow, in their order, those that were not skipped.
//
// It returns ErrRows for rows that do not fit the plan or hold a NaN or an infinity; the error names the sample.
func (s *Filling) Add(ctx context.Context, n int, rows Rows) error {
	if n < 0 || n > s.Planned()-s.next {
		return fmt.Errorf("%w for shard %d: %d rows after %d, expected %d at most", ErrRows, s.header.Shard, n, s.next,
			s.Planned()-s.next)
	}
	present, err := rows.fit(s.Rows(n), s.header.Dim, s.header.LogitsDim)
	if err != nil {
		return fmt.Errorf("%w for shard %d: %w", ErrRows, s.header.Shard, err)
	}
	if err := rows.storable(s.header.Key.DType, s.header.Dim); err != nil {
		return fmt.Errorf("%w for shard %d: %w", ErrRows, s.header.Shard, err)
	}
	most, done := s.header.rowsPerBlock(), 0 // rows of present
	for from := 0; from < n; {
		to := min(n, from+most-(s.next-s.kept))
		k := 0
		for _, ok := range present[from:to] {
			if ok {
				k++
			}
		}
		s.held.present = append(s.held.present, present[from:to]...)
		s.held.embeddings = append(s.held.embeddings, cut(rows.Embeddings, done, done+k, s.header.Dim)...)
		s.held.logits = append(s.held.logits, cut(rows.Logits, done, done+k, s.header.LogitsDim)...)
		s.next += to - from
		from, done = to, done+k
		// The last rows need no part: the shard follows at once.
		if s.next < s.Planned() && (s.next-s.kept == most || time.Since(s.since) > s.w.keepEvery) {
			if err := s.Keep(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// Keep puts the rows that are in memory on disk, so that a process that is about to end loses nothing.
func (s *Filling) Keep(ctx context.Context) error {
	s.since = time.Now()
	if s.next == s.kept {
		return nil
	}
	s.held.to = s.next
	if err := writePart(ctx, s.w.store, s.header, s.held); err != nil {
		return err
	}
	s.parts = append(s.parts, [2]int{s.held.from, s.held.to})
	s.kept = s.next
	s.held = part{from: s.kept}
	return nil
}

// Finish writes the shard, when all planned rows were added, and gives it its name in one step. When another writer was
// faster its shard stays, if it is whole. When writing fails, with a full disk for example, the error names the file
// and no half of it is left behind.
func (s *Filling) Finish(ctx context.Context) error {
	if s.next < s.Planned() {
		return fmt.Errorf("%w for shard %d: %d rows were added, expected %d", ErrRows, s.header.Shard, s.next, s.Planned())
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	name := s.w.name(s.header.Shard)
	own := new(finished)
	write := func(out io.Writer) (err error) {
		own, err = s.encode(ctx, out)
		return err
	}
	err := s.w.store.Create(ctx, name, write)
	if errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) { // another writer has finished the shard
		if winner, checkErr := s.w.check(ctx, s.header.Shard); checkErr == nil {
			own, err = winner, nil
		} else if errors.Is(err, fs.ErrExist) {
			err = s.w.store.Replace(ctx, name, write)
		}
	}
	if err != nil {
		return fmt.Errorf("writing shard %q: %w", s.w.store.Path(name), err)
	}
	for _, p := range s.parts {
		if err := s.w.store.Remove(ctx, partName(name, p[0], p[1])); err != nil {
			return fmt.Errorf("removing a part of shard %q: %w", s.w.store.Path(name), err)
		}
	}
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	s.w.done[s.header.Shard] = own
	return nil
}

// encode writes the shard and describes it.
func (s *Filling) encode(ctx context.Context, out io.Writer) (*finished, error) {
	d := newDigest()
	f := finished{Shard: Shard{File: s.w.name(s.header.Shard)}}
	err := encodeShard(io.MultiWriter(out, d), s.header, func(yield func(Rows, error) bool) {
		for _, span := range append(s.parts, [2]int{s.kept, s.next}) {
			p, err := s.held, error(nil)
			if span[0] < s.kept {
				p, err = readPart(ctx, s.w.store, s.header, span[0], span[1])
			}
			if err != nil {
				yield(Rows{}, err)
				return
			}
			planned := s.w.plan.rows(s.header.Shard, span[0], span[1])
			rows := planned.keep(p.present)
			rows.Embeddings, rows.Logits, rows.Scales = p.embeddings, p.logits, p.scales
			f.add(rows, planned, p.present)
			if !yield(rows, nil) {
				return
			}
		}
	})
	f.Bytes, f.SHA256 = d.bytes, d.hex()
	return &f, err
}
