package eval

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// Two classes of three samples each, one sample of the second among those of the first.
func metricOutputs() Outputs {
	return Outputs{
		Embeddings: []float32{0, 1, 2.5, 2, 10, 12}, Dim: 1, Labels: []int32{0, 0, 0, 1, 1, 1},
		Logits: []float32{2, 1, 2, 1, 1, 2, 1, 2, 1, 2, 2, 1}, Classes: 2,
	}
}

func TestMeasureNamesFiguresAsTheyWereAskedFor(t *testing.T) {
	names := []string{"top-2", "recall@1", "recall@5", "r-precision", "map@r", "nmi", "knn@1", "top-1", "2-way-1-shot"}
	metrics, err := ParseMetrics(names)
	if err != nil {
		t.Fatal(err)
	}
	o := MetricOptions{Queries: 2, Episodes: 10, Seed: 1}
	f, err := Measure(t.Context(), metrics, metricOutputs(), o)
	if err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(f.Values)); !slices.Equal(got, slices.Sorted(slices.Values(names))) {
		t.Errorf("figures of %v, expected those of %v", got, names)
	}
	// The nearest of 0, 1, 2.5, 2, 10, 12 are 1, 0, 2, 2.5, 12, 10: right but for the two in the middle.
	for name, want := range map[string]float64{
		"recall@1": 4. / 6, "knn@1": 4. / 6, "recall@5": 1,
		"top-1": 4. / 6, "top-2": 1,
	} {
		if f.Values[name] != want {
			t.Errorf("%s is %g, expected %g", name, f.Values[name], want)
		}
	}
	if _, ok := f.CI95["2-way-1-shot"]; !ok || len(f.CI95) != 1 {
		t.Errorf("confidence intervals are %v, expected one, of 2-way-1-shot", f.CI95)
	}
}

// One search for neighbours gives what two give, and tells how far it is.
func TestMeasureTellsProgressAndSearchesOnce(t *testing.T) {
	const n, d = 700, 9
	x, y := clusters(n, d, 20, 3)
	teacher, _ := clusters(n, 5, 20, 3)
	metrics, err := ParseMetrics([]string{"recall@40", "map@r", "knn@3", "nmi", "overlap@4", "top-1"})
	if err != nil {
		t.Fatal(err)
	}
	var shares []float64
	f, err := Measure(t.Context(), metrics, Outputs{Embeddings: x, Dim: d, Labels: y, Teacher: teacher, TeacherDim: 5},
		MetricOptions{Progress: func(share float64) { shares = append(shares, share) }})
	if err != nil {
		t.Fatal(err)
	}
	scores, err := Retrieval(t.Context(), x, n, d, y, []int{40})
	if err != nil {
		t.Fatal(err)
	}
	votes, err := KNN(t.Context(), x, n, d, y, []int{3})
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Values; got["recall@40"] != scores.Recall[40] || got[MAPAtR] != scores.MAPAtR || got["knn@3"] != votes[3] {
		t.Errorf("figures are %v, by themselves %v and %v", got, scores, votes)
	}
	if len(shares) < 20 || !slices.IsSorted(shares) || shares[0] > 0.1 || shares[len(shares)-1] != 1 {
		t.Errorf("the shares told are %v, expected many that ascend to 1", shares)
	}
}

func TestMeasureLeavesOutMetricsOfLogitsForAModelWithout(t *testing.T) {
	metrics, err := ParseMetrics([]string{"top-1", "knn@1"})
	if err != nil {
		t.Fatal(err)
	}
	out := metricOutputs()
	out.Logits, out.Classes = nil, 0
	f, err := Measure(t.Context(), metrics, out, MetricOptions{})
	if _, ok := f.Values["top-1"]; err != nil || ok || len(f.Values) != 1 {
		t.Errorf("figures are %v, %v, expected knn@1 alone", f.Values, err)
	}
}

func TestParseMetricsRefuses(t *testing.T) {
	for name, says := range map[string]string{
		"accuracy":                       "expected recall@K, r-precision, map@r, knn@K, top-K, nmi, N-way-K-shot, ",
		"":                               "expected recall@K",
		"recall@":                        "expected recall@K",
		"recall@K":                       "expected recall@K",
		"xrecall@1":                      "expected recall@K",
		"recall@1x":                      "expected recall@K",
		"recall@0":                       "numbers from 1 up",
		"1-way-1-shot":                   "2 ways or more",
		"2-way-0-shot":                   "numbers from 1 up",
		"top-" + strings.Repeat("9", 30): "numbers from 1 up",
	} {
		_, err := ParseMetrics([]string{"nmi", name})
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q gives %v, expected %q in it", name, err, says)
		}
	}
}
