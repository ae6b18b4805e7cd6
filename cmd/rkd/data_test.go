package main

import (
	"encoding/json"
	"image"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"rkd/models/onnx"
	"rkd/pipeline"
)

// sources is the folder of files that other libraries wrote.
func sources(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", "..", "datasets", "testdata", "sources"))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func results(t *testing.T, dir, name string) pipeline.Results {
	t.Helper()
	var res pipeline.Results
	if err := json.Unmarshal(read(t, filepath.Join(dir, "runs", name, "results.json")), &res); err != nil {
		t.Fatal(err)
	}
	return res
}

// 20 digits with labels and 200 without are trained on together: the loss on labels and that of the teacher in one run.
func TestRunOnSamplesWithAndWithoutLabels(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	args := []string{
		"run", sampleConfig, "--set", "name=mixed", "--set", "task=classification",
		"--set", "data.train=[{source: sample, split: train, limit: 20}, " +
			"{source: sample, split: train, labels: none, limit: 200}]",
		"--set", "data.test={source: sample, split: test}",
		"--set", "loss={rkd_distance: 1, task: {kind: cross_entropy, weight: 1}}",
		"--set", "train={batch: {size: 32, labelled: 0.25}, epochs: 2, steps_per_epoch: 5}",
		"--set", "eval.metrics=[top-1, spearman, overlap@5, cka]",
	}
	r := must(t, dir, args...)
	if !strings.Contains(r.stderr, "spearman with the teacher") {
		t.Errorf("the checkpoint is chosen otherwise than by the teacher, where most samples have no label:\n%s", r.stderr)
	}
	res := results(t, dir, "mixed")
	figures := res.Models["student"].Metrics
	for _, name := range []string{"top-1", "spearman", "overlap@5", "cka"} {
		if v := figures[name]; len(v.Values) != 1 || v.Mean <= 0 || v.Mean > 1 {
			t.Errorf("%s is %v, expected a figure above 0", name, v)
		}
	}
	if v := res.Teacher.Metrics["cka"]; v < 0.999 {
		t.Errorf("the teacher agrees with itself by %v", v)
	}
	metrics := string(read(t, filepath.Join(dir, "runs/mixed/student/seed-1/metrics.jsonl")))
	if !strings.Contains(metrics, "cross_entropy") || !strings.Contains(metrics, "rkd_distance") {
		t.Errorf("losses are %s, expected that on labels and that with the teacher", metrics)
	}
	// Another seed: neither the teacher nor the first student is run again.
	before := read(t, filepath.Join(dir, "runs/mixed/measured.json"))
	r = must(t, dir, append(args, "--set", "seeds=[1, 2]")...)
	var was, is struct {
		Models map[string]json.RawMessage `json:"models"`
	}
	if json.Unmarshal(before, &was) != nil ||
		json.Unmarshal(read(t, filepath.Join(dir, "runs/mixed/measured.json")), &is) != nil {
		t.Fatal("measured.json is no JSON")
	}
	if len(was.Models) != 3 || len(is.Models) != 4 { // teacher, baseline, and the students
		t.Errorf("%d and then %d models were measured, expected 3 and 4", len(was.Models), len(is.Models))
	}
	for key, figures := range was.Models { // latency included: measured once
		if string(is.Models[key]) != string(figures) {
			t.Errorf("a model was measured again:\n%s\n%s", figures, is.Models[key])
		}
	}
	if got := results(t, dir, "mixed").Models["student"].Metrics["top-1"].Values; len(got) != 2 ||
		got[0] != figures["top-1"].Values[0] {
		t.Errorf("top-1 is %v, expected that of the first seed, %v, and another", got, figures["top-1"].Values)
	}
	if strings.Contains(r.stderr, "precompute: made") {
		t.Errorf("the teacher ran again:\n%s", r.stderr)
	}
}

