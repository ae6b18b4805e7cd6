package pipeline

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"rkd/datasets"
	"rkd/pipeline/cache"
	"rkd/pipeline/eval"
	"rkd/student/loss"
)

// matrixFile writes rows of d values as a .npy file.
func matrixFile(t *testing.T, d int, values []float32) string {
	t.Helper()
	header := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }\n", len(values)/d, d)
	b := binary.LittleEndian.AppendUint16([]byte("\x93NUMPY\x01\x00"), uint16(len(header)))
	b = append(b, header...)
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	path := filepath.Join(t.TempDir(), "matrix.npy")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// cacheOf makes a cache of samples, each with so many views; the embedding of a view is a function of id and view.
func cacheOf(t *testing.T, ids []int64, views int, label func(id int64) int32) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "cache")
	plan := cache.Plan{
		Key:   cache.Key{Model: "m", Output: "embedding", Views: views, DType: "float32", Dataset: fmt.Sprint(ids)},
		Views: views, RowsPerShard: 1000, Dim: 2,
	}
	var rows cache.Rows
	for _, id := range ids {
		plan.Samples = append(plan.Samples, cache.Sample{ID: id, Label: label(id)})
		for v := range views {
			rows.IDs = append(rows.IDs, id)
			rows.Views = append(rows.Views, int32(v))
			rows.Labels = append(rows.Labels, label(id))
			rows.Embeddings = append(rows.Embeddings, float32(id*id%17), float32(v)+float32(id%5)/2)
		}
	}
	w, err := cache.Create(t.Context(), dir, plan)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.WriteShard(t.Context(), 0, rows); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	return dir
}

func span(from, to int64) []int64 {
	var ids []int64
	for id := from; id < to; id++ {
		ids = append(ids, id)
	}
	return ids
}

func parity(id int64) int32 { return int32(id % 2) }

// similarRows draws n rows of width d, and rows of width e that are partly a function of them.
func similarRows(n, d, e int) (a, b []float32) {
	rng := rand.New(rand.NewPCG(11, 12))
	for range n * d {
		a = append(a, float32(rng.NormFloat64()))
	}
	for i := range n * e {
		b = append(b, a[i/e*d+i%e]+float32(rng.NormFloat64()))
	}
	return a, b
}

