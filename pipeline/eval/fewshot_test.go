package eval

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// referenceEpisode scores one episode straight from the formula.
func referenceEpisode(e episode, x []float32, d int) float64 {
	right, queries := 0, 0
	for way, rows := range e.queries {
		for _, q := range rows {
			distances := make([]float64, len(e.shots))
			for w, shots := range e.shots {
				for c := range d {
					mean := 0.0
					for _, i := range shots {
						mean += float64(x[i*d+c]) / float64(len(shots))
					}
					distances[w] += (float64(x[q*d+c]) - mean) * (float64(x[q*d+c]) - mean)
				}
			}
			if slices.Index(distances, slices.Min(distances)) == way {
				right++
			}
			queries++
		}
	}
	return float64(right) / float64(queries)
}

func TestFewShotAgreesWithTheFormula(t *testing.T) {
	const n, d = 400, 5
	x, y := clusters(n, d, 8, 1)
	o := FewShotOptions{Ways: 4, Shots: 3, Queries: 6, Episodes: 50, Seed: 11}
	got, err := FewShot(t.Context(), x, n, d, y, o)
	if err != nil {
		t.Fatal(err)
	}
	classes := make([][]int, 8)
	for i, label := range y {
		classes[label] = append(classes[label], i)
	}
	var accuracies []float64
	var mean float64
	for i := range o.Episodes {
		accuracies = append(accuracies, referenceEpisode(drawEpisode(classes, o, i), x, d))
		mean += accuracies[i] / 50
	}
	var squares float64
	for _, a := range accuracies {
		squares += (a - mean) * (a - mean)
	}
	ci := 1.96 * math.Sqrt(squares/49) / math.Sqrt(50)
	if math.Abs(got.Accuracy-mean) > 1e-12 || math.Abs(got.CI95-ci) > 1e-12 || got.Episodes != 50 {
		t.Errorf("%+v, want %v ± %v", got, mean, ci)
	}
	if mean < 0.4 || mean > 0.99 || ci == 0 {
		t.Errorf("%v ± %v: a case that shows nothing", mean, ci)
	}
}

func TestEpisodesAreDrawnWithoutRepetition(t *testing.T) {
	_, y := clusters(200, 1, 6, 1)
	classes := make([][]int, 6)
	for i, label := range y {
		classes[label] = append(classes[label], i)
	}
	o := FewShotOptions{Ways: 5, Shots: 2, Queries: 3, Seed: 1}
	drawn := map[int]bool{}
	for number := range 100 {
		e := drawEpisode(classes, o, number)
		ways, rows := map[int32]bool{}, map[int]bool{}
		for way := range o.Ways {
			ways[y[e.shots[way][0]]] = true
			if len(e.shots[way]) != 2 || len(e.queries[way]) != 3 {
				t.Fatalf("%d shots and %d queries, want 2 and 3", len(e.shots[way]), len(e.queries[way]))
			}
			for _, i := range slices.Concat(e.shots[way], e.queries[way]) {
				rows[i], drawn[i] = true, true
				if y[i] != y[e.shots[way][0]] {
					t.Fatalf("row %d of class %d is in the way of class %d", i, y[i], y[e.shots[way][0]])
				}
			}
		}
		if len(ways) != 5 || len(rows) != 25 {
			t.Fatalf("%d classes and %d rows, want 5 and 25 different ones", len(ways), len(rows))
		}
	}
	if len(drawn) < 195 {
		t.Errorf("100 episodes use %d of 200 rows", len(drawn))
	}
}