// No sample has a label, and there are no test data but a part of them.
func TestRunWithoutAnyLabel(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	set := []string{
		"--set", "name=bare", "--set",
		"data={train: {source: sample, split: train, labels: none}, split: {test: 0.2, seed: 1}}",
		"--set", "train={batch: {size: 32}, epochs: 2, steps_per_epoch: 5}",
	}
	r := must(t, dir, append([]string{"run", sampleConfig}, set...)...)
	for _, want := range []string{"spearman", "overlap@10", "cka"} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("the table lacks %s:\n%s", want, r.stdout)
		}
	}
	if res := results(t, dir, "bare"); res.Samples != 100 || res.Models["student"].Metrics["spearman"].Mean <= 0 {
		t.Errorf("%d test samples with %v, expected 100 of 500", res.Samples, res.Models["student"].Metrics)
	}
	r = must(t, dir, "run", sampleConfig, "--set", "name=untested", "--set",
		"data={train: {source: sample, split: train, limit: 100}}", "--set", "train={epochs: 1, steps_per_epoch: 2}")
	if !strings.Contains(r.stdout, "selection") || !strings.Contains(r.stderr, "no test data") {
		t.Errorf("without test data:\n%s%s", r.stdout, r.stderr)
	}
}

// Vectors that a service gave somebody, a teacher on vectors, and a student of linear layers: no picture anywhere.
func TestRunOnVectors(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	b := onnx.NewBuilder("test", 17)
	x := b.Input("x", onnx.Float32, "N", 5)
	weight := []float32{1, 0, 2, 0, 1, 0, 1, 0, 0, 2, 1, 1, 0, 1, 0}
	b.NodeTo("y", "MatMul", []string{x, b.Float32("w", []int{5, 3}, weight)})
	b.Output("y", onnx.Float32, "N", 3)
	m, err := b.Model("test", "1")
	if err == nil {
		err = m.Save(filepath.Join(dir, "t.onnx"))
	}
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "v.yaml"), []byte(`
name: vectors
data:
  train: {source: vectors, files: "`+sources(t)+`/vectors.npz"}
  test: {source: vectors, files: "`+sources(t)+`/vectors.parquet"}
teacher: {model: t.onnx}
student: {arch: {layers: [{kind: linear, out: 8}, {kind: relu}]}, embedding_dim: 2}
loss: {rkd_distance: 1}
train: {batch: {classes: 4, per_class: 3}, epochs: 3, steps_per_epoch: 5, selection: 0.25}
eval: {metrics: [recall@1, spearman]}
`))
	r := must(t, dir, "run", "v.yaml")
	if !strings.Contains(r.stderr, "too few of a class for map@r") {
		t.Errorf("one sample of each class is held out, and nothing said:\n%s", r.stderr)
	}
	if v := results(t, dir, "vectors").Models["student"].Metrics["spearman"].Mean; v <= 0 {
		t.Errorf("the student's distances agree by %v with the teacher's", v)
	}
	r = rkd(t, dir, "run", "v.yaml", "--set", "teacher.preprocess.resize=8")
	expectSentence(t, r, exitUsage, []string{"resize", "vectors"})
}

