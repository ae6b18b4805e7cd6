package cache

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sync/errgroup"

	"rkd/datasets/fault"
	"rkd/pipeline/storage"
)

// Finalize writes the manifest of a folder's newest plan once all of its shards are there: the last step of a cache
// that is filled by tasks. What a task has recorded is taken from its record, and the sizes of its shards from one
// listing; shards of tasks without a record are read and compared with the plan. It returns ErrIncomplete, naming what
// is missing, ErrNoPlan, and the errors of Create.
func Finalize(ctx context.Context, dir string) (*Manifest, error) {
	p, err := ReadPlan(ctx, dir)
	if err != nil {
		return nil, err
	}
	if !p.whole() { // rows of earlier plans count, too, and are looked for in their shards
		w, err := Resume(ctx, dir, -1)
		if err != nil {
			return nil, err
		}
		return w.Commit(ctx)
	}
	w := &Writer{store: openStore(dir), keepEvery: keepEvery}
	if _, err := w.open(ctx, p.Key); err != nil {
		return nil, err
	}
	w.plan, w.to = &planned{PlanFile: p}, p.ShardCount
	return w.finalize(ctx)
}

// taskFound is what a task has made.
type taskFound struct {
	skipped []int64
	missing []string
}

func (w *Writer) finalize(ctx context.Context) (*Manifest, error) {
	sizes, err := w.list(ctx)
	if err != nil {
		return nil, err
	}
	p := w.plan.PlanFile
	err = withFile(ctx, w.store, p.SamplesFile, func(f File) error {
		return Shard{Bytes: f.Size(), SHA256: p.Header.Samples}.checkBytes(ctx, f, newDigest())
	})
	if err != nil {
		return nil, err
	}
	m := &Manifest{
		Header: p.Header, CreatedBy: createdBy, Shards: make([]Shard, p.ShardCount), Skipped: Skipped{IDs: []int64{}},
	}
	found := make([]taskFound, p.Tasks)
	known := w.old.listed()
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(2 * runtime.GOMAXPROCS(0)) // records are small, and may lie in a bucket
	for task := range p.Tasks {
		group.Go(fault.Guard(func() (err error) {
			from, to, err := p.TaskShards(task)
			if err != nil {
				return err
			}
			found[task], err = w.findTask(groupCtx, task, m.Shards[from:to], sizes, known)
			return err
		}))
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("finalizing cache %q: %w", w.store.Path(""), err)
	}
	if w.old != nil && w.old.Plan == p.Plan && len(w.broken) > 0 {
		// A folder is a cache only while all of its shards are right.
		if err := w.store.Remove(ctx, ManifestName); err != nil {
			return nil, fmt.Errorf("finalizing cache %q: %w", w.store.Path(""), err)
		}
	}
	var missing []string
	for _, f := range found {
		missing = append(missing, f.missing...)
		m.Skipped.IDs = append(m.Skipped.IDs, f.skipped...)
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("%w in %q: %d of %d shards are missing: %s", ErrIncomplete, w.store.Path(""), len(missing),
			p.ShardCount, some(missing))
	}
	for _, s := range m.Shards {
		m.Rows += s.Rows
	}
	return m, w.publish(ctx, m, sizes)
}

// findTask fills in the shards of a task: as its record says where they are as large as that says, else as they are.
func (w *Writer) findTask(ctx context.Context, task int, shards []Shard, sizes map[string]int64,
	known map[string]*Shard,
) (f taskFound, err error) {
	p := w.plan.PlanFile
	if _, there := sizes[p.recordName(task)]; there {
		r, err := w.readRecord(ctx, p, task)
		if err != nil {
			return f, err
		}
		if r != nil && allThere(r.Shards, sizes) {
			copy(shards, r.Shards)
			return taskFound{skipped: r.Skipped}, nil
		}
	}
	from, to, err := p.TaskShards(task)
	if err != nil {
		return f, err
	}
	var of *planned
	for i := from; i < to; i++ {
		name := w.name(i)
		if sizes[name] == 0 {
			f.missing = append(f.missing, name)
			continue
		}
		if of == nil {
			if of, err = openPlanned(ctx, w.store, p, from, to); err != nil {
				return f, err
			}
		}
		s, err := of.check(ctx, w.store, known, i)
		switch {
		case ctx.Err() != nil:
			return f, ctx.Err()
		case errors.Is(err, ErrMismatch), storage.IsOutage(err):
			return f, err
		case err != nil:
			w.mu.Lock()
			w.broken = append(w.broken, err)
			w.mu.Unlock()
			f.missing = append(f.missing, name)
			continue
		}
		shards[i-from] = s.Shard
		f.skipped = append(f.skipped, s.skipped...)
	}
	return f, nil
}

// allThere tells whether files have the sizes that shards should have.
func allThere(shards []Shard, sizes map[string]int64) bool {
	for _, s := range shards {
		if size, ok := sizes[s.File]; !ok || size != s.Bytes {
			return false
		}
	}
	return true
}
