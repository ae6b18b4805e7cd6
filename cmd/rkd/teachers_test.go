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
  classifier: {model: models/mnist-classifier.onnx, output: logits, preprocess: {mean: [0.5]}, normalize: l2,
	weight: 0.5}
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
	page := must(t, dir, "report", "runs/two", "--format", "md").stdout
	must(t, dir, "report", "runs/two")
	if html := string(read(t, filepath.Join(dir, "runs/two/report.html"))); !strings.Contains(html, "all 2 teachers") ||
		!strings.Contains(page, "of teachers classifier, embedding") || strings.Contains(page, "not shown") {
		t.Errorf("the report does not show what the teachers say together:\n%s", page)
	}
	// One teacher fewer: its cache is there, and another training is refused rather than overwritten.
	one := "teachers={embedding: {model: models/mnist-teacher.onnx, output: embedding, preprocess: {mean: [0.5]}, " +
		"normalize: l2}}"
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

// A loss that fits the first of several teachers and not the second is refused before the first one runs.
func TestLossesMustFitEachTeacher(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	if err := os.WriteFile(filepath.Join(dir, "two.yaml"), []byte(twoTeachers), 0o644); err != nil {
		t.Fatal(err)
	}
	const wide = "loss={regression: {weight: 1, project: false}}"
	for _, command := range []string{"precompute", "run", "plan"} {
		r := rkd(t, dir, command, "two.yaml", "--set", "student.embedding_dim=10", "--set", wide)
		if r.code != exitUsage || !strings.Contains(r.stderr, "loss.regression") || strings.Contains(r.stderr, "images, ") {
			t.Errorf("%s: exit code %d, expected %d and loss.regression before the teachers run:\n%s", command, r.code,
				exitUsage, r.stderr)
		}
	}
}

// teacherMaker is an experiment without a teacher.
const teacherMaker = `
name: maker
data:
  train: {source: sample, split: train, classes: [0, 1, 2, 3, 4]}
  test:  {source: sample, split: test,  classes: [5, 6, 7, 8, 9]}
teacher: none
student: {arch: {conv: [8, 16]}, embedding_dim: 16, preprocess: {mean: [0.5]}, normalize: l2}
loss: {task: [{kind: triplet, weight: 1}]}
train: {batch: {classes: 5, per_class: 8}, epochs: 1, steps_per_epoch: 4}
`

// A network that is trained without a teacher is the teacher of another.
func TestTeacherMadeHere(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	if err := os.WriteFile(filepath.Join(dir, "maker.yaml"), []byte(teacherMaker), 0o644); err != nil {
		t.Fatal(err)
	}
	made := must(t, dir, "run", "maker.yaml")
	if strings.Contains(made.stdout, "teacher") || !strings.Contains(made.stdout, "student") {
		t.Errorf("got a row for a teacher that is not there:\n%s", made.stdout)
	}
	if again := must(t, dir, "run", "maker.yaml"); strings.Count(again.stderr, "up to date") != 3 {
		t.Errorf("a second run does something:\n%s", again.stderr)
	}
	must(t, dir, "run", sampleConfig, "--set", "teacher.model=runs/maker/student/seed-1/student.onnx", "--set",
		"train.epochs=1", "--set", "train.steps_per_epoch=2", "--set", "dir=runs/made")
	expectSentence(t, rkd(t, dir, "precompute", "maker.yaml"), exitUsage, []string{"teacher is none"})
	expectSentence(t, rkd(t, dir, "run", "maker.yaml", "--set", "loss.rkd_distance=1"), exitUsage,
		[]string{"loss.rkd_distance needs a teacher", "loss.task"})
}

func TestTopLogitsOfATeacher(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	config := `
name: top
data:
  train: {source: sample, split: train, classes: [0, 1, 2, 3, 4]}
  test:  {source: sample, split: test,  classes: [5, 6, 7, 8, 9]}
teacher:
  model: models/mnist-classifier.onnx
  output: embedding
  logits: {tensor: logits, top: 3}
  preprocess: {mean: [0.5]}
student: {arch: {conv: [8, 16]}, embedding_dim: 16}
loss: {hkd: {weight: 1, temperature: 1}}
train: {batch: {classes: 5, per_class: 8}, epochs: 1, steps_per_epoch: 4}
eval: {metrics: [recall@1]}
`
	if err := os.WriteFile(filepath.Join(dir, "top.yaml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	must(t, dir, "run", "top.yaml")
	info := must(t, dir, "cache", "info", "runs/top/cache", "--json").stdout
	if !strings.Contains(info, `"logits_dim": 8`) {
		t.Errorf("got a cache of more than 2·3+2 numbers a sample:\n%s", info)
	}
	expectSentence(t, rkd(t, dir, "run", "top.yaml", "--set", "loss={logit_mse: 1}"), exitUsage,
		[]string{"loss.logit_mse needs all of the teacher's logits"})
	expectSentence(t, rkd(t, dir, "run", "top.yaml", "--set", "teacher.logits.top=10", "--set", "dir=runs/all"), exitUsage,
		[]string{"logits.top is 10", "10 classes"})
}
