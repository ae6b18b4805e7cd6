package cache

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLoadReturnsWhatWasWritten(t *testing.T) {
	for _, tt := range []struct {
		name    string
		plan    Plan
		skipped []int64
	}{
		{name: "one shard", plan: testPlan(10, 1, 100, 4, 0)},
		{name: "last shard is short", plan: testPlan(10, 1, 4, 4, 0)},
		{name: "shards fit exactly", plan: testPlan(12, 1, 4, 4, 0)},
		{name: "views of a sample in two shards", plan: testPlan(7, 3, 4, 5, 0)},
		{name: "logits", plan: testPlan(11, 2, 6, 8, 3)},
		{name: "width one", plan: testPlan(9, 1, 4, 1, 1)},
		{name: "several pages a shard", plan: testPlan(600, 1, 500, 1024, 10)},
		{name: "skipped samples", plan: testPlan(20, 2, 6, 4, 2), skipped: []int64{3, 9, 60}},
		{name: "a shard without rows", plan: testPlan(6, 1, 2, 4, 0), skipped: []int64{9, 12}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := build(t, tt.plan, tt.skipped...)
			c, err := Open(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			want := expected(tt.plan, tt.skipped...)
			if c.Rows() != len(want.IDs) || c.Dim() != tt.plan.Dim || c.LogitsDim() != tt.plan.LogitsDim {
				t.Errorf("cache is %d×%d+%d, want %d×%d+%d",
					c.Rows(), c.Dim(), c.LogitsDim(), len(want.IDs), want.Dim, want.LogitsDim)
			}
			got, err := c.Load(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			sameRows(t, "Load", got.Rows, want.Rows)
			unhashed, err := c.LoadUnhashed(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			sameRows(t, "LoadUnhashed", unhashed.Rows, want.Rows)
			for _, n := range []int{-1, 0, 1, 3, 7, len(want.IDs), len(want.IDs) + 5} {
				head, err := c.Head(t.Context(), n)
				if err != nil {
					t.Fatal(err)
				}
				n = max(0, min(n, len(want.IDs)))
				sameRows(t, fmt.Sprintf("Head(%d)", n), head.Rows, want.slice(0, n, want.Dim, want.LogitsDim))
			}
			if err := Verify(t.Context(), dir); err != nil {
				t.Error(err)
			}
			if got := c.Manifest().Skipped; got.Count != len(tt.skipped) || tt.skipped != nil &&
				!cmp.Equal(got.IDs, tt.skipped) {
				t.Errorf("skipped %+v, want %v", got, tt.skipped)
			}
		})
	}
}

func TestCheckNamesDifferingFields(t *testing.T) {
	dir := build(t, testPlan(4, 1, 4, 2, 0))
	c, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Check(testKey(1, "")); err != nil {
		t.Errorf("same key: %v", err)
	}
	other := testKey(1, "")
	other.Model = strings.Repeat("ab", 32)
	other.Normalize = "none"
	err = c.Check(other)
	if !errors.Is(err, ErrMismatch) {
		t.Fatalf("%v, want ErrMismatch", err)
	}
	want := fmt.Sprintf("cache %q belongs to another run: model is 9c1b0f5a2d7e…, expected abababababab…; "+
		"normalize is l2, expected none", dir)
	if err.Error() != want {
		t.Errorf("error\n%s\nwant\n%s", err, want)
	}
}

func TestOpenRefuses(t *testing.T) {
	shard := func(i int) string { return shardName(1, i, 3) }
	for _, tt := range []struct {
		name   string
		damage func(t *testing.T, dir string)
		want   error
		text   []string // that the error holds
	}{
		{
			"a folder that does not exist", func(t *testing.T, dir string) { must(t, os.RemoveAll(dir)) },
			ErrNoCache,
			[]string{"does not exist"},
		},
		{
			"an unfinished cache", func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, ManifestName))) },
			ErrNoCache,
			[]string{"unfinished", "3 shards"},
		},
		{"an empty folder", func(t *testing.T, dir string) {
			must(t, os.RemoveAll(dir))
			must(t, os.Mkdir(dir, 0o755))
		}, ErrNoCache, []string{"no manifest.json"}},
		{
			"a missing shard", func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, shard(1)))) },
			ErrCorrupt,
			[]string{shard(1), "missing"},
		},
		{"every bad shard", func(t *testing.T, dir string) {
			must(t, os.Remove(filepath.Join(dir, shard(0))))
			must(t, os.Truncate(filepath.Join(dir, shard(2)), 100))
		}, ErrCorrupt, []string{shard(0), "missing", shard(2), "100 bytes, expected"}},
		{
			"an empty manifest", func(t *testing.T, dir string) { must(t, os.Truncate(filepath.Join(dir, ManifestName), 0)) },
			ErrCorrupt,
			[]string{ManifestName},
		},
		{"a manifest of a later format", func(t *testing.T, dir string) {
			damage(t, filepath.Join(dir, ManifestName), func(b []byte) []byte {
				return []byte(strings.Replace(string(b), `"format_version": 2`, `"format_version": 3`, 1))
			})
		}, ErrMismatch, []string{"format_version is 3, expected 2 or lower"}},
		{"a manifest of something else", func(t *testing.T, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, ManifestName), []byte(`{"name": "app"}`), 0o644))
		}, ErrCorrupt, []string{"no format_version"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := build(t, testPlan(12, 1, 4, 3, 0))
			tt.damage(t, dir)
			_, err := Open(t.Context(), dir)
			wantError(t, err, tt.want, tt.text...)
			if !errors.Is(Verify(t.Context(), dir), tt.want) {
				t.Errorf("Verify does not return %v", tt.want)
			}
		})
	}
}

func TestOpenRefusesAFileForAFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(path, nil, 0o644))
	if _, err := Open(t.Context(), path); err == nil {
		t.Error("no error")
	}
}

func TestManifestCutShortAnywhereIsCorrupt(t *testing.T) {
	dir := build(t, testPlan(6, 1, 4, 3, 2))
	path := filepath.Join(dir, ManifestName)
	whole, err := os.ReadFile(path)
	must(t, err)
	for n := 0; n < len(whole); n += 5 {
		must(t, os.WriteFile(path, whole[:n], 0o644))
		if _, err := Open(t.Context(), dir); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), path) {
			t.Fatalf("cut after %d of %d bytes: %v, want ErrCorrupt naming it", n, len(whole), err)
		}
	}
}

func TestManifestWithAFlippedByteIsNotTrusted(t *testing.T) {
	dir := build(t, testPlan(6, 1, 4, 3, 2), 9)
	path := filepath.Join(dir, ManifestName)
	whole, err := os.ReadFile(path)
	must(t, err)
	for at := range whole {
		changed := flip(at)([]byte(string(whole)))
		if _, err := parseManifest(changed); err == nil {
			t.Fatalf("byte %d (%q) flipped: no error", at, whole[at])
		}
	}
}

func TestLoadNoticesAnyFlippedByte(t *testing.T) {
	dir := build(t, testPlan(8, 1, 4, 6, 2))
	name := shardName(1, 1, 2)
	path := filepath.Join(dir, name)
	whole, err := os.ReadFile(path)
	must(t, err)
	c, err := Open(t.Context(), dir)
	must(t, err)
	for at := 0; at < len(whole); at += 11 {
		must(t, os.WriteFile(path, flip(at)([]byte(string(whole))), 0o644))
		_, err := c.Load(t.Context())
		wantError(t, err, ErrCorrupt, name, "SHA-256")
		// Parsing what changed, as the unhashed reader does, may notice or not, but does not panic.
		if _, err := c.LoadUnhashed(t.Context()); err != nil && !errors.Is(err, ErrCorrupt) {
			t.Fatalf("byte %d: %v", at, err)
		}
		if _, err := c.Head(t.Context(), 6); err != nil && !errors.Is(err, ErrCorrupt) {
			t.Fatalf("byte %d: %v", at, err)
		}
	}
}

func TestVerifyNamesEveryBadFile(t *testing.T) {
	dir := build(t, testPlan(20, 1, 4, 6, 0))
	damage(t, filepath.Join(dir, shardName(1, 0, 5)), flip(200))
	must(t, os.Remove(filepath.Join(dir, shardName(1, 2, 5))))
	damage(t, filepath.Join(dir, shardName(1, 4, 5)), func(b []byte) []byte { return b[:len(b)-1] })
	err := Verify(t.Context(), dir)
	wantError(t, err, ErrCorrupt, shardName(1, 0, 5), "SHA-256", shardName(1, 2, 5), "missing", shardName(1, 4, 5),
		"bytes, expected")
	for _, good := range []int{1, 3} {
		if strings.Contains(err.Error(), shardName(1, good, 5)) {
			t.Errorf("names shard %d, which is whole: %v", good, err)
		}
	}
}

func TestLoadStopsWhenCancelled(t *testing.T) {
	c, err := Open(t.Context(), build(t, testPlan(8, 1, 4, 6, 2)))
	must(t, err)
	if _, err := c.Load(cancelled(t)); !errors.Is(err, cancelled(t).Err()) {
		t.Errorf("%v, want cancellation", err)
	}
}

func TestRowsFiniteNamesTheSample(t *testing.T) {
	r := Rows{IDs: []int64{5, 5}, Views: []int32{0, 1}, Embeddings: []float32{1, 2, 3, float32(math.NaN())}}
	err := r.finite(2, 0)
	if err == nil || err.Error() != "embedding of sample 5 view 1 holds NaN, expected finite values" {
		t.Errorf("%v", err)
	}
	r = Rows{
		IDs: []int64{5}, Views: []int32{0}, Embeddings: []float32{math.MaxFloat32},
		Logits: []float32{float32(math.Inf(-1))},
	}
	err = r.finite(1, 1)
	if err == nil || err.Error() != "logits of sample 5 view 0 holds -Inf, expected finite values" {
		t.Errorf("%v", err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantError requires that err is want and mentions every text.
func wantError(t *testing.T, err, want error, text ...string) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
	for _, s := range text {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("error %q does not mention %q", err, s)
		}
	}
}
