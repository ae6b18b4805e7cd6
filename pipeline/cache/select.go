package cache

import (
	"context"
	"fmt"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"rkd/datasets/fault"
)

// rowAt is a row of a shard, and where in a table it goes.
type rowAt struct{ row, to int }

// Select reads some rows, by their numbers, with what the cache tells of them. Only the row groups that hold them are
// read, and nothing is hashed.
func (c *Cache) Select(ctx context.Context, rows []int) (*Table, error) {
	m := &c.manifest
	t := &Table{Rows: newRows(len(rows), m.Dim, m.LogitsDim), Dim: m.Dim, LogitsDim: m.LogitsDim}
	t.About = make([]About, len(rows))
	if m.Key.DType == Int8 {
		t.Scales = make([]float32, len(rows))
	}
	for _, row := range rows {
		if row < 0 || row >= m.Rows {
			return nil, fmt.Errorf("%w: row %d, expected 0 to %d", ErrRows, row, m.Rows-1)
		}
	}
	wanted, err := c.locate(ctx, rows, t)
	if err != nil {
		return nil, err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, of := range wanted {
		if len(of) == 0 {
			continue
		}
		slices.SortFunc(of, func(a, b rowAt) int { return a.row - b.row })
		group.Go(fault.Guard(func() error {
			return c.withShard(ctx, i, false, func(s *shardFile) error { return s.scatter(ctx, of, t, m.Index == nil) })
		}))
	}
	return t, group.Wait()
}

// locate says in which shards rows lie. Where the cache has an index, it fills in what that tells of them.
func (c *Cache) locate(ctx context.Context, rows []int, t *Table) ([][]rowAt, error) {
	m := &c.manifest
	wanted := make([][]rowAt, len(m.Shards))
	if m.Index != nil {
		x, err := c.readIndex(ctx)
		if err != nil {
			return nil, err
		}
		for to, row := range rows {
			t.IDs[to], t.Views[to], t.Labels[to], t.About[to] = x.IDs[row], x.Views[row], x.Labels[row], x.About[row]
			p := x.places[row]
			wanted[p[0]] = append(wanted[p[0]], rowAt{p[1], to})
		}
		return wanted, nil
	}
	ends := make([]int, len(m.Shards))
	for i, s := range m.Shards {
		ends[i] = s.Rows
		if i > 0 {
			ends[i] += ends[i-1]
		}
	}
	for to, row := range rows {
		i, _ := slices.BinarySearch(ends, row+1)
		wanted[i] = append(wanted[i], rowAt{row - ends[i] + m.Shards[i].Rows, to})
	}
	return wanted, nil
}

// scatter copies rows of the shard, ascending, to rows of a table; names says whether ids and the like are wanted, too.
func (s *shardFile) scatter(ctx context.Context, rows []rowAt, t *Table, names bool) error {
	from := 0
	for i, g := range s.groups {
		n := int(g.NumRows())
		k, _ := slices.BinarySearchFunc(rows, from+n, func(r rowAt, end int) int { return r.row - end })
		if k > 0 {
			block := newRows(n, s.Dim, s.LogitsDim)
			if names {
				block.About = make([]About, n)
			}
			if t.Scales != nil {
				block.Scales = make([]float32, n)
			}
			if err := s.readGroup(ctx, i, n, block); err != nil {
				return err
			}
			for _, r := range rows[:k] {
				t.copyRow(r.to, block, r.row-from, names)
			}
		}
		rows, from = rows[k:], from+n
	}
	return nil
}

// copyRow overwrites a row with one of other rows.
func (t *Table) copyRow(to int, from Rows, row int, names bool) {
	copy(cut(t.Embeddings, to, to+1, t.Dim), cut(from.Embeddings, row, row+1, t.Dim))
	copy(cut(t.Scales, to, to+1, 1), cut(from.Scales, row, row+1, 1))
	copy(cut(t.Logits, to, to+1, t.LogitsDim), cut(from.Logits, row, row+1, t.LogitsDim))
	if names {
		t.IDs[to], t.Views[to], t.Labels[to], t.About[to] = from.IDs[row], from.Views[row], from.Labels[row], from.About[row]
	}
}
