package cache

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rkd/pipeline/storage"
)

func TestPlanRefuses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Plan)
		text   string
	}{
		{"no samples", func(p *Plan) { p.Samples = nil }, "samples is empty"},
		{"an id twice", func(p *Plan) { p.Samples[1] = p.Samples[0] }, "occurs twice"},
		{"no views", func(p *Plan) { p.Views, p.Key.Views = 0, 0 }, "views is 0"},
		{"views that are not the key's", func(p *Plan) { p.Views = 2 }, "views is 2, but the key's views is 1"},
		{"empty shards", func(p *Plan) { p.RowsPerShard = 0 }, "rows_per_shard is 0"},
		{"no width", func(p *Plan) { p.Dim = 0 }, "dim is 0"},
		{"a negative width of logits", func(p *Plan) { p.LogitsDim = -1 }, "logits_dim is -1"},
		{"logits without a tensor", func(p *Plan) { p.LogitsDim = 3 }, `logits_dim is 3, but the key's logits is ""`},
		{"another type", func(p *Plan) { p.Key.DType = "float64" }, `dtype is "float64"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			plan := testPlan(4, 1, 2, 3, 0)
			tt.change(&plan)
			_, err := Create(t.Context(), t.TempDir(), plan)
			wantError(t, err, ErrPlan, tt.text)
		})
	}
}

func TestRowsOfAShard(t *testing.T) {
	w := create(t, t.TempDir(), testPlan(3, 2, 4, 1, 0))
	if w.Shards() != 2 || !cmp.Equal(w.Missing(), []int{0, 1}) || w.Done() {
		t.Fatalf("%d shards, missing %v, done %v", w.Shards(), w.Missing(), w.Done())
	}
	for shard, want := range []Rows{
		{IDs: []int64{3, 3, 6, 6}, Views: []int32{0, 1, 0, 1}, Labels: []int32{0, 0, 1, 1}},
		{IDs: []int64{9, 9}, Views: []int32{0, 1}, Labels: []int32{2, 2}},
		{},
	} {
		got := w.Rows(shard)
		got.About = nil
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("shard %d (-want +got):\n%s", shard, diff)
		}
	}
}

func TestWriteShardRefusesRows(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Rows)
		text   string
	}{
		{
			"of another length", func(r *Rows) { r.Embeddings = r.Embeddings[1:] },
			"11 values of embeddings for 4 rows, expected 12",
		},
		{"without logits", func(r *Rows) { r.Logits = nil }, "0 values of logits for 4 rows, expected 8"},
		{"out of order", func(r *Rows) {
			r.IDs[0], r.IDs[1] = r.IDs[1], r.IDs[0]
			r.Labels[0], r.Labels[1] = r.Labels[1], r.Labels[0]
		}, "sample 3 view 0 is out of order"},
		{"that were not planned", func(r *Rows) { r.IDs[3] = 99 }, "sample 99 view 0 is out of order or not planned here"},
		{"of another label", func(r *Rows) { r.Labels[1] = 9 }, "sample 6 has label 9, expected 1"},
		{"with a NaN", func(r *Rows) { r.Embeddings[4] = float32(math.NaN()) }, "embedding of sample 6 view 0 holds NaN"},
		{"with an infinity", func(r *Rows) { r.Logits[7] = float32(math.Inf(1)) }, "logits of sample 12 view 0 holds +Inf"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			w := create(t, dir, testPlan(6, 1, 4, 3, 2))
			rows := embed(w.Rows(0), 3, 2)
			tt.change(&rows)
			wantError(t, w.WriteShard(t.Context(), 0, rows), ErrRows, "shard 0", tt.text)
			if files := besidePlan(t, dir); len(files) > 0 {
				t.Errorf("left %v behind", files)
			}
		})
	}
	w := create(t, t.TempDir(), testPlan(6, 1, 4, 3, 0))
	wantError(t, w.WriteShard(t.Context(), 2, Rows{}), ErrRows, "shard 2, expected less than 2")
}

func TestBytesDependOnThePlanAlone(t *testing.T) {
	plan := testPlan(50, 2, 16, 7, 3)
	want := contents(t, build(t, plan, 12))

	t.Run("order of samples and shards", func(t *testing.T) {
		shuffled := testPlan(50, 2, 16, 7, 3)
		slices.Reverse(shuffled.Samples)
		dir := t.TempDir()
		w := create(t, dir, shuffled)
		for _, i := range slices.Backward(w.Missing()) {
			must(t, w.WriteShard(t.Context(), i, embed(drop(w.Rows(i), 12), 7, 3)))
		}
		fill(t, w)
		sameFiles(t, contents(t, dir), want)
	})
	t.Run("threads", func(t *testing.T) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
		sameFiles(t, contents(t, build(t, plan, 12)), want)
	})
	t.Run("a resume after every shard", func(t *testing.T) {
		dir := t.TempDir()
		for i := range create(t, dir, plan).Shards() {
			w := create(t, dir, plan)
			if !cmp.Equal(w.Missing()[0], i) {
				t.Fatalf("missing %v after %d shards", w.Missing(), i)
			}
			must(t, w.WriteShard(t.Context(), i, embed(drop(w.Rows(i), 12), 7, 3)))
		}
		fill(t, create(t, dir, plan))
		sameFiles(t, contents(t, dir), want)
	})
}

// TestFormatIsStable pins the bytes of the files. A change to them needs a new FormatVersion.
func TestFormatIsStable(t *testing.T) {
	path := filepath.Join("testdata", "manifest.golden")
	got, err := os.ReadFile(filepath.Join(build(t, testPlan(7, 2, 6, 4, 3), 6), ManifestName))
	must(t, err)
	if *update {
		must(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	must(t, err)
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("manifest (-want +got):\n%s", diff)
	}
}

func TestFinishedCacheIsLeftAsItIs(t *testing.T) {
	plan := testPlan(20, 1, 6, 3, 0)
	dir := build(t, plan)
	before, err := os.Stat(filepath.Join(dir, ManifestName))
	must(t, err)
	w := create(t, dir, plan)
	if !w.Done() || len(w.Broken()) > 0 {
		t.Fatalf("missing %v, broken %v", w.Missing(), w.Broken())
	}
	fill(t, w)
	after, err := os.Stat(filepath.Join(dir, ManifestName))
	must(t, err)
	if !os.SameFile(before, after) {
		t.Error("the manifest was written again")
	}
}

func TestCommitNeedsEveryShard(t *testing.T) {
	w := create(t, t.TempDir(), testPlan(9, 1, 3, 2, 0))
	must(t, w.WriteShard(t.Context(), 1, embed(w.Rows(1), 2, 0)))
	_, err := w.Commit(t.Context())
	wantError(t, err, ErrIncomplete, "2 of 3 shards are missing", shardName(1, 0, 3))
}

func TestCommitNeedsARow(t *testing.T) {
	w := create(t, t.TempDir(), testPlan(2, 1, 3, 2, 0))
	must(t, w.WriteShard(t.Context(), 0, Rows{}))
	_, err := w.Commit(t.Context())
	wantError(t, err, ErrIncomplete, "every one of 2 samples was skipped")
}

func TestCommitSeesShardsOfOtherWriters(t *testing.T) {
	dir := t.TempDir()
	plan := testPlan(9, 1, 3, 2, 0)
	first, second := create(t, dir, plan), create(t, dir, plan)
	must(t, first.WriteShard(t.Context(), 0, embed(first.Rows(0), 2, 0)))
	must(t, second.WriteShard(t.Context(), 1, embed(second.Rows(1), 2, 0)))
	must(t, second.WriteShard(t.Context(), 2, embed(second.Rows(2), 2, 0)))
	if _, err := first.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	sameFiles(t, contents(t, dir), contents(t, build(t, plan)))
}

// fullDisk is a file on a disk with some bytes left.
type fullDisk struct {
	storage.TempFile
	left int
}

func (f *fullDisk) Write(p []byte) (int, error) {
	n := min(len(p), f.left)
	f.left -= n
	if n, err := f.TempFile.Write(p[:n]); err != nil {
		return n, err
	}
	if n < len(p) {
		return n, syscall.ENOSPC
	}
	return n, nil
}

func TestFullDiskLeavesNothing(t *testing.T) {
	plan := testPlan(40, 1, 40, 300, 0)
	for _, left := range []int{0, 1, 1000, 40_000} {
		dir := t.TempDir()
		w := create(t, dir, plan)
		hooks(w).CreateFile = func(path string) (storage.TempFile, error) {
			f, err := storage.CreateFile(path)
			return &fullDisk{f, left}, err
		}
		err := w.WriteShard(t.Context(), 0, embed(w.Rows(0), 300, 0))
		wantError(t, err, syscall.ENOSPC, shardName(1, 0, 1), "no space left")
		if files := besidePlan(t, dir); len(files) > 0 {
			t.Errorf("%d bytes left: %v stayed", left, files)
		}
		hooks(w).CreateFile = storage.CreateFile
		must(t, w.WriteShard(t.Context(), 0, embed(w.Rows(0), 300, 0)))

		hooks(w).CreateFile = func(path string) (storage.TempFile, error) {
			f, err := storage.CreateFile(path)
			return &fullDisk{f, min(left, 200)}, err
		}
		_, err = w.Commit(t.Context())
		wantError(t, err, syscall.ENOSPC, CardName) // the manifest follows
		if files := besidePlan(t, dir); len(files) != 1 {
			t.Errorf("%d bytes left for the manifest: %v, want the shard", left, files)
		}
	}
}

func TestFolderThatCannotBeWritten(t *testing.T) {
	w := create(t, t.TempDir(), testPlan(4, 1, 4, 3, 0))
	hooks(w).CreateFile = func(string) (storage.TempFile, error) { return nil, syscall.EROFS }
	err := w.WriteShard(t.Context(), 0, embed(w.Rows(0), 3, 0))
	wantError(t, err, syscall.EROFS, shardName(1, 0, 1))
}

// TestWritersRace lets several writers make the same cache at once, with hard links and without.
func TestWritersRace(t *testing.T) {
	plan := testPlan(60, 1, 12, 16, 4)
	want := contents(t, build(t, plan))
	for name, link := range map[string]func(string, string) error{
		"links":    os.Link,
		"no links": func(string, string) error { return errors.ErrUnsupported },
	} {
		t.Run(name, func(t *testing.T) {
			for range raceRounds / 3 {
				dir := t.TempDir()
				var wg sync.WaitGroup
				errs := make([]error, 8)
				for n := range errs {
					w := create(t, dir, plan)
					hooks(w).Link = link
					wg.Go(func() {
						for i := range w.Shards() {
							errs[n] = errors.Join(errs[n], w.WriteShard(t.Context(), i, embed(w.Rows(i), 16, 4)))
						}
						_, err := w.Commit(t.Context())
						errs[n] = errors.Join(errs[n], err)
					})
				}
				wg.Wait()
				if err := errors.Join(errs...); err != nil {
					t.Fatal(err)
				}
				sameFiles(t, contents(t, dir), want)
			}
		})
	}
}

// TestManifestIsPlainJSON reads a manifest as any other program would.
func TestManifestIsPlainJSON(t *testing.T) {
	var m struct {
		Key       string         `json:"key"`
		KeyFields map[string]any `json:"key_fields"`
		Dim, Rows int
		Skipped   struct {
			Count int
			IDs   []int64
		}
		Shards []struct {
			File  string
			Rows  int
			First int64 `json:"first_id"`
			Last  int64 `json:"last_id"`
		}
	}
	data, err := os.ReadFile(filepath.Join(build(t, testPlan(5, 1, 2, 3, 0), 9), ManifestName))
	must(t, err)
	must(t, json.Unmarshal(data, &m))
	if m.Key != testKey(1, "").Hash() || m.KeyFields["normalize"] != "l2" || m.Dim != 3 || m.Rows != 4 ||
		m.Skipped.Count != 1 || !slices.Equal(m.Skipped.IDs, []int64{9}) || len(m.Shards) != 3 ||
		m.Shards[1].File != shardName(1, 1, 3) || m.Shards[1].Rows != 1 || m.Shards[1].First != 12 || m.Shards[1].Last != 12 {
		t.Errorf("manifest %+v", m)
	}
}