func compare(t *testing.T, a, b string, o CompareOptions) *Comparison {
	t.Helper()
	res, err := (Machine{Progress: Quiet{}}).Compare(t.Context(), a, b, o)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestCompareMatricesIsWhatTheMeasuresSay(t *testing.T) {
	const n, d, e = 120, 6, 3
	a, b := similarRows(n, d, e)
	pair := eval.Pair{A: a, B: b, N: n, DA: d, DB: e}
	got := compare(t, matrixFile(t, d, a), matrixFile(t, e, b), CompareOptions{K: 7, Seed: 1})
	cka, err1 := eval.LinearCKA(t.Context(), pair)
	spearman, err2 := eval.PairwiseSpearman(t.Context(), pair)
	overlap, err3 := eval.NeighbourOverlap(t.Context(), pair, 7)
	relational, err4 := loss.NewRelational[float64](1, 1).Eval(loss.Batch[float64]{
		Teacher: loss.Matrix[float64]{Rows: n, Cols: d, Data: widened(a)},
		Student: loss.Matrix[float64]{Rows: n, Cols: e, Data: widened(b)},
	}, 1, loss.Matrix[float64]{})
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	want := *got
	want.RKDDistance, want.RKDAngle = relational.Terms[0].Value, relational.Terms[1].Value
	want.LinearCKA, want.Spearman, want.NeighbourOverlap = cka, spearman, overlap
	want.Rows, want.MatchedBy, want.RelationalBlocks, want.RelationalRows, want.SpearmanRows = n, "position", 1, n, n
	if *got != want {
		t.Errorf("comparison is\n%+v\nexpected\n%+v", *got, want)
	}
	if got.RKDDistance <= 0 || got.RKDAngle <= 0 || got.LinearCKA >= 1 || got.Spearman >= 1 || got.NeighbourOverlap >= 1 {
		t.Errorf("different sets are taken for equal: %+v", *got)
	}
}

func TestCompareSamplesWhereThereAreTooManyRows(t *testing.T) {
	const n = 2001
	a, b := similarRows(n, 4, 2)
	fileA, fileB := matrixFile(t, 4, a), matrixFile(t, 2, b)
	first := compare(t, fileA, fileB, CompareOptions{K: 5, Seed: 1})
	if first.Rows != n || first.RelationalBlocks != 3 || first.RelationalRows != 512 ||
		first.SpearmanRows != eval.MaxPairwiseRows {
		t.Errorf("rows that took part: %+v", *first)
	}
	other := compare(t, fileA, fileB, CompareOptions{K: 5, Seed: 2})
	for name, pair := range map[string][2]float64{
		"rkd_distance": {first.RKDDistance, other.RKDDistance}, "rkd_angle": {first.RKDAngle, other.RKDAngle},
		"spearman": {first.Spearman, other.Spearman},
	} {
		if pair[0] == pair[1] || math.Abs(pair[0]/pair[1]-1) > 0.05 {
			t.Errorf("%s is %v, and %v of other rows, expected a small difference", name, pair[0], pair[1])
		}
	}
	if first.LinearCKA != other.LinearCKA || first.NeighbourOverlap != other.NeighbourOverlap {
		t.Error("measures of all rows depend on the seed")
	}
}

func TestDrawBlocks(t *testing.T) {
	for n, want := range map[int]struct{ blocks, rows int }{
		2: {1, 2}, 1024: {1, 1024}, 1025: {2, 512}, 1535: {2, 512}, 1536: {3, 512}, 8192: {16, 512}, 50000: {16, 512},
	} {
		blocks := drawBlocks(n, 3)
		seen := map[int]bool{}
		for _, rows := range blocks {
			if len(rows) != want.rows {
				t.Errorf("N=%d: a block of %d rows, expected %d", n, len(rows), want.rows)
			}
			for _, row := range rows {
				if row < 0 || row >= n || seen[row] {
					t.Fatalf("N=%d: row %d is outside or in two blocks", n, row)
				}
				seen[row] = true
			}
		}
		if !reflect.DeepEqual(blocks, drawBlocks(n, 3)) {
			t.Errorf("N=%d: one seed draws two sets of blocks", n)
		}
		if len(blocks) != want.blocks {
			t.Errorf("N=%d: %d blocks, expected %d", n, len(blocks), want.blocks)
		}
	}
}

// Rows of caches meet by sample and view, wherever they are in their caches.
func TestCompareCachesOnWhatTheyShare(t *testing.T) {
	a, b := cacheOf(t, span(0, 40), 2, parity), cacheOf(t, span(15, 60), 3, parity)
	got := compare(t, a, b, CompareOptions{K: 4, Seed: 1})
	if got.A.Rows != 80 || got.B.Rows != 135 || got.Rows != 25*2 || got.MatchedBy != "sample and view" {
		t.Errorf("rows are %+v", *got)
	}
	if got.RKDDistance != 0 || got.RKDAngle != 0 || got.LinearCKA != 1 || got.Spearman != 1 || got.NeighbourOverlap != 1 {
		t.Errorf("equal rows are not found alike: %+v", *got)
	}
}

func TestCompareRefuses(t *testing.T) {
	rows := func(d int, values ...float32) string { return matrixFile(t, d, values) }
	text := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(text, []byte("1 2\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	three, four := rows(1, 1, 2, 4), rows(2, 1, 2, 4, 3, 5, 6, 9, 1)
	ten := cacheOf(t, span(0, 10), 1, parity)
	for _, tt := range []struct {
		name string
		a, b string
		is   error
		says []string
	}{
		{"numbers of rows", three, four, eval.ErrInput, []string{"matrix.npy", "3 rows", "4, expected equal numbers"}},
		{"matrix and cache of other lengths", three, ten, eval.ErrInput, []string{"3 rows", "10, expected equal numbers"}},
		{
			"no common sample", ten, cacheOf(t, span(10, 20), 1, parity), eval.ErrInput,
			[]string{"no sample and view in common"},
		},
		{
			"labels that differ", ten, cacheOf(t, span(5, 15), 1, func(int64) int32 { return 3 }), eval.ErrInput,
			[]string{"sample 5 has label 1", "and 3 in"},
		},
		{"one row", rows(3, 1, 2, 3), rows(2, 1, 2), eval.ErrInput, []string{"1 samples"}},
		{"one common sample", ten, cacheOf(t, span(9, 12), 1, parity), eval.ErrInput, []string{"1 samples"}},
		{"equal rows", three, rows(1, 2, 2, 2), eval.ErrInput, []string{"all 3 rows of the second set are equal"}},
		{
			"rows that coincide", three, rows(1, 1e-9, 2e-9, 4e-9), loss.ErrDegenerate,
			[]string{"first set being the teacher", "3 student rows"},
		},
		{"more neighbours than rows", three, three, eval.ErrInput, []string{"5 nearest of 3 samples"}},
		{"other file", text, three, eval.ErrInput, []string{"notes.txt", ".onnx or .npy"}},
		{"folder without a cache", t.TempDir(), three, cache.ErrNoCache, []string{"manifest.json"}},
		{"missing file", "none.npy", three, os.ErrNotExist, []string{"none.npy"}},
		{"NaN", three, rows(1, 1, float32(math.NaN()), 3), datasets.ErrFormat, []string{"matrix.npy", "row 1", "NaN"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := 1
			if strings.HasPrefix(tt.name, "more") {
				k = 5
			}
			_, err := (Machine{Progress: Quiet{}}).Compare(t.Context(), tt.a, tt.b, CompareOptions{K: k, Seed: 1})
			if !errors.Is(err, tt.is) {
				t.Fatalf("error is %v, expected %v", err, tt.is)
			}
			if slices.ContainsFunc(tt.says, func(s string) bool { return !strings.Contains(err.Error(), s) }) {
				t.Errorf("%q does not say %q", err, tt.says)
			}
		})
	}
}
