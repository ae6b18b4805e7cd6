package eval

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
)

// Against a count of all pairs: rows in common among the K nearest of the gallery.
func TestCrossOverlap(t *testing.T) {
	const n, d, k = 40, 3, 4
	gallery, queries := randomRows(5, n, d), randomRows(6, n, d)
	nearest := func(query []float32, self int) []int {
		order := []int{}
		for i := range n {
			if i != self {
				order = append(order, i)
			}
		}
		slices.SortStableFunc(order, func(a, b int) int {
			x, y := distance(query, gallery[a*d:(a+1)*d]), distance(query, gallery[b*d:(b+1)*d])
			return int(math.Copysign(1, x-y))
		})
		return order[:k]
	}
	common := 0
	for q := range n {
		own := nearest(gallery[q*d:(q+1)*d], q)
		for _, row := range nearest(queries[q*d:(q+1)*d], q) {
			if slices.Contains(own, row) {
				common++
			}
		}
	}
	want := float64(common) / (n * k)
	got, err := CrossOverlap(context.Background(), queries, gallery, n, d, k)
	if err != nil || math.Abs(got-want) > 1e-12 || want == 0 {
		t.Errorf("overlap is %v (%v), expected %v", got, err, want)
	}
	if own, err := CrossOverlap(context.Background(), gallery, gallery, n, d, k); err != nil || own != 1 {
		t.Errorf("a model's overlap with itself is %v (%v), expected 1", own, err)
	}
	for _, bad := range []func() (float64, error){
		func() (float64, error) { return CrossOverlap(context.Background(), queries[:3], gallery, n, d, k) },
		func() (float64, error) { return CrossOverlap(context.Background(), queries, gallery, n, d, n) },
		func() (float64, error) { return CrossOverlap(context.Background(), queries, gallery, n, d, 0) },
	} {
		if _, err := bad(); !errors.Is(err, ErrInput) {
			t.Errorf("got %v, expected ErrInput", err)
		}
	}
}

// Asymmetric metrics are measured where the widths are equal, recall on the samples with labels alone.
func TestMeasureAsymmetric(t *testing.T) {
	const n, d = 30, 4
	metrics, err := ParseMetrics([]string{"recall@1", "asymmetric-recall@1", "asymmetric-overlap@3"})
	if err != nil {
		t.Fatal(err)
	}
	out := Outputs{Embeddings: randomRows(1, n, d), Dim: d, Labels: make([]int32, n), TeacherDim: d}
	for i := range out.Labels {
		out.Labels[i] = int32(i%4) - 1
		out.Embeddings[i*d] += 3 * float32(out.Labels[i])
	}
	out.Teacher = out.Embeddings
	f, err := Measure(context.Background(), metrics, out, MetricOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if v := f.Values; v["asymmetric-recall@1"] != v["recall@1"] || v["recall@1"] == 0 || v["asymmetric-overlap@3"] != 1 {
		t.Errorf("a model that searches its own vectors has %v", v)
	}
	out.Teacher, out.TeacherDim = randomRows(2, n, d+1), d+1
	if f, err = Measure(context.Background(), metrics, out, MetricOptions{}); err != nil || len(f.Values) != 1 {
		t.Errorf("of another width it has %v (%v), expected recall@1 alone", f.Values, err)
	}
}

func TestWithAsymmetric(t *testing.T) {
	for added, names := range map[string][]string{
		"asymmetric-recall@5":   {"map@r", "recall@5", "recall@1"},
		"asymmetric-recall@1":   {"knn@3"},
		"asymmetric-overlap@7":  {"spearman", "overlap@7"},
		"asymmetric-overlap@10": {"cka"},
	} {
		got := WithAsymmetric(names)
		if want := append(slices.Clone(names), added); !slices.Equal(got, want) {
			t.Errorf("got %v, expected %v", got, want)
		}
		if again := WithAsymmetric(got); !slices.Equal(again, got) {
			t.Errorf("added twice: %v", again)
		}
	}
}
