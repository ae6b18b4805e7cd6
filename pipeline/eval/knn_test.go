package eval

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// referenceKNN counts votes straight from the formula, in float64 and with a full sort.
func referenceKNN(embeddings []float32, n, d int, labels []int32, ks []int) map[int]float64 {
	accuracy := map[int]float64{}
	for q := range n {
		ranked := make([]int, 0, n)
		for j := range n {
			if j != q {
				ranked = append(ranked, j)
			}
		}
		distance := func(j int) (sum float64) {
			for c := range d {
				diff := float64(embeddings[q*d+c]) - float64(embeddings[j*d+c])
				sum += diff * diff
			}
			return sum
		}
		slices.SortStableFunc(ranked, func(a, b int) int { return cmp.Compare(distance(a), distance(b)) })
		for _, k := range ks {
			votes := map[int32]int{}
			for _, j := range ranked[:k] {
				votes[labels[j]]++
			}
			most := slices.Max(slices.Collect(maps.Values(votes)))
			for _, j := range ranked[:k] { // the nearest member of a class with the most votes
				if votes[labels[j]] == most {
					if labels[j] == labels[q] {
						accuracy[k] += 1 / float64(n)
					}
					break
				}
			}
		}
	}
	return accuracy
}

func TestKNNByHand(t *testing.T) {
	for _, tt := range []struct {
		name       string
		embeddings []float32
		labels     []int32
		want       map[int]float64
	}{
		{
			"two pairs: the two of the other class win the vote of three",
			[]float32{0, 1, 5, 6},
			[]int32{0, 0, 1, 1},
			map[int]float64{1: 1, 2: 1, 3: 0},
		},
		{
			// Neighbours of 0: 1, 3, 4 of classes 0, 1, 1; of 1: 0, 3, 4 of 0, 1, 1; of 3: 4, 1, 0 of 1, 0, 0; of 4: 3, 1, 0 of
			// 1, 0, 0.
			"a tied vote goes to the class of the nearest",
			[]float32{0, 1, 3, 4},
			[]int32{0, 0, 1, 1},
			map[int]float64{2: 1},
		},
		{
			// Row 0 is nearest to all others and row 1 to row 0: classes 1, 0, 0, 0 are predicted.
			"of equal distances the lower row comes first",
			[]float32{3, 3, 3, 3},
			[]int32{0, 1, 0, 1},
			map[int]float64{1: 1. / 4},
		},
		{
			"a sample alone in its class is never right",
			[]float32{0, 1, 9},
			[]int32{4, 4, -7},
			map[int]float64{1: 2. / 3},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ks := slices.Sorted(maps.Keys(tt.want))
			got, err := KNN(t.Context(), tt.embeddings, len(tt.labels), 1, tt.labels, ks)
			if err != nil {
				t.Fatal(err)
			}
			sameAccuracies(t, got, tt.want)
		})
	}
}

func TestKNNAgreesWithScikitLearn(t *testing.T) {
	for i, tt := range readClassificationGolden(t).KNN {
		got, err := KNN(t.Context(), tt.Embeddings, tt.N, tt.D, tt.Labels, slices.Collect(maps.Keys(tt.Want)))
		if err != nil {
			t.Fatalf("case %d: %v", i, err)
		}
		sameAccuracies(t, got, tt.Want)
	}
}

func TestKNNAgreesWithTheFormula(t *testing.T) {
	for _, tt := range []struct {
		n, d, classes int
		spread        float64
	}{
		{3, 1, 2, 1},
		{64, 3, 4, 1},
		{65, 17, 9, 2},
		{193, 16, 5, 0.5},
		{300, 33, 12, 1.5},
	} {
		t.Run(fmt.Sprintf("%d×%d", tt.n, tt.d), func(t *testing.T) {
			x, y := clusters(tt.n, tt.d, tt.classes, tt.spread)
			ks := slices.Compact([]int{1, min(2, tt.n-1), min(6, tt.n-1), tt.n - 1})
			got, err := KNN(t.Context(), x, tt.n, tt.d, y, ks)
			if err != nil {
				t.Fatal(err)
			}
			want := referenceKNN(x, tt.n, tt.d, y, ks)
			for _, k := range ks {
				want[k] += 0 // a K that is never right is 0, not missing
			}
			sameAccuracies(t, got, want)
		})
	}
}

func TestKNNIgnoresThreadsAndTheOrderOfK(t *testing.T) {
	x, y := clusters(500, 12, 6, 1.5)
	many, err := KNN(t.Context(), x, 500, 12, y, []int{1, 5, 20})
	if err != nil {
		t.Fatal(err)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	one, err := KNN(t.Context(), x, 500, 12, y, []int{20, 1, 5, 1})
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(one, many); diff != "" {
		t.Errorf("one thread and many differ:\n%s", diff)
	}
}

func TestKNNRefuses(t *testing.T) {
	nan := float32(math.NaN())
	for _, tt := range []struct {
		name       string
		embeddings []float32
		n, d       int
		labels     []int32
		ks         []int
		text       string
	}{
		{"one sample", []float32{1}, 1, 1, []int32{0}, nil, "1 samples, expected at least 2"},
		{"no width", nil, 2, 0, []int32{0, 1}, nil, "width 0"},
		{"too few values", []float32{1, 2, 3}, 2, 2, []int32{0, 1}, nil, "3 values of embeddings, expected 2×2"},
		{"too few labels", []float32{1, 2}, 2, 1, []int32{0}, nil, "1 labels for 2 samples"},
		{"K of 0", []float32{1, 2}, 2, 1, []int32{0, 1}, []int{0}, "0 nearest of 2 samples"},
		{"K of N", []float32{1, 2}, 2, 1, []int32{0, 1}, []int{2}, "2 nearest of 2 samples, expected K between 1 and 1"},
		{"one class", []float32{1, 2}, 2, 1, []int32{4, 4}, nil, "all 2 samples have class 4"},
		{"a NaN", []float32{1, 2, 3, nan}, 2, 2, []int32{0, 1}, nil, "row 1 of the embeddings holds NaN"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := KNN(t.Context(), tt.embeddings, tt.n, tt.d, tt.labels, tt.ks)
			if !errors.Is(err, ErrInput) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("error %v, want ErrInput about %q", err, tt.text)
			}
		})
	}
}

func TestKNNStopsWhenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	x, y := clusters(100, 4, 3, 1)
	if _, err := KNN(ctx, x, 100, 4, y, []int{1}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want cancellation", err)
	}
}

func ExampleKNN() {
	embeddings := []float32{ // (5,2)
		0, 0,
		0, 1,
		1, 0,
		5, 5,
		5, 6,
	}
	accuracy, err := KNN(context.Background(), embeddings, 5, 2, []int32{0, 0, 0, 1, 1}, []int{1, 3})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("accuracy@1 %.2f, accuracy@3 %.2f\n", accuracy[1], accuracy[3])
	// Output: accuracy@1 1.00, accuracy@3 0.60
}
