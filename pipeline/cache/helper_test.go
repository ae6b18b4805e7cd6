package cache

import (
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rkd/pipeline/storage"
)

var update = flag.Bool("update", false, "rewrite golden files")

// testKey is a key whose every field is set.
func testKey(views int, logits string) Key {
	return Key{
		Model: "9c1b0f5a2d7e4c3b8a6f1e0d9c8b7a695847362514039281706f5e4d3c2b1a09", Output: "embedding", Logits: logits,
		Preprocess: "scale=1/255;layout=NCHW", Normalize: "l2", Views: views, ViewPolicy: "flip", ViewSeed: 7,
		DType: "float32", Dataset: "3f2a4b5c6d7e8f90123456789abcdef0123456789abcdef0123456789abcdef0",
	}
}

// testPlan plans n samples with ids 3, 6, 9, … given in a shuffled order.
func testPlan(n, views, rowsPerShard, dim, logitsDim int) Plan {
	logits := ""
	if logitsDim > 0 {
		logits = "logits"
	}
	p := Plan{Key: testKey(views, logits), Views: views, RowsPerShard: rowsPerShard, Dim: dim, LogitsDim: logitsDim}
	for i := range n {
		p.Samples = append(p.Samples, sample(int64(3*(i+1)), int32(i%5)))
	}
	rng := rand.New(rand.NewPCG(1, 2))
	rng.Shuffle(n, func(i, j int) { p.Samples[i], p.Samples[j] = p.Samples[j], p.Samples[i] })
	return p
}

// sample is a sample whose content is a function of its id.
func sample(id int64, label int32) Sample {
	return Sample{
		ID: id, Label: label, Class: fmt.Sprintf("class %d", label), Path: fmt.Sprintf("class %d/%d.png", label, id),
		Content: sha256.Sum256([]byte(fmt.Sprint(id))),
	}
}

// table is a plan's table of samples, of which nothing is there yet.
func (p Plan) table() *sampleTable {
	return newSampleTable(p.Samples, p.Views, make([]int32, len(p.Samples)))
}

// all returns all rows of a plan.
func (p Plan) all() Rows {
	t := p.table()
	return t.rows(0, t.end)
}

// header is that of the shards of a folder's first plan.
func (p Plan) header() Header {
	t := p.table()
	f := p.file(1, t)
	d := newDigest()
	_ = t.encode(d)
	f.Header.Samples = d.hex()
	return f.Header
}

// raceRounds is the number of rounds of a race; test-crash runs more.
var raceRounds = 10

// hooks is the writer's store, whose doings tests replace.
func hooks(w *Writer) *storage.Folder { return w.store.(*storage.Folder) }

// embed stands for a teacher: it fills rows with values that depend on id, view and position alone.
func embed(r Rows, dim, logitsDim int) Rows {
	fill := func(width int, salt uint64) []float32 {
		if width == 0 {
			return nil
		}
		out := make([]float32, 0, len(r.IDs)*width)
		for i, id := range r.IDs {
			rng := rand.New(rand.NewPCG(uint64(id), uint64(r.Views[i])+salt))
			for range width {
				out = append(out, float32(rng.NormFloat64()))
			}
		}
		return out
	}
	r.Embeddings, r.Logits = fill(dim, 0), fill(logitsDim, 1<<32)
	return r
}

// drop removes the rows of some ids, as a reader does that skips broken samples.
func drop(r Rows, ids ...int64) Rows {
	var out Rows
	for i, id := range r.IDs {
		if !slices.Contains(ids, id) {
			out.IDs = append(out.IDs, id)
			out.Views = append(out.Views, r.Views[i])
			out.Labels = append(out.Labels, r.Labels[i])
			out.About = append(out.About, r.About[i])
		}
	}
	return out
}

func create(t testing.TB, dir string, plan Plan) *Writer {
	t.Helper()
	w, err := Create(t.Context(), dir, plan)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// fill writes all missing shards, without the samples skipped, and commits.
func fill(t testing.TB, w *Writer, skipped ...int64) *Manifest {
	t.Helper()
	for _, i := range w.Missing() {
		rows := embed(drop(w.Rows(i), skipped...), w.plan.Dim, w.plan.LogitsDim)
		if err := w.WriteShard(t.Context(), i, rows); err != nil {
			t.Fatal(err)
		}
	}
	m, err := w.Commit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// build makes a finished cache in a new folder.
func build(t testing.TB, plan Plan, skipped ...int64) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "cache")
	fill(t, create(t, dir, plan), skipped...)
	return dir
}

// expected returns the table that a cache of the plan must load as.
func expected(plan Plan, skipped ...int64) *Table {
	plan, _ = plan.resolved()
	return &Table{
		Rows: embed(drop(plan.all(), skipped...), plan.Dim, plan.LogitsDim), Dim: plan.Dim,
		LogitsDim: plan.LogitsDim,
	}
}

// sameRows compares rows bit for bit and names the first difference.
func sameRows(t *testing.T, what string, got, want Rows) {
	t.Helper()
	sameValues(t, what+": ids", got.IDs, want.IDs)
	sameValues(t, what+": views", got.Views, want.Views)
	sameValues(t, what+": labels", got.Labels, want.Labels)
	sameValues(t, what+": embeddings", got.Embeddings, want.Embeddings)
	sameValues(t, what+": logits", got.Logits, want.Logits)
}

func sameValues[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d values, want %d", what, len(got), len(want))
		return
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%s: value %d is %v, want %v", what, i, got[i], want[i])
			return
		}
	}
}

// contents maps every name in dir to its bytes.
func contents(t testing.TB, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(data)
	}
	return files
}

// besidePlan lists the names in dir but those of plans and their tables.
func besidePlan(t testing.TB, dir string) []string {
	t.Helper()
	var names []string
	for name := range contents(t, dir) {
		if planNumber(name) == 0 && !contentPattern.MatchString(name) {
			names = append(names, name)
		}
	}
	return names
}

// sameFiles compares two folders by name and bytes, and reports names and sizes only.
func sameFiles(t *testing.T, got, want map[string]string) {
	t.Helper()
	describe := func(files map[string]string) []string {
		var out []string
		for name, data := range files {
			out = append(out, fmt.Sprintf("%s %d bytes", name, len(data)))
		}
		slices.Sort(out)
		return out
	}
	if diff := cmp.Diff(describe(want), describe(got)); diff != "" {
		t.Fatalf("files differ (-want +got):\n%s", diff)
	}
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%s: bytes differ", name)
		}
	}
}

// damage replaces a file's bytes.
func damage(t testing.TB, path string, change func([]byte) []byte) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(data), 0o644); err != nil {
		t.Fatal(err)
	}
}

func flip(at int) func([]byte) []byte {
	return func(b []byte) []byte {
		b[at] ^= 0x10
		return b
	}
}

func cancelled(t testing.TB) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
