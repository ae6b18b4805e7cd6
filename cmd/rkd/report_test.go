package main

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rkd/student/train/tensorboard"
)

// reportedRun makes a small run that has all that a report shows: variants, seeds, curves, a sample that is skipped.
func reportedRun(t *testing.T, dir string, sets ...string) {
	t.Helper()
	must(t, dir, onSample(t, "run", append([]string{
		"seeds=[1, 2]", "eval={curve: true, metrics: [recall@1, map@r]}", "train.tensorboard=true",
		"train.epochs=5", "variants={rkd-da: {}, 'triplet': {loss: {rkd_distance: 0, rkd_angle: 0, task: {weight: 1}}}}",
	}, sets...)...)...)
}

func TestReport(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	reportedRun(t, dir)
	const run = "runs/sample"
	if out := must(t, dir, "report", run).stdout; strings.TrimSpace(out) != filepath.Join(run, "report.html") {
		t.Errorf("stdout is %q, expected the file", out)
	}
	page := string(read(t, filepath.Join(dir, run, "report.html")))
	for _, part := range []string{
		"gap closed", "overlap@10", "loss/rkd_angle", "loss/triplet", "learning_rate", "grad_norm", "selection/map@r",
		"test/recall@1", "size in kB", "ms of one sample", "data:image/jpeg;base64,", "correlation 0.", "of the variance",
		"every sample was read", "rkd run runs/sample/config.yaml", "embedding_dim: 16", "fill-opacity",
	} {
		if !strings.Contains(page, part) {
			t.Errorf("the page lacks %q", part)
		}
	}
	if strings.Contains(page, "http://") && strings.Count(page, "http://") !=
		strings.Count(page, `="http://www.w3.org/`) ||
		strings.Contains(page, "https://") || strings.Contains(page, "<script") {
		t.Error("the page names something on a network")
	}
	if len(page) > 3<<20 {
		t.Errorf("the page has %d bytes, expected at most 3 MiB", len(page))
	}
	again := must(t, dir, "report", run, "--out", "again.html")
	if string(read(t, filepath.Join(dir, "again.html"))) != page || again.stdout != "again.html\n" {
		t.Error("a second report differs")
	}

	text := must(t, dir, "report", run, "--format", "md").stdout
	for _, part := range []string{
		"## sample", "| model ", "| **rkd-da** ", "### Made again by", "<details><summary>Configuration",
	} {
		if !strings.Contains(text, part) {
			t.Errorf("the Markdown lacks %q:\n%s", part, text)
		}
	}
	lines, err := csv.NewReader(strings.NewReader(must(t, dir, "report", run, "--format", "csv").stdout)).ReadAll()
	if err != nil || len(lines) < 2*2*5*7 || strings.Join(lines[0], ",") != "variant,seed,epoch,step,scalar,value" {
		t.Errorf("%d lines of CSV, the first %q (%v)", len(lines), lines[0], err)
	}

	events := filepath.Join(dir, run, "triplet/seed-2", tensorboard.FileName)
	written := read(t, events)
	points, err := tensorboard.Unmarshal(written)
	if err != nil || len(points) != 5 || points[4].Step != 50 {
		t.Fatalf("event file has %d points (%v)", len(points), err)
	}
	ofLine := map[string]bool{}
	for _, line := range lines[1:] {
		if line[0] == "triplet" && line[1] == "2" {
			ofLine[line[4]] = true
		}
	}
	for _, s := range points[4].Scalars { // the same names as in the CSV
		if !ofLine[s.Tag] {
			t.Errorf("the CSV lacks %s", s.Tag)
		}
	}
	if len(points[4].Scalars) != len(ofLine) {
		t.Errorf("%d scalars in the event file, %d in the CSV", len(points[4].Scalars), len(ofLine))
	}
	if err := os.Truncate(events, int64(len(written)/2)); err != nil { // as a killed process leaves it
		t.Fatal(err)
	}
	if out := must(t, dir, "report", run, "--tensorboard").stdout; strings.Count(out, "\n") != 4 {
		t.Errorf("event files are %s, expected four", out)
	}
	if string(read(t, events)) != string(written) {
		t.Error("the event file is not what the training wrote")
	}
	metrics := string(read(t, filepath.Join(dir, run, "triplet/seed-2/metrics.jsonl")))
	for _, part := range []string{`"run":"sample/triplet/seed-2"`, `"selection_metric":"map@r"`, `"watched":{"map@r":`} {
		if strings.Count(metrics, part) != 5 {
			t.Errorf("metrics.jsonl does not name %s in each line:\n%s", part, metrics)
		}
	}
}

// Training samples that were skipped are named with the reason, and those that the configuration leaves out are
// counted.
func TestReportSaysWhatWasSkipped(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	for i, class := range []string{"a", "b", "c", "d"} {
		drawings(t, filepath.Join(dir, "pictures", class), i)
	}
	write(t, filepath.Join(dir, "pictures/a/broken.png"), []byte("no picture"))
	must(t, dir, "run", "examples/sample.yaml", "--set", "train.epochs=1", "--set", "train.steps_per_epoch=1", "--set",
		"data={train: {source: folder, dir: pictures, on_error: skip, classes: [a, b]}, test: {source: folder, dir: "+
			"pictures, classes: [c, d]}}", "--set", "teacher.preprocess={resize: [28, 28], color: gray, mean: [0.5]}",
		"--set", "train.batch={classes: 2, per_class: 3}", "--set", "eval.metrics=[recall@1]")
	page := must(t, dir, "report", "runs/sample", "--format", "md").stdout
	for _, part := range []string{"pictures/a/broken.png: ", "left out by classes"} {
		if !strings.Contains(page, part) {
			t.Errorf("the report does not say %q:\n%s", part, page)
		}
	}
}

// What there is of a run is shown, and what cannot be is said.
func TestReportOfWhatThereIs(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	must(t, dir, "run", sampleConfig, "--set", "train.epochs=2", "--quiet")
	config := filepath.Join(dir, "runs/sample/config.yaml")
	text := strings.Replace(string(read(t, config)), "source: sample", "source: folder\n        dir: gone", 2)
	write(t, config, []byte(strings.ReplaceAll(text, "        split: test\n", "")))
	if err := os.Remove(filepath.Join(dir, "runs/sample/results.json")); err != nil {
		t.Fatal(err)
	}
	page := must(t, dir, "report", "runs/sample", "--format", "md").stdout
	for _, part := range []string{"Nothing has been measured yet", "are not shown", "too short"} {
		if !strings.Contains(page, part) {
			t.Errorf("the report does not say %q:\n%s", part, page)
		}
	}
	for _, c := range []struct {
		args []string
		code int
		says []string
	}{
		{[]string{"report", "models"}, exitInput, []string{"models", "no run directory"}},
		{[]string{"report", "runs/sample", "--format", "pdf"}, exitUsage, []string{"--format", "pdf", "html, md or csv"}},
		{[]string{"report"}, exitUsage, []string{"RUN"}},
	} {
		expectSentence(t, rkd(t, dir, c.args...), c.code, c.says)
	}
}
