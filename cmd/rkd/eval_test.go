package main

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"rkd/pipeline"
)

// One model is held against teacher and baseline as the students of a run are, with the same figures. Where the teacher
// or the baseline is not there, the rest is told.
func TestEvalOfAModelHasGapAndFidelity(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	var run pipeline.Results
	if err := json.Unmarshal([]byte(must(t, dir, shortly("run", "--json")...).stdout), &run); err != nil {
		t.Fatal(err)
	}
	evaluated := func(args ...string) (res pipeline.ModelResults, stderr string) {
		t.Helper()
		r := must(t, dir, append([]string{"eval", sampleStudent, "--json"}, args...)...)
		if err := json.Unmarshal([]byte(r.stdout), &res); err != nil {
			t.Fatal(err)
		}
		return res, r.stderr
	}
	same := append([]string{"--config", sampleConfig}, short...)
	res, _ := evaluated(same...)
	one, all := res.Models[0], run.Models["student"]
	if res.Teacher == nil || res.Teacher.Metrics["recall@1"] != run.Teacher.Metrics["recall@1"] || res.Baseline == nil ||
		res.Baseline.Metrics["recall@1"] != run.Baseline.Metrics["recall@1"] {
		t.Fatalf("held against %+v and %+v, expected those of the run", res.Teacher, res.Baseline)
	}
	if d := one.Gap["recall@1"] - all.Gap["recall@1"]; math.Abs(d) > 1e-12 || len(one.Gap) == 0 {
		t.Errorf("gaps are %v, expected %v", one.Gap, all.Gap)
	}
	for _, name := range []string{pipeline.Overlap, pipeline.RankCorrelation} {
		if one.Fidelity[name] == 0 || one.Fidelity[name] != all.Fidelity[name].Mean {
			t.Errorf("%s is %v, expected %v", name, one.Fidelity[name], all.Fidelity[name].Mean)
		}
	}
	table := must(t, dir, append([]string{"eval", sampleStudent}, same...)...).stdout
	for _, part := range []string{"gap closed", "overlap@10", "teacher", "untrained", " %"} {
		if !strings.Contains(table, part) {
			t.Errorf("the table lacks %q:\n%s", part, table)
		}
	}
	if res, stderr := evaluated("--config", sampleConfig, "--set", "dir=elsewhere"); res.Teacher == nil ||
		res.Baseline != nil || !strings.Contains(stderr, "without the baseline untrained") {
		t.Errorf("before the training of the baseline: %+v\n%s", res, stderr)
	}
	if res, stderr := evaluated("--config", sampleConfig, "--set", "teacher.model=gone.onnx"); res.Teacher != nil ||
		res.Models[0].Metrics["recall@1"] == 0 || !strings.Contains(stderr, "without the teacher") {
		t.Errorf("without the teacher: %+v\n%s", res, stderr)
	}
	var itself pipeline.ModelResults
	r := must(t, dir, "eval", "models/mnist-teacher.onnx", "--config", sampleConfig, "--json")
	if err := json.Unmarshal([]byte(r.stdout), &itself); err != nil || itself.Teacher != nil ||
		math.Abs(itself.Models[0].Metrics["recall@1"]-run.Teacher.Metrics["recall@1"]) > 1e-4 {
		t.Errorf("the teacher itself: %+v (%v)", itself, err)
	}
}
