package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rkd/pipeline"
)

// twoTeachers is the sample's experiment with two teachers, of 64 and of 10 numbers.
const twoTeachers = `
name: two
data:
  train: {source: sample, split: train, classes: [0, 1, 2, 3, 4]}
  test:  {source: sample, split: test,  classes: [5, 6, 7, 8, 9]}
teachers:
  embedding: {model: models/mnist-teacher.onnx, output: embedding, preprocess: {mean: [0.5]}, normalize: l2}
  classifier: {model: models/mnist-classifier.onnx, output: logits, preprocess: {mean: [0.5]}, normalize: l2, weight: 0.5}
student: {arch: {conv: [8, 16]}, embedding_dim: 16}
loss: {rkd_distance: 1, rkd_angle: 2, regression: 1}
train: {batch: {classes: 5, per_class: 8}, epochs: 1, steps_per_epoch: 4}
`

func TestSeveralTeachers(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	if err := os.WriteFile(filepath.Join(dir, "two.yaml"), []byte(twoTeachers), 0o644); err != nil {
		t.Fatal(err)
	}
	var res pipeline.Results
	first := must(t, dir, "run", "two.yaml", "--json")
	if err := json.Unmarshal([]byte(first.stdout), &res); err != nil {
		t.Fatal(err)
	}
	if len(res.Teachers) != 2 || res.Teachers[0].Name != "classifier" || res.Teachers[1].Name != "embedding" {
		t.Fatalf("got teachers %+v, want a row for each", res.Teachers)
	}
	if got, want := res.Teacher.Parameters, res.Teachers[0].Parameters+res.Teachers[1].Parameters; got != want {
		t.Errorf("got %d parameters together, want %d", got, want)
	}
	metrics := string(read(t, filepath.Join(dir, "runs", "two", "student", "seed-1", "metrics.jsonl")))
	for _, term := range []string{"rkd_distance[classifier]", "rkd_angle[embedding]", "regression[embedding]"} {
		if !strings.Contains(metrics, term) {
			t.Errorf("metrics.jsonl lacks %s:\n%s", term, metrics)
		}
	}
	if again := must(t, dir, "run", "two.yaml"); strings.Count(again.stderr, "up to date") != 5 {
		t.Errorf("a second run does something:\n%s", again.stderr)
	}
	// One teacher fewer: its cache is there, and another training is refused rather than overwritten.
	one := "teachers={embedding: {model: models/mnist-teacher.onnx, output: embedding, preprocess: {mean: [0.5]}, normalize: l2}}"
	r := rkd(t, dir, "run", "two.yaml", "--set", one)
	if r.code != exitMismatch || !strings.Contains(r.stderr, "teachers") {
		t.Errorf("got exit %d, want %d naming teachers:\n%s", r.code, exitMismatch, r.stderr)
	}
	concat := must(t, dir, "run", "two.yaml", "--set", "combine=concat", "--set", "dir=runs/concat", "--set",
		"cache.dir=runs/two/cache")
	if strings.Count(concat.stderr, "precompute: up to date") != 2 {
		t.Errorf("the teachers ran again:\n%s", concat.stderr)
	}
}
