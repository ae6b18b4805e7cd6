package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"rkd/models/onnx"
	"rkd/pipeline"
	"rkd/pipeline/vectors"
)

// A drop-in student has vectors of its teacher's width, exported with the map to it, which find their class among the
// teacher's vectors: in the table, by search, in the report. A student of that width that was not trained for it does
// not, and is refused the teacher's vectors.
func TestDropInStudentSearchesItsTeachersVectors(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	args := []string{
		"run", "examples/drop-in.yaml", "--set", "data.train.limit=600", "--set", "data.test.limit=400",
		"--set", "train.epochs=2", "--set", "train.steps_per_epoch=60", "--set", "train.lr=3e-3",
		"--set", "student.preprocess={resize: [28, 28], color: gray, mean: [0.5]}", "--set", "variants=null",
		"--set", "variants={mapped: {student: {embedding_dim: 16}}, wide: {}, relations: {student: {drop_in: false, " +
			"embedding_dim: 128}, loss: {info_nce: 0, regression: 0, rkd_distance: 1}}}",
	}
	r := must(t, dir, append(args, "--json")...)
	var res pipeline.Results
	if err := json.Unmarshal([]byte(r.stdout), &res); err != nil {
		t.Fatal(err)
	}
	const metric = "asymmetric-recall@1"
	of := func(name string) float64 { return res.Models[name].Metrics[metric].Mean }
	if res.Teacher.Metrics[metric] != res.Teacher.Metrics["recall@1"] || res.Teacher.Metrics[metric] == 0 {
		t.Errorf("the teacher has %v: it searches its own vectors", res.Teacher.Metrics)
	}
	if of("mapped") < 0.35 || of("wide") < 0.35 || of("relations") > 0.3 {
		t.Errorf("%s is %.3f mapped, %.3f as wide, %.3f without", metric, of("mapped"), of("wide"), of("relations"))
	}
	again := must(t, dir, args...)
	if !strings.Contains(again.stdout, metric+": the model's vectors search the teacher's") ||
		strings.Count(again.stderr, "up to date") < 8 {
		t.Errorf("a second run says\n%s%s", again.stdout, again.stderr)
	}

	student := filepath.Join(dir, "runs/drop-in/mapped/seed-1/student.onnx")
	m, err := onnx.Load(student)
	if err != nil {
		t.Fatal(err)
	}
	if card := m.Metadata()["rkd.student"]; !strings.Contains(card, `"drop_in":true`) ||
		!strings.Contains(card, `"embedding_dim":128`) {
		t.Errorf("the student says %s", card)
	}
	const seen = "{source: mnist, split: test, classes: ['7', '8', '9'], limit: 60}"
	must(t, dir, "embed", "runs/drop-in", seen, "--model", "teacher", "--out", "index.parquet")
	must(t, dir, "embed", "runs/drop-in", seen, "--model", "mapped", "--out", "queries.npy")
	index, err := vectors.Read(filepath.Join(dir, "index.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	right := 0
	for i, f := range neighbours(t, dir, "index.parquet", "queries.npy", "-k", "1") {
		if f.Neighbours[0].Class == index.Classes[i] {
			right++
		}
	}
	if right < 20 {
		t.Errorf("%d of 60 queries of the student find their class among the teacher's vectors", right)
	}
	drawings(t, filepath.Join(dir, "pictures"), 1)
	must(t, dir, "search", "index.parquet", "pictures/0.png", "--model", "runs/drop-in", "--student", "mapped")
	expectSentence(t, rkd(t, dir, "search", "index.parquet", "pictures/0.png", "--model", "runs/drop-in", "--student",
		"relations"), exitMismatch, []string{"not trained to search", "student.drop_in"})

	must(t, dir, "report", "runs/drop-in")
	page := string(read(t, filepath.Join(dir, "runs/drop-in/report.html")))
	if !strings.Contains(page, metric) || !strings.Contains(page, "mapped, among the teacher&#39;s vectors") {
		t.Error("the report does not show what the student finds among the teacher's vectors")
	}
	shown := must(t, dir, "arch", "show", "examples/drop-in.yaml", "--variant", "by-64")
	if !strings.Contains(shown.stdout, "map.0.linear") {
		t.Errorf("the student is shown as\n%s", shown.stdout)
	}
}
