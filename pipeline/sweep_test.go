package pipeline

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"rkd/pipeline/config"
)

func sweep() *Results {
	student := func(quality float64, bytes int64, millis float64) VariantResult {
		return VariantResult{
			Metrics: map[string]Statistic{"recall@1": {Mean: quality, Values: []float64{quality}}, "top-1": {}},
			Bytes:   bytes, Parameters: bytes / 4, LatencyMillis: millis,
		}
	}
	none := student(0, 1, 1)
	none.Metrics = nil
	return &Results{
		Name: "sweep", Metrics: []string{"recall@1", "top-1"}, Order: []string{"none", "a", "b", "c", "d", "e"},
		Teacher: ModelResult{Metrics: map[string]float64{"recall@1": 0.99}},
		Models: map[string]VariantResult{
			"none": none, "a": student(0.5, 1000, 3), "b": student(0.9, 4000, 1), "c": student(0.7, 2000, 2),
			"d": student(0.6, 3000, 4), "e": student(0.9, 4000, 2),
		},
	}
}

// A sweep is sorted with the best, or the cheapest, first.
func TestSortBy(t *testing.T) {
	for key, want := range map[string]string{
		"recall@1": "b e c d a none", "bytes": "none a c d b e", "latency_ms": "none b c e a d",
		"top-1": "none a b c d e",
	} {
		res := sweep()
		if err := res.SortBy(key); err != nil || strings.Join(res.Order, " ") != want {
			t.Errorf("by %s: %v (%v), expected %s", key, res.Order, err, want)
		}
	}
	if err := sweep().SortBy("recall@7"); !errors.Is(err, config.ErrConfig) || !strings.Contains(err.Error(), "recall@1") {
		t.Errorf("by what was not measured: %v", err)
	}
}

// No student of the front is beaten by another, and everyone that is not on it is.
func TestParetoFront(t *testing.T) {
	for i, want := range [][]string{{"a", "c", "b", "e"}, {"b"}} {
		if got := sweep().front("recall@1", costs[i]); !slices.Equal(got, want) {
			t.Errorf("front by %s is %v, expected %v", costs[i].name, got, want)
		}
	}
	plots, err := sweep().Tradeoffs("")
	if err != nil || len(plots) != 2 {
		t.Fatalf("%d plots (%v)", len(plots), err)
	}
	var b bytes.Buffer
	if err := plots["quality-size.svg"].WriteSVG(&b); err != nil {
		t.Fatal(err)
	}
	for _, says := range []string{"Pareto front", "teacher", "recall@1", "size of the model"} {
		if !strings.Contains(b.String(), says) {
			t.Errorf("the plot lacks %q", says)
		}
	}
	if _, err := sweep().Tradeoffs("loss"); !errors.Is(err, config.ErrConfig) {
		t.Errorf("a metric that is none: %v", err)
	}
}
