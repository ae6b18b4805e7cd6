//go:build scale

package cache

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"
	"time"
)

// TestSimulation plans a cache of 1,000,000 shards, asks for its status, finalizes and opens it, and holds what each of
// them takes against 1 GiB. The shards are markers: empty files of the right size, with the records of the tasks that
// would have made them. It takes 1,000,000 inodes.
func TestSimulation(t *testing.T) {
	const shards, tasks, dim = 1_000_000, 1000, 512
	dir := t.TempDir()
	phase := func(name string, do func()) {
		t.Helper()
		debug.FreeOSMemory()
		must(t, os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)) // the peak of memory counts from now on
		began := time.Now()
		do()
		mib := peak(t)
		t.Logf("%-9s %6.1f s %5d MiB", name, time.Since(began).Seconds(), mib)
		if mib > 1024 {
			t.Errorf("%s took %d MiB, expected 1,024 at most", name, mib)
		}
	}
	plan := Plan{Key: testKey(1, ""), Views: 1, RowsPerShard: 1, Dim: dim, Tasks: tasks}
	for i := range shards {
		s := Sample{ID: int64(i), Label: int32(i % 1000), Path: fmt.Sprintf("%04d/%d.jpg", i%1000, i)}
		s.Class = s.Path[:4]
		s.Content = sha256.Sum256([]byte(s.Path))
		plan.Samples = append(plan.Samples, s)
	}
	var p *PlanFile
	phase("plan", func() {
		w, err := Create(t.Context(), dir, plan)
		must(t, err)
		p = w.Plan()
	})
	plan = Plan{}

	began := time.Now()
	for task := range tasks {
		from, to, err := p.TaskShards(task)
		must(t, err)
		r := taskRecord{FormatVersion: FormatVersion, Plan: p.Checksum, Task: task, Skipped: []int64{}}
		for i := from; i < to; i++ {
			name := shardName(1, i, shards)
			sum := sha256.Sum256([]byte(name))
			r.Shards = append(r.Shards, Shard{name, 1, int64(i), int64(i), 4 * dim, hex.EncodeToString(sum[:])})
			f, err := os.Create(filepath.Join(dir, name))
			must(t, err)
			must(t, f.Truncate(4*dim))
			must(t, f.Close())
		}
		data, err := r.encode()
		must(t, err)
		must(t, os.WriteFile(filepath.Join(dir, p.recordName(task)), data, 0o644))
	}
	t.Logf("%-9s %6.1f s", "markers", time.Since(began).Seconds())

	phase("status", func() {
		s, err := ReadStatus(t.Context(), dir)
		must(t, err)
		if len(s.Missing) > 0 || s.Complete {
			t.Errorf("%d shards are missing, complete %v", len(s.Missing), s.Complete)
		}
	})
	phase("finalize", func() {
		m, err := Finalize(t.Context(), dir)
		must(t, err)
		if m.Rows != shards || m.Table == nil {
			t.Errorf("%d rows, table %v", m.Rows, m.Table)
		}
	})
	phase("open", func() {
		c, err := Open(t.Context(), dir)
		must(t, err)
		m := c.Manifest()
		info, err := os.Stat(filepath.Join(dir, ManifestName))
		must(t, err)
		t.Logf("manifest %d bytes, table of shards %d bytes", info.Size(), m.Table.Bytes)
	})
}
