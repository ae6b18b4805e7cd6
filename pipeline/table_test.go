package pipeline

import (
	"flag"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rkd/pipeline/config"
	"rkd/pipeline/report"
)

var update = flag.Bool("update", false, "write golden files")

// golden compares text with a file of testdata.
func golden(t *testing.T, file, text string) {
	t.Helper()
	path := filepath.Join("testdata", file)
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Errorf("%s (-want +got), renew with -update:\n%s", file, diff)
	}
}

// measured are results of two variants, one with three seeds, in a metric that is exact and one of episodes.
func measured(baseline string) *Results {
	res := &Results{
		Name: "digits", Metrics: []string{"recall@1", "map@r", "5-way-1-shot", "top-1"}, Samples: 300, FidelitySamples: 300,
		Order: []string{"plain", "seeds"},
		Teacher: ModelResult{
			Metrics: map[string]float64{"recall@1": 0.9, "map@r": 0.6, "5-way-1-shot": 0.8},
			CI95:    map[string]float64{"5-way-1-shot": 0.01}, Parameters: 240256, Bytes: 963214, LatencyMillis: 0.129,
		},
		Baseline: &Baseline{
			Kind: baseline,
			ModelResult: ModelResult{
				Metrics: map[string]float64{"recall@1": 0.95, "map@r": 0.2, "5-way-1-shot": 0.4}, Parameters: 10, Bytes: 1000,
				CI95: map[string]float64{"5-way-1-shot": 0.02},
			},
			Fidelity: map[string]float64{Overlap: 0.1, RankCorrelation: 0.2},
		},
		Models: map[string]VariantResult{
			"plain": {
				Metrics: map[string]Statistic{
					"recall@1": newStatistic([]float64{0.85}, nil), "map@r": newStatistic([]float64{0.5}, nil),
					"5-way-1-shot": newStatistic([]float64{0.7}, []float64{0.015}), "top-1": newStatistic([]float64{0.25}, nil),
				},
				Fidelity:   map[string]Statistic{Overlap: newStatistic([]float64{0.5}, nil)},
				Parameters: 10512, Bytes: 45300, LatencyMillis: 0.029, Seeds: []uint64{1},
			},
			"seeds": {
				Metrics: map[string]Statistic{
					"recall@1": newStatistic([]float64{0.8, 0.82, 0.84}, nil), "map@r": newStatistic([]float64{0.1, 0.1, 0.1}, nil),
					"5-way-1-shot": newStatistic([]float64{0.7, 0.71, 0.72}, []float64{0.015, 0.015, 0.015}),
				},
				Fidelity: map[string]Statistic{
					Overlap: newStatistic([]float64{0.5, 0.5, 0.5}, nil), RankCorrelation: newStatistic([]float64{0.7, 0.8, 0.9}, nil),
				},
				Parameters: 10512, Bytes: 45300, LatencyMillis: 0.029, Seeds: []uint64{1, 2, 3},
			},
		},
	}
	res.closeGaps()
	return res
}

// The table has a row for the baseline unless that is a variant, whose row is there anyway; results of earlier versions
// have neither baseline nor fidelity.
func TestTable(t *testing.T) {
	earlier := measured(config.BaselineUntrained)
	earlier.Baseline, earlier.FidelitySamples = nil, 0
	var text strings.Builder
	for _, c := range []struct {
		title string
		table report.Table
	}{
		{"against an untrained net", measured(config.BaselineUntrained).Table()},
		{"against raw pixels", measured(config.BaselinePixels).Table()},
		{"against a variant", measured("plain").Table()},
		{"of an earlier version", earlier.Table()},
		{"of a file", (&ModelResults{
			Metrics: []string{"recall@1"},
			Models: []ComparedModel{{NamedResult: NamedResult{
				Name: "a.onnx", ModelResult: ModelResult{Metrics: map[string]float64{"recall@1": 1}},
			}}},
		}).Table()},
	} {
		page := report.Page{
			Title: "Results", Sections: []report.Section{{ID: "t", Title: c.title, Blocks: []report.Block{c.table}}},
		}
		if err := page.Markdown(&text); err != nil {
			t.Fatal(err)
		}
	}
	golden(t, "table.md.golden", text.String())
}

func TestGapClosed(t *testing.T) {
	for _, c := range []struct {
		name                     string
		baseline, teacher, value float64
		want                     float64
		ok                       bool
	}{
		{"half", 0.2, 0.6, 0.4, 0.5, true},
		{"no better than the baseline", 0.2, 0.6, 0.2, 0, true},
		{"worse", 0.2, 0.6, 0.1, -0.25, true},
		{"better than the teacher", 0.2, 0.6, 0.8, 1.5, true},
		{"the teacher is no better than the baseline", 0.6, 0.6, 0.7, 0, false},
		{"the teacher is worse", 0.7, 0.6, 0.7, 0, false},
	} {
		got, ok := gapClosed(map[string]float64{"m": c.baseline}, map[string]float64{"m": c.teacher}, "m", c.value)
		if math.Abs(got-c.want) > 1e-12 || ok != c.ok {
			t.Errorf("%s: %g, %t, expected %g, %t", c.name, got, ok, c.want, c.ok)
		}
	}
	if _, ok := gapClosed(nil, map[string]float64{"m": 1}, "m", 1); ok {
		t.Error("a metric that the baseline has not has a gap")
	}
}

func TestSpaced(t *testing.T) {
	for _, c := range []struct {
		n, count int
		want     []int
	}{{5, 5, []int{0, 1, 2, 3, 4}}, {3, 5, []int{0, 1, 2}}, {10, 4, []int{0, 2, 5, 7}}} {
		if diff := cmp.Diff(c.want, spaced(c.n, c.count)); diff != "" {
			t.Errorf("%d of %d rows: %s", c.count, c.n, diff)
		}
	}
}
