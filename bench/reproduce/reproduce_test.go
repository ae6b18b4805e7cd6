package main

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rkd/pipeline"
	"rkd/pipeline/config"
)

// The page in the repository says what the files beside it do.
func TestPageIsThatOfTheResults(t *testing.T) {
	var all []*experiment
	for _, p := range plans {
		e, err := p.read("../../docs/results")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range e.results.Order {
			if e.labels[name] == "" {
				t.Errorf("%s: variant %s has no label", p.name, name)
			}
		}
		for _, c := range p.claims {
			if _, _, err := e.verdict(c); err != nil {
				t.Error(err)
			}
		}
		if _, err := config.Load("../../"+p.file, nil); err != nil {
			t.Error(err)
		}
		all = append(all, e)
	}
	want, err := os.ReadFile("../../docs/results.md")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(page(all))); diff != "" {
		t.Errorf("docs/results.md (-) is not what docs/results gives (+): %s", diff)
	}
}

func TestVerdict(t *testing.T) {
	values := func(v ...float64) pipeline.VariantResult {
		return pipeline.VariantResult{Metrics: map[string]pipeline.Statistic{recall: {Values: v}}}
	}
	e := &experiment{
		results: pipeline.Results{
			Teacher: pipeline.ModelResult{Metrics: map[string]float64{recall: 0.85}},
			Models: map[string]pipeline.VariantResult{
				"high": values(0.9, 0.91, 0.92), "low": values(0.8, 0.81, 0.82),
				"wide": values(0.7, 0.92, 0.95),
			},
		},
		curves: curves{
			"high": {{{recall: 0.5}, {recall: 0.81}}, {{recall: 0.9}, {recall: 0.95}}},
			"low":  {{{recall: 0.5}, {recall: 0.6}}, {{recall: 0.5}, {recall: 0.7}}},
		},
	}
	for _, tt := range []struct {
		claim               claim
		difference, verdict string
	}{
		{claim{better: "high", than: "low"}, "+0.1000 ± 0.0082", "holds"},
		{claim{better: "low", than: "high"}, "-0.1000 ± 0.0082", "**does not hold**"},
		{claim{better: "wide", than: "low"}, "+0.0467 ± 0.0790", "undecided"},
		{claim{better: "high", than: teacher}, "+0.0600 ± 0.0058", "holds"},
		{claim{better: "high", than: "low", fewerEpochsThan: true}, "+1.5 ± 0.5 epochs", "holds"},
	} {
		tt.claim.metric = recall
		difference, verdict, err := e.verdict(tt.claim)
		if err != nil || difference != tt.difference || verdict != tt.verdict {
			t.Errorf("%s than %s: %s %s %v, expected %s %s", tt.claim.better, tt.claim.than, difference, verdict, err,
				tt.difference, tt.verdict)
		}
	}
	if _, _, err := e.verdict(claim{metric: mapAtR, better: "high", than: "low"}); err == nil {
		t.Error("a metric that was not measured gives no error")
	}
}
