package cache

import (
	"context"
	"errors"
)

// compact writes the used rows of shards that hold unused ones, too, into shards of a further plan, commits that and
// removes the old shards. It needs no teacher. The rows are in memory. If it is interrupted before the commit, the
// cache is as it was, with a plan that precompute finishes.
func (c *Cache) compact(ctx context.Context, x *rowIndex, g *Garbage) error {
	m := &c.manifest
	perShard := make([]int, len(m.Shards))
	counted := map[[2]int]bool{}
	for _, p := range x.places {
		if !counted[p] {
			counted[p] = true
			perShard[p[0]]++
		}
	}
	mixed := map[string]int64{} // sizes of the shards to replace, by name
	for i, s := range m.Shards {
		if perShard[i] < s.Rows {
			mixed[s.File] = s.Bytes
		}
	}
	var rows []int
	for row, p := range x.places {
		if _, ok := mixed[m.Shards[p[0]].File]; ok {
			rows = append(rows, row)
		}
	}
	kept, err := c.Select(ctx, rows)
	if err != nil {
		return err
	}
	w := &Writer{store: c.store, keepEvery: keepEvery, leaveOut: mixed}
	if err := w.planKept(ctx, m); err != nil {
		return err
	}
	if err := w.writeKept(ctx, kept); err != nil {
		return err
	}
	if _, err := w.Commit(ctx); err != nil {
		return err
	}
	var errs []error
	for name, bytes := range mixed {
		errs = append(errs, c.store.Remove(ctx, name))
		g.Shards++
		g.Bytes += bytes
	}
	return errors.Join(errs...)
}

// planKept creates a plan of the rows that are only in shards which are left out.
func (w *Writer) planKept(ctx context.Context, m *Manifest) error {
	plans, err := w.open(ctx, m.Key)
	if err != nil {
		return err
	}
	newest := plans[len(plans)-1]
	of, err := openPlanned(ctx, w.store, newest, 0, newest.ShardCount)
	if err != nil {
		return err
	}
	plan := Plan{
		Key: m.Key, Samples: of.table.samples, Views: m.Key.Views, RowsPerShard: newest.RowsPerShard, Dim: m.Dim,
		LogitsDim: m.LogitsDim, Config: newest.Config,
	}
	first, err := w.firstViews(ctx, plans, plan)
	if err != nil {
		return err
	}
	t := newSampleTable(plan.Samples, plan.Views, first)
	next := plan.file(len(plans)+1, t)
	next.Basis = plans[0].Basis
	got, _, err := claim(ctx, w.store, next, t, nil)
	if err != nil {
		return err
	}
	return w.resume(ctx, got, 0, got.ShardCount)
}

// writeKept fills the plan's shards with rows that were read from other shards.
func (w *Writer) writeKept(ctx context.Context, kept *Table) error {
	at := map[rowKey]int{}
	for i, a := range kept.About {
		at[keyOf(a.Sample, kept.Views[i])] = i
	}
	w.Describe(func(s Sample, view int32) string {
		if i, ok := at[keyOf(s, view)]; ok {
			return kept.About[i].Params
		}
		return ""
	})
	for _, shard := range w.Missing() {
		planned := w.Rows(shard)
		var rows Rows
		for j, a := range planned.About {
			i, ok := at[keyOf(a.Sample, planned.Views[j])]
			if !ok {
				continue // a sample that did not decode
			}
			one := kept.slice(i, i+1, kept.Dim, kept.LogitsDim)
			rows.IDs, rows.Views = append(rows.IDs, planned.IDs[j]), append(rows.Views, planned.Views[j])
			rows.Labels = append(rows.Labels, planned.Labels[j])
			rows.Embeddings, rows.Logits = append(rows.Embeddings, one.Embeddings...), append(rows.Logits, one.Logits...)
			rows.Scales = append(rows.Scales, one.Scales...)
		}
		if err := w.WriteShard(ctx, shard, rows); err != nil {
			return err
		}
	}
	return nil
}
