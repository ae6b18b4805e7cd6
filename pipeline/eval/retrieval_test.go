package eval

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// reference computes the scores straight from their formulas, in float64 and with a full sort.
func reference(embeddings []float32, n, d int, labels []int32, ks []int) Scores {
	s := Scores{Recall: map[int]float64{}}
	hits := map[int]int{}
	for q := range n {
		type neighbour struct {
			distance float64
			row      int
		}
		var ranked []neighbour
		others := 0
		for j := range n {
			if j == q {
				continue
			}
			var sum float64
			for c := range d {
				diff := float64(embeddings[q*d+c]) - float64(embeddings[j*d+c])
				sum += diff * diff
			}
			ranked = append(ranked, neighbour{sum, j})
			if labels[j] == labels[q] {
				others++
			}
		}
		if others == 0 {
			s.Lone++
			continue
		}
		s.Queries++
		slices.SortFunc(ranked, func(a, b neighbour) int {
			return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(a.row, b.row))
		})
		for _, k := range ks {
			if slices.ContainsFunc(ranked[:k], func(x neighbour) bool { return labels[x.row] == labels[q] }) {
				hits[k]++
			}
		}
		found, sum := 0, 0.0
		for i, x := range ranked[:others] {
			if labels[x.row] == labels[q] {
				found++
				sum += float64(found) / float64(i+1)
			}
		}
		s.RPrecision += float64(found) / float64(others)
		s.MAPAtR += sum / float64(others)
	}
	s.RPrecision /= float64(s.Queries)
	s.MAPAtR /= float64(s.Queries)
	for _, k := range ks {
		s.Recall[k] = float64(hits[k]) / float64(s.Queries)
	}
	return s
}

func sameScores(t *testing.T, got, want Scores) {
	t.Helper()
	approximately := gocmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-12 })
	if diff := gocmp.Diff(want, got, approximately); diff != "" {
		t.Errorf("scores (-want +got):\n%s", diff)
	}
}

func TestRetrievalByHand(t *testing.T) {
	for _, tt := range []struct {
		name       string
		embeddings []float32
		labels     []int32
		ks         []int
		want       Scores
	}{
		{
			// From 0: classes a a b b; from 1: a a b b; from 5 and 6: b a a.
			"two pairs",
			[]float32{0, 1, 5, 6},
			[]int32{0, 0, 1, 1},
			[]int{1},
			Scores{Recall: map[int]float64{1: 1}, RPrecision: 1, MAPAtR: 1, Queries: 4},
		},
		{
			// Each row's nearest has the other class; the second nearest of the outer two, but not of the inner two, has
			// their own.
			"alternating",
			[]float32{0, 1, 2.1, 3.3},
			[]int32{0, 1, 0, 1},
			[]int{1, 2, 3},
			Scores{Recall: map[int]float64{1: 0, 2: 0.5, 3: 1}, MAPAtR: 0, Queries: 4},
		},
		{
			// Of the two nearest of the three of class 0, (1,0), (1,0) and (0,1) are of class 0: AP ½, ½ and ½·½. The lone one
			// is a reference of the others, but no query.
			"a lone sample",
			[]float32{0, 1, 4, 2.4},
			[]int32{0, 0, 0, 7},
			[]int{1},
			Scores{Recall: map[int]float64{1: 2. / 3}, RPrecision: 0.5, MAPAtR: (0.5 + 0.5 + 0.25) / 3, Queries: 3, Lone: 1},
		},
		{
			// All at the same place: the lower row comes first. Rows 0 and 2 are of class 0.
			"ties",
			[]float32{3, 3, 3, 3},
			[]int32{0, 1, 0, 1},
			[]int{1, 2},
			Scores{Recall: map[int]float64{1: 0.25, 2: 0.75}, RPrecision: 0.25, MAPAtR: 0.25, Queries: 4},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Retrieval(t.Context(), tt.embeddings, len(tt.labels), 1, tt.labels, tt.ks)
			if err != nil {
				t.Fatal(err)
			}
			sameScores(t, got, tt.want)
			sameScores(t, reference(tt.embeddings, len(tt.labels), 1, tt.labels, tt.ks), tt.want)
		})
	}
}

func TestRetrievalAgreesWithScikitLearn(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("testdata", "eval_golden.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name       string
		N, D       int
		Embeddings []float32
		Labels     []int32
		Ks         []int
		Want       struct {
			Recall     map[int]float64
			RPrecision float64 `json:"r_precision"`
			MAPAtR     float64 `json:"map_at_r"`
			Queries    int
			Lone       int
		}
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) < 6 {
		t.Fatalf("%d cases, expected 6", len(cases))
	}
	for _, tt := range cases {
		t.Run(tt.Name, func(t *testing.T) {
			got, err := Retrieval(t.Context(), tt.Embeddings, tt.N, tt.D, tt.Labels, tt.Ks)
			if err != nil {
				t.Fatal(err)
			}
			sameScores(t, got, Scores(tt.Want))
		})
	}
}

