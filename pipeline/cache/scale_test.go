//go:build scale

package cache

import (
	"os"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// peak is the largest resident memory that this process has had, in MiB.
func peak(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	must(t, err)
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	n, err := strconv.Atoi(string(m[1]))
	must(t, err)
	return n >> 10
}

// TestScale plans, fills, commits, opens and maps a cache of 1,000,000 rows of 512 numbers, and holds the memory that
// writing takes, and the time of opening, against what docs/cache.md promises. It takes 5 GB of disk.
func TestScale(t *testing.T) {
	const n, dim = 1_000_000, 512
	plan := Plan{Key: testKey(1, ""), Views: 1, RowsPerShard: 1 << 16, Dim: dim}
	for i := range n {
		plan.Samples = append(plan.Samples, sample(int64(i), int32(i%1000)))
	}
	dir, scratch := t.TempDir(), t.TempDir()
	w := create(t, dir, plan)
	t.Logf("planned: %d MiB", peak(t))
	began := time.Now()
	for _, shard := range w.Missing() {
		s, err := w.Fill(t.Context(), shard)
		must(t, err)
		for s.Done() < s.Planned() {
			rows := s.Rows(1024)
			rows.Embeddings = make([]float32, len(rows.IDs)*dim)
			for i := range rows.Embeddings {
				rows.Embeddings[i] = float32(rows.IDs[i/dim]*int64(i%dim)%1009) / 1009
			}
			must(t, s.Add(t.Context(), len(rows.IDs), rows))
		}
		must(t, s.Finish(t.Context()))
	}
	_, err := w.Commit(t.Context())
	must(t, err)
	t.Logf("written in %v: %d MiB", time.Since(began).Round(time.Second), peak(t))
	if peak(t) > 1024 {
		t.Errorf("writing took %d MiB, expected 1,024 at most", peak(t))
	}
	open := func() time.Duration {
		began := time.Now()
		c, err := Open(t.Context(), dir)
		must(t, err)
		table, err := c.Map(t.Context(), scratch)
		must(t, err)
		if len(table.IDs) != n || table.Embeddings[dim*n-1] != float32((n-1)*int64(dim-1)%1009)/1009 {
			t.Error("the last row is another one")
		}
		must(t, table.Close())
		return time.Since(began)
	}
	t.Logf("rows made and mapped in %v", open().Round(time.Millisecond))
	again := open()
	t.Logf("opened and mapped in %v", again)
	if again > 100*time.Millisecond {
		t.Errorf("opening took %v, expected 100 ms at most", again)
	}
}