func TestFewShotExtremes(t *testing.T) {
	_, y := clusters(120, 1, 4, 1)
	apart, same := make([]float32, 120), make([]float32, 120)
	for i := range apart {
		apart[i], same[i] = 1e6+float32(y[i]), 3
	}
	o := FewShotOptions{Ways: 4, Shots: 1, Queries: 5, Episodes: 20}
	for _, tt := range []struct {
		name       string
		embeddings []float32
		want       FewShotScore
	}{
		{"classes apart", apart, FewShotScore{1, 0, 20}},
		{"all rows the same: chance", same, FewShotScore{0.25, 0, 20}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := FewShot(t.Context(), tt.embeddings, 120, 1, y, o)
			if err != nil {
				t.Fatal(err)
			}
			if got != tt.want {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestFewShotDependsOnTheSeedAndNotOnThreads(t *testing.T) {
	x, y := clusters(300, 6, 6, 1.5)
	o := FewShotOptions{Ways: 3, Shots: 2, Queries: 4, Episodes: 40, Seed: 5}
	many, err := FewShot(t.Context(), x, 300, 6, y, o)
	if err != nil {
		t.Fatal(err)
	}
	other := o
	other.Seed = 6
	if got, err := FewShot(t.Context(), x, 300, 6, y, other); err != nil || got == many {
		t.Errorf("seeds 5 and 6 both score %+v (%v)", got, err)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	one, err := FewShot(t.Context(), x, 300, 6, y, o)
	if err != nil {
		t.Fatal(err)
	}
	if one != many {
		t.Errorf("%+v on one thread, %+v on many", one, many)
	}
}

func TestFewShotRefuses(t *testing.T) {
	nan := float32(math.NaN())
	x, y := []float32{1, 2, 3, 4, 5, 6, 7}, []int32{3, 3, 3, 9, 9, 9, 9}
	for _, tt := range []struct {
		name       string
		embeddings []float32
		labels     []int32
		o          FewShotOptions
		text       string
	}{
		{"one way", x, y, FewShotOptions{1, 1, 1, 2, 0}, "1 ways, expected at least 2"},
		{"no shots", x, y, FewShotOptions{2, 0, 1, 2, 0}, "0 shots, expected at least 1"},
		{"no queries", x, y, FewShotOptions{2, 1, 0, 2, 0}, "0 queries, expected at least 1"},
		{"one episode", x, y, FewShotOptions{2, 1, 1, 1, 0}, "1 episodes, expected at least 2"},
		{"too many ways", x, y, FewShotOptions{3, 1, 1, 2, 0}, "2 classes for episodes of 3 ways"},
		{
			"a small class", x, y,
			FewShotOptions{2, 1, 3, 2, 0},
			"class 3 has 3 samples, expected at least 1 shots and 3 queries",
		},
		{"a number that overflows", x, y, FewShotOptions{2, math.MaxInt, 1, 2, 0}, "class 3 has 3 samples"},
		{"too few labels", x, y[1:], FewShotOptions{2, 1, 1, 2, 0}, "6 labels for 7 samples"},
		{"a NaN", []float32{1, 2, 3, 4, 5, nan, 7}, y, FewShotOptions{2, 1, 1, 2, 0}, "row 5 of the embeddings holds NaN"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := FewShot(t.Context(), tt.embeddings, len(tt.embeddings), 1, tt.labels, tt.o)
			if !errors.Is(err, ErrInput) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("error %v, want ErrInput about %q", err, tt.text)
			}
		})
	}
}

func TestFewShotStopsWhenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	x, y := clusters(100, 4, 3, 1)
	o := FewShotOptions{Ways: 2, Shots: 1, Queries: 1, Episodes: 2}
	if _, err := FewShot(ctx, x, 100, 4, y, o); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want cancellation", err)
	}
}

func ExampleFewShot() {
	embeddings := []float32{ // (6,2)
		0, 0,
		0, 1,
		1, 0,
		5, 5,
		5, 6,
		6, 6,
	}
	o := FewShotOptions{Ways: 2, Shots: 1, Queries: 2, Episodes: 600, Seed: 1}
	score, err := FewShot(context.Background(), embeddings, 6, 2, []int32{0, 0, 0, 1, 1, 1}, o)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("2-way 1-shot: %.2f ± %.2f over %d episodes\n", score.Accuracy, score.CI95, score.Episodes)
	// Output: 2-way 1-shot: 1.00 ± 0.00 over 600 episodes
}
