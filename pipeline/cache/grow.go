package cache

import (
	"context"
	"errors"
	"runtime"

	"golang.org/x/sync/errgroup"

	"rkd/datasets/fault"
)

// rowKey names a row by what is in its sample, so that a sample that was moved or renamed is known again. Half of the
// SHA-256 is enough to tell samples apart.
type rowKey struct {
	content [16]byte
	view    int32
}

func keyOf(s Sample, view int32) rowKey { return rowKey{[16]byte(s.Content[:16]), view} }

// place is where a row lies.
type place struct{ shard, row int32 }

// holdings are the rows in the whole shards of some plans.
type holdings struct {
	shards []*finished
	rows   map[rowKey]place // of equal rows the first one
}

// holdings lists the rows in the shards of plans; a broken shard holds none.
func (w *Writer) holdings(ctx context.Context, plans []*PlanFile) (*holdings, error) {
	h := &holdings{rows: map[rowKey]place{}}
	known := w.old.listed()
	present := map[string]bool{}
	for _, name := range w.files {
		_, out := w.leaveOut[name]
		present[name] = !out
	}
	for _, p := range plans {
		of, err := openPlanned(ctx, w.store, p, 0, p.ShardCount)
		if err != nil {
			return nil, err
		}
		shards, keys := make([]*finished, p.ShardCount), make([][]rowKey, p.ShardCount)
		var group errgroup.Group
		group.SetLimit(runtime.GOMAXPROCS(0))
		for i := range p.ShardCount {
			if !present[shardName(p.Plan, i, p.ShardCount)] {
				continue
			}
			group.Go(fault.Guard(func() error {
				shard, err := of.check(ctx, w.store, known, i)
				if err == nil {
					keys[i], err = rowKeys(ctx, w.store, shard.File)
				}
				if err != nil {
					w.mu.Lock()
					defer w.mu.Unlock()
					w.broken = append(w.broken, err)
					if errors.Is(err, ErrCorrupt) {
						return nil
					}
					return err
				}
				shards[i] = shard
				return nil
			}))
		}
		if err := group.Wait(); err != nil {
			return nil, err
		}
		for i, shard := range shards {
			h.add(shard, keys[i])
		}
	}
	return h, nil
}

// add counts the rows of a shard, nil for one that holds nothing.
func (h *holdings) add(shard *finished, keys []rowKey) {
	if shard == nil {
		return
	}
	for row, k := range keys {
		if _, ok := h.rows[k]; !ok {
			h.rows[k] = place{int32(len(h.shards)), int32(row)}
		}
	}
	h.shards = append(h.shards, shard)
}

// views returns how many views of a sample are there, from the first one on.
func (h *holdings) views(s Sample, most int) int32 {
	for v := range int32(most) {
		if _, ok := h.rows[keyOf(s, v)]; !ok {
			return v
		}
	}
	return int32(most)
}

// rowKeys reads the names of a shard's rows.
func rowKeys(ctx context.Context, store Store, name string) (keys []rowKey, err error) {
	err = withFile(ctx, store, name, func(f File) error {
		s, err := openShard(f, f.Size())
		if err != nil {
			return err
		}
		keys = make([]rowKey, s.rows)
		views := make([]int32, s.rows)
		if err := s.read(ctx, s.rows, Rows{Views: views}); err != nil {
			return err
		}
		from := 0
		for _, g := range s.groups {
			chunk := g.ColumnChunks()[s.columns["content"]]
			err := readTexts(ctx, chunk, int(g.NumRows()), func(i int, v []byte) { copy(keys[from+i].content[:], v) })
			if err != nil {
				return err
			}
			from += int(g.NumRows())
		}
		for i, v := range views {
			keys[i].view = v
		}
		return nil
	})
	return keys, err
}

// firstViews returns of each sample of a plan the first view that no shard of earlier plans holds.
func (w *Writer) firstViews(ctx context.Context, plans []*PlanFile, plan Plan) ([]int32, error) {
	first := make([]int32, len(plan.Samples))
	if len(plans) == 0 {
		return first, nil
	}
	h, err := w.holdings(ctx, plans)
	if err != nil {
		return nil, err
	}
	for i, s := range plan.Samples {
		first[i] = h.views(s, plan.Views)
	}
	return first, nil
}

// supported tells whether shards of earlier plans hold the rows that the newest one takes from them.
func (w *Writer) supported(ctx context.Context, plans []*PlanFile) (bool, error) {
	newest := plans[len(plans)-1]
	if newest.whole() {
		return true, nil
	}
	of, err := openPlanned(ctx, w.store, newest, 0, newest.ShardCount)
	if err != nil {
		return false, err
	}
	h, err := w.holdings(ctx, plans[:len(plans)-1])
	if err != nil {
		return false, err
	}
	for i, s := range of.table.samples {
		if h.views(s, newest.Key.Views) < of.table.first[i] {
			return false, nil
		}
	}
	return true, nil
}

// whole tells whether the plan computes every row that the cache is to hold.
func (p *PlanFile) whole() bool { return p.Rows == p.Samples*p.Key.Views }
