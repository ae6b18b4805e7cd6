package eval

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func randomRows(seed uint64, n, d int) []float32 {
	r := rand.New(rand.NewPCG(seed, 0))
	rows := make([]float32, n*d)
	for i := range rows {
		rows[i] = float32(r.NormFloat64()) + 3
	}
	return rows
}

// Nearest is what sorting all distances gives.
func TestNearestIsExact(t *testing.T) {
	const d = 7
	for _, shape := range [][3]int{{1, 1, 1}, {3, 400, 1}, {70, 500, 10}, {2, 9, 9}} {
		q, n, k := shape[0], shape[1], shape[2]
		queries, gallery := randomRows(1, q, d), randomRows(2, n, d)
		copy(gallery[:d], queries[:d]) // a distance of 0
		if n > 8 {
			copy(gallery[8*d:9*d], gallery[3*d:4*d]) // equal distances
		}
		got, err := Nearest(context.Background(), queries, gallery, d, k)
		if err != nil {
			t.Fatal(err)
		}
		for i := range q {
			want := make([]Hit, n)
			for j := range want {
				want[j] = Hit{j, distance(queries[i*d:(i+1)*d], gallery[j*d:(j+1)*d])}
			}
			slices.SortStableFunc(want, func(a, b Hit) int {
				return int(math.Copysign(1, a.Distance-b.Distance)) * map[bool]int{true: 0, false: 1}[a.Distance == b.Distance]
			})
			if !slices.Equal(got[i], want[:k]) {
				t.Errorf("%v: query %d finds %v, expected %v", shape, i, got[i], want[:k])
			}
		}
	}
	for _, bad := range [][4]int{{0, 3, 2, 1}, {2, 0, 2, 1}, {2, 2, 2, 2}, {2, 2, 2, 0}, {3, 2, 2, 1}, {2, 2, 0, 1}} {
		_, err := Nearest(context.Background(), make([]float32, bad[0]), make([]float32, bad[1]), bad[2], bad[3])
		if !errors.Is(err, ErrInput) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

// Queries of the gallery's own model give its recall; shuffled ones do not.
func TestCrossRecall(t *testing.T) {
	const n, d = 60, 4
	gallery := randomRows(3, n, d)
	labels := make([]int32, n)
	for i := range labels {
		labels[i] = int32(i % 5)
		gallery[i*d] += float32(labels[i])
	}
	labels[n-1] = 9 // alone
	ks := []int{1, 5}
	want, err := Retrieval(context.Background(), gallery, n, d, labels, ks)
	if err != nil {
		t.Fatal(err)
	}
	got, err := CrossRecall(context.Background(), gallery, gallery, n, d, labels, ks)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range ks {
		if math.Abs(got[k]-want.Recall[k]) > 1e-12 {
			t.Errorf("recall@%d is %v, expected %v", k, got[k], want.Recall[k])
		}
	}
	queries := make([]float32, n*d) // all the same: rows near the origin
	flat, err := CrossRecall(context.Background(), queries, gallery, n, d, labels, ks)
	if err != nil || flat[1] > 0.5 || flat[5] < flat[1] {
		t.Errorf("recall of equal queries is %v (%v)", flat, err)
	}
}