// clusters draws n rows around a centre for each class; every tenth row repeats the one before.
func clusters(n, d, classes int, spread float64) ([]float32, []int32) {
	rng := rand.New(rand.NewPCG(3, uint64(n*d)))
	centres := make([]float64, classes*d)
	for i := range centres {
		centres[i] = rng.NormFloat64()
	}
	x, y := make([]float32, n*d), make([]int32, n)
	for i := range n {
		y[i] = int32(rng.IntN(classes))
		for j := range d {
			x[i*d+j] = float32(centres[int(y[i])*d+j] + spread*rng.NormFloat64())
		}
		if i%10 == 9 {
			copy(x[i*d:(i+1)*d], x[(i-1)*d:i*d])
		}
	}
	return x, y
}

func TestRetrievalAgreesWithTheFormula(t *testing.T) {
	for _, tt := range []struct {
		n, d, classes int
		spread        float64
		scale         float32
	}{
		{2, 1, 1, 1, 1},
		{64, 3, 4, 1, 1},
		{65, 17, 4, 2, 1},
		{193, 16, 5, 0.5, 1},
		{400, 33, 7, 1.5, 1},
		{150, 7, 4, 1, 1e30},
		{150, 7, 4, 1, 1e-30}, // whose squares leave float32's range
	} {
		t.Run(fmt.Sprintf("%d×%d scaled by %g", tt.n, tt.d, tt.scale), func(t *testing.T) {
			x, y := clusters(tt.n, tt.d, tt.classes, tt.spread)
			if tt.classes == 1 { // the smallest that is allowed
				x, y = append(x, x[0]+9), append(y, 1)
			}
			for i := range x {
				x[i] *= tt.scale
			}
			n := len(y)
			ks := slices.Compact([]int{1, min(5, n-1), n - 1})
			got, err := Retrieval(t.Context(), x, n, tt.d, y, ks)
			if err != nil {
				t.Fatal(err)
			}
			sameScores(t, got, reference(x, n, tt.d, y, ks))
		})
	}
}

func TestRetrievalIgnoresThreads(t *testing.T) {
	x, y := clusters(500, 12, 6, 1.5)
	many, err := Retrieval(t.Context(), x, 500, 12, y, []int{1, 3})
	if err != nil {
		t.Fatal(err)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	one, err := Retrieval(t.Context(), x, 500, 12, y, []int{1, 3})
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(one, many); diff != "" {
		t.Errorf("one thread and many differ:\n%s", diff)
	}
}

func TestRetrievalRefuses(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
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
		{"K of 0", []float32{1, 2, 3}, 3, 1, []int32{0, 0, 1}, []int{0}, "recall@0 of 3 samples"},
		{
			"K of N",
			[]float32{1, 2, 3},
			3, 1,
			[]int32{0, 0, 1},
			[]int{1, 3},
			"recall@3 of 3 samples, expected K between 1 and 2",
		},
		{"one class", []float32{1, 2, 3}, 3, 1, []int32{4, 4, 4}, nil, "all 3 samples have class 4"},
		{"no pair", []float32{1, 2, 3}, 3, 1, []int32{1, 2, 3}, nil, "a class of its own"},
		{"a NaN", []float32{1, 2, 3, 4, nan, 6}, 3, 2, []int32{0, 0, 1}, nil, "row 2 of the embeddings holds NaN"},
		{"an infinity", []float32{1, inf, 3, 4}, 2, 2, []int32{0, 1}, nil, "a class of its own"},
		{
			"an infinity in a pair",
			[]float32{1, 2, inf, 4, 5, 6},
			3, 2,
			[]int32{0, 0, 1},
			nil,
			"row 1 of the embeddings holds +Inf",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Retrieval(t.Context(), tt.embeddings, tt.n, tt.d, tt.labels, tt.ks)
			if !errors.Is(err, ErrInput) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("error %v, want ErrInput about %q", err, tt.text)
			}
		})
	}
}

func TestRetrievalStopsWhenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	x, y := clusters(100, 4, 3, 1)
	if _, err := Retrieval(ctx, x, 100, 4, y, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want cancellation", err)
	}
}

func ExampleRetrieval() {
	embeddings := []float32{ // (4,2)
		0, 0,
		0, 1,
		5, 5,
		5, 6,
	}
	scores, err := Retrieval(context.Background(), embeddings, 4, 2, []int32{0, 0, 1, 1}, []int{1})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("recall@1 %.2f, MAP@R %.2f over %d queries\n", scores.Recall[1], scores.MAPAtR, scores.Queries)
	// Output: recall@1 1.00, MAP@R 1.00 over 4 queries
}
