package cache

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestMap maps the rows of caches of each type, whole and grown, and finds those that Load reads.
func TestMap(t *testing.T) {
	for _, dtype := range DTypes {
		plan := reduced(testPlan(150, 2, 90, 6, 3), dtype, false)
		dir, scratch := build(t, plan, 12), t.TempDir()
		for round := range 2 {
			c, err := Open(t.Context(), dir)
			must(t, err)
			want, err := c.Load(t.Context())
			must(t, err)
			got, err := c.Map(t.Context(), scratch)
			must(t, err)
			sameRows(t, dtype, got.Rows, want.Rows)
			if n := int64(8*len(want.IDs) + 4*(len(want.Embeddings)+len(want.Logits)+2*len(want.IDs))); c.MemoryBytes() != n {
				t.Errorf("MemoryBytes is %d, want %d", c.MemoryBytes(), n)
			}
			must(t, got.Close())
			must(t, got.Close())

			// Once more where the file is there, with the shards out of reach.
			moved := t.TempDir()
			for _, s := range c.Manifest().Shards {
				must(t, os.Rename(filepath.Join(dir, s.File), filepath.Join(moved, s.File)))
			}
			again, err := c.Map(t.Context(), scratch)
			must(t, err)
			sameRows(t, dtype+" again", again.Rows, want.Rows)
			must(t, again.Close())
			for _, s := range c.Manifest().Shards {
				must(t, os.Rename(filepath.Join(moved, s.File), filepath.Join(dir, s.File)))
			}

			plan.Samples = append(slices.Clone(plan.Samples), sample(int64(4000+round), 1))
			plan.Key.Dataset = plan.Key.Model
			fill(t, create(t, dir, plan), 12)
		}
		files, err := os.ReadDir(scratch)
		must(t, err)
		if len(files) != 1 {
			t.Errorf("%d row files, expected that of the last manifest", len(files))
		}
	}
}

// TestMapRefuses makes no rows of damaged shards, and makes those again that are not the manifest's.
func TestMapRefuses(t *testing.T) {
	dir, scratch := build(t, testPlan(50, 1, 20, 4, 0)), t.TempDir()
	c, err := Open(t.Context(), dir)
	must(t, err)
	table, err := c.Map(t.Context(), scratch)
	must(t, err)
	must(t, table.Close())
	files, err := filepath.Glob(filepath.Join(scratch, "*.rows"))
	must(t, err)
	damage(t, files[0], func(b []byte) []byte { return b[:len(b)-1] })
	if table, err = c.Map(t.Context(), scratch); err != nil {
		t.Fatalf("rows that were cut short: %v, want them made again", err)
	}
	must(t, table.Close())
	must(t, os.Remove(files[0]))
	damage(t, filepath.Join(dir, shardName(1, 1, 3)), flip(300))
	if _, err := c.Map(t.Context(), scratch); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a damaged shard: %v, want ErrCorrupt", err)
	}
	if left, _ := os.ReadDir(scratch); len(left) > 0 {
		t.Errorf("%v stayed", left)
	}
}