func TestDataInfo(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	hub, csv := filepath.Join(sources(t), "hub"), filepath.Join(sources(t), "csv")
	for _, class := range []string{"a", "b"} {
		if err := os.MkdirAll(filepath.Join(dir, "train", class), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, of := range map[string]string{ // one picture in two classes, and one that does not decode
		"a/1.png": "picture 0.png", "b/2.png": "picture 0.png", "b/3.png": "picture 1.png",
	} {
		write(t, filepath.Join(dir, "train", name), read(t, filepath.Join(csv, of)))
	}
	write(t, filepath.Join(dir, "train/a/bad.png"), read(t, filepath.Join(csv, "picture 2.png"))[:60])
	write(t, filepath.Join(dir, "train/a/notes.txt"), nil)
	set := []string{
		"data", "info", sampleConfig, "--sheet", "sheet.png", "--set",
		"data={train: {source: folder, dir: train, on_error: skip}, test: {source: parquet, dir: " + hub + ", split: test}}",
	}
	r := must(t, dir, set...)
	for _, want := range []string{
		"5 files and rows: 4 taken, 1 files ignored (.txt 1)", "4 samples of 2 classes", "8×8 colour: 3", "does not decode",
		"bad.png", "in several classes: 1", "a/1.png = ", "3 samples of 1 classes, 2 without a label",
		"in the training data, too: 2", "contact sheet: sheet.png",
	} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("it lacks %q:\n%s", want, r.stdout)
		}
	}
	f, err := os.Open(filepath.Join(dir, "sheet.png"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if sheet, err := png.Decode(f); err != nil || sheet.Bounds().Size() != image.Pt(204, 204) {
		t.Errorf("the contact sheet is %v (%v), expected 2 × 2 tiles", sheet, err)
	}
	var info pipeline.DataInfo
	r = must(t, dir, append(set, "--json")...)
	if err := json.Unmarshal([]byte(r.stdout), &info); err != nil || len(info.Leaks) != 2 || info.Train.Samples != 4 {
		t.Errorf("JSON says %+v (%v)", info, err)
	}
}

// Every file and sample ends somewhere, and the account says where.
func TestLedgerOfARun(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	csv := filepath.Join(sources(t), "csv")
	if err := os.MkdirAll(filepath.Join(dir, "pictures"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, of := range map[string]string{"1.png": "0", "2.png": "1", "3.png": "2", "4.png": "3", "copy.png": "0"} {
		write(t, filepath.Join(dir, "pictures", name), read(t, filepath.Join(csv, "picture "+of+".png")))
	}
	write(t, filepath.Join(dir, "pictures/bad.png"), []byte("no picture"))
	write(t, filepath.Join(dir, "pictures/notes.txt"), nil)
	r := must(t, dir, "precompute", sampleConfig, "--set",
		"data={train: {source: files, dir: pictures, on_error: skip, on_duplicate: drop}}",
		"--set", "teacher.preprocess={resize: [28, 28], color: gray}", "--set", "train.batch={size: 2}")
	if !strings.Contains(r.stderr,
		"of 7 files and samples 4 are cached, 1 skipped; 5 taken, 1 duplicates dropped, 1 files "+
			"ignored (.txt 1)") {
		t.Errorf("the account is not told:\n%s", r.stderr)
	}
	var a pipeline.Account
	if err := json.Unmarshal(read(t, filepath.Join(dir, "runs/sample/ledger.json")), &a); err != nil {
		t.Fatal(err)
	}
	if a.Cached != 4 || len(a.Skipped) != 1 || !strings.HasSuffix(a.Skipped[0].Path, "bad.png") ||
		!strings.Contains(a.Skipped[0].Reason, "no pictu") {
		t.Errorf("the account is %+v", a)
	}
}

func TestPlanPredicts(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	r := must(t, dir, "plan", sampleConfig, "--json")
	var f pipeline.Forecast
	if err := json.Unmarshal([]byte(r.stdout), &f); err != nil {
		t.Fatal(err)
	}
	if f.Train.Samples != 250 || f.Teachers[0].Cache.Missing != 250 || f.Teachers[0].Dim != 128 ||
		!(f.Teachers[0].SampleMillis > 0) ||
		f.Students[0].BatchRows != 40 || f.Students[0].StepsPerEpoch != 10 {
		t.Errorf("it predicts %+v", f)
	}
	if want := 250.0 / 400; math.Abs(f.PaidAtEpoch-want) > 1e-9 { // it is a ratio of measured times
		t.Errorf("the cache pays at epoch %v, expected %v", f.PaidAtEpoch, want)
	}
	if _, err := os.Stat(filepath.Join(dir, "runs")); err == nil {
		t.Error("a plan left something behind")
	}
	must(t, dir, "precompute", sampleConfig)
	bytes := int64(0)
	for path, data := range bytesOf(t, filepath.Join(dir, "runs/sample/cache")) {
		if strings.HasSuffix(path, ".parquet") {
			bytes += int64(len(data))
		}
	}
	if ratio := float64(f.Teachers[0].Cache.Bytes) / float64(bytes); ratio < 0.7 || ratio > 1.3 {
		t.Errorf("the cache has %d bytes, predicted were %d", bytes, f.Teachers[0].Cache.Bytes)
	}
	r = must(t, dir, "plan", sampleConfig)
	if !strings.Contains(r.stdout, "the cache is there") {
		t.Errorf("after precompute:\n%s", r.stdout)
	}
	r = must(t, dir, "plan", sampleConfig, "--set", "train.batch={classes: 5, per_class: 60}")
	if !strings.Contains(r.stdout, "5 classes have fewer than the 60") || !strings.Contains(r.stdout, "0 (") {
		t.Errorf("short classes are not counted:\n%s", r.stdout)
	}
}

// What a later stage would refuse is refused before the teacher runs, by plan and by the stage itself.
func TestBadInputBeforeTheTeacherRuns(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]badInput{
		"a metric without enough samples": {
			args: []string{"eval.metrics=[5-way-50-shot]"}, code: exitUsage,
			says: []string{"class 5 has 30 samples, 5-way-50-shot needs 65", "min_per_class: 65"},
		},
		"a metric without enough classes": {
			args: []string{"eval.metrics=[6-way-1-shot]"}, code: exitUsage,
			says: []string{"6-way-1-shot needs 6 classes", "has 5: 5, 6, 7, 8, 9"},
		},
		"more neighbours than samples": {
			args: []string{"eval.metrics=[recall@150]"}, code: exitUsage, says: []string{"recall@150", "150 samples"},
		},
		"a metric on labels of samples without": {
			args: []string{"data.test={source: sample, split: test, labels: none}", "eval.metrics=[recall@1]"}, code: exitUsage,
			says: []string{"recall@1", "none", "spearman, overlap@K or cka"},
		},
		"classes that training does not know": {
			args: []string{"eval.metrics=[top-1]", "data.test={source: folder, dir: ../..}"}, code: exitInput,
			says: []string{"../.."},
		},
		"more classes in a batch than there are": {
			args: []string{"train.batch={classes: 6, per_class: 4}"}, code: exitUsage,
			says: []string{"student seed 1", "6 classes a batch", "has 5"},
		},
		"a loss on labels that are not there": {
			args: []string{
				"data.train={source: sample, split: train, labels: none}", "loss={task: {weight: 1}}",
			}, code: exitUsage, says: []string{"triplet", "labels"},
		},
		"a loss that does not fit the teacher": {
			args: []string{"loss={regression: {weight: 1, project: false}}"}, code: exitUsage, says: []string{"16", "128"},
		},
		"a student that does not fit the samples": {
			args: []string{"student.arch={conv: [8, 16, 32, 64, 128, 256]}"}, code: exitUsage, says: []string{"student.arch"},
		},
		"test data that are not there": {
			args: []string{"data.test={source: folder, dir: nowhere}"}, code: exitInput, says: []string{"data.test", "nowhere"},
		},
		"test pictures of another shape": {
			args: []string{"data.test={source: csv, files: " + filepath.Join(sources(t), "csv/labels.csv") + "}"},
			code: exitInput, says: []string{"a test sample", "8 × 8 × 3"},
		},
		"a division beside test data": {
			args: []string{"data.split={test: 0.5}"}, code: exitUsage, says: []string{"data.test", "data.split"},
		},
		"a division by nothing": {
			args: []string{"data={train: {source: sample, split: train}, split: {by: class}}"}, code: exitUsage,
			says: []string{"data.split", "share"},
		},
	} {
		for _, command := range []string{"plan", "precompute", "run"} {
			t.Run(name+", "+command, func(t *testing.T) {
				if command == "run" && !slices.Contains([]string{"a division by nothing", "test data that are not there"}, name) {
					return // as precompute
				}
				dir := workplace(t)
				r := rkd(t, dir, onSample(t, command, test.args...)...)
				expectSentence(t, r, test.code, test.says)
				if files := listing(t, dir); strings.Contains(files, "runs") {
					t.Errorf("something was written:\n%s", files)
				}
			})
		}
	}
}
