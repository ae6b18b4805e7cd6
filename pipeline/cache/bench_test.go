package cache

import (
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
)

const (
	benchRows = 30_000
	benchDim  = 512
)

// benchTable is 30,000×512 numbers of which only their being finite matters.
func benchTable(b *testing.B) (Plan, Rows) {
	plan := mustResolve(b, testPlan(benchRows, 1, 8192, benchDim, 0))
	rows := plan.all()
	rows.Embeddings = make([]float32, benchRows*benchDim)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range rows.Embeddings {
		rows.Embeddings[i] = rng.Float32()
	}
	return plan, rows
}

func benchCache(b *testing.B) string {
	plan, rows := benchTable(b)
	dir := b.TempDir()
	w := create(b, dir, plan)
	for i := range w.Shards() {
		from := i * plan.RowsPerShard
		must(b, w.WriteShard(b.Context(), i, rows.slice(from, min(from+plan.RowsPerShard, benchRows), benchDim, 0)))
	}
	_, err := w.Commit(b.Context())
	must(b, err)
	return dir
}

func BenchmarkEncode(b *testing.B) {
	plan, rows := benchTable(b)
	b.SetBytes(benchRows * benchDim * 4)
	header := shardHeader{Header: plan.header()}
	for b.Loop() {
		must(b, encodeShard(io.Discard, header, oneBlock(rows)))
	}
}

func BenchmarkWriteShard(b *testing.B) {
	plan, rows := benchTable(b)
	b.SetBytes(int64(plan.RowsPerShard * benchDim * 4))
	rows = rows.slice(0, plan.RowsPerShard, benchDim, 0)
	for b.Loop() {
		w := create(b, b.TempDir(), plan)
		must(b, w.WriteShard(b.Context(), 0, rows))
	}
}

func BenchmarkResume(b *testing.B) {
	plan, _ := benchTable(b)
	dir := benchCache(b)
	for name, finished := range map[string]bool{"unfinished": false, "finished": true} {
		b.Run(name, func(b *testing.B) {
			if !finished {
				must(b, os.Remove(filepath.Join(dir, ManifestName)))
			}
			b.SetBytes(benchRows * benchDim * 4)
			for b.Loop() {
				if w := create(b, dir, plan); !w.Done() {
					b.Fatal(w.Broken())
				}
			}
			_, err := create(b, dir, plan).Commit(b.Context())
			must(b, err)
		})
	}
}

func BenchmarkLoad(b *testing.B) {
	c, err := Open(b.Context(), benchCache(b))
	must(b, err)
	for _, bench := range []struct {
		name string
		load func() (*Table, error)
	}{
		{"hashed", func() (*Table, error) { return c.Load(b.Context()) }},
		{"unhashed", func() (*Table, error) { return c.LoadUnhashed(b.Context()) }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.SetBytes(benchRows * benchDim * 4)
			for b.Loop() {
				_, err := bench.load()
				must(b, err)
			}
		})
	}
}

// BenchmarkGenericReader is parquet-go's reader of rows on the same files, for comparison.
func BenchmarkGenericReader(b *testing.B) {
	dir := benchCache(b)
	b.SetBytes(benchRows * benchDim * 4)
	for b.Loop() {
		n := 0
		for i := range 4 {
			rows, err := parquet.ReadFile[record](filepath.Join(dir, shardName(1, i, 4)))
			must(b, err)
			n += len(rows)
		}
		if n != benchRows {
			b.Fatal(n)
		}
	}
}

// perProcessor measures the processor's time of what follows, of which other processes on the machine take nothing, and
// reports it with the bytes that it does in a second of it.
func perProcessor(b *testing.B, bytes int) (report func()) {
	used := func() time.Duration {
		var u syscall.Rusage
		must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := used()
	return func() {
		took := (used() - before).Seconds() / float64(b.N)
		b.ReportMetric(1e6*took, "cpu-µs/op")
		b.ReportMetric(float64(bytes)/took/1e9, "GB/cpu-s")
	}
}

// BenchmarkMap opens mapped rows, and reads them in batches of 65 random rows and all in turn.
func BenchmarkMap(b *testing.B) {
	c, err := Open(b.Context(), benchCache(b))
	must(b, err)
	scratch := b.TempDir()
	t, err := c.Map(b.Context(), scratch)
	must(b, err)
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			t, err := c.Map(b.Context(), scratch)
			must(b, err)
			must(b, t.Close())
		}
	})
	batch := make([]float32, 65*benchDim)
	b.Run("batch", func(b *testing.B) {
		rng := rand.New(rand.NewPCG(1, 1))
		b.SetBytes(int64(4 * len(batch)))
		report := perProcessor(b, 4*len(batch))
		for b.Loop() {
			for i := range 65 {
				row := rng.IntN(benchRows)
				copy(batch[i*benchDim:], t.Embeddings[row*benchDim:(row+1)*benchDim])
			}
		}
		report()
	})
	b.Run("sequential", func(b *testing.B) {
		b.SetBytes(int64(4 * len(t.Embeddings)))
		report := perProcessor(b, 4*len(t.Embeddings))
		for b.Loop() {
			for from := 0; from < len(t.Embeddings); from += len(batch) {
				copy(batch, t.Embeddings[from:])
			}
		}
		report()
	})
	must(b, t.Close())
}
