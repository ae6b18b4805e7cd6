package main

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rkd/models/onnx"
	"rkd/pipeline"
	"rkd/student/train"
)

// earlier returns a workplace with testdata/format-1: a run directory of an earlier version of rkd, whose keys were
// hashes of Go structs. Of its two seeds one is finished, the other was interrupted after step 8 of 15.
func earlier(t *testing.T) string {
	t.Helper()
	dir := workplace(t)
	if err := os.CopyFS(dir, os.DirFS("testdata/format-1")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestRunOfAnEarlierVersionIsUpToDate(t *testing.T) {
	t.Parallel()
	dir := earlier(t)
	before := modified(t, filepath.Join(dir, "run"), "config.yaml", "ledger.json")
	for _, set := range []string{"seeds=[1]", "train.lr=0.003"} { // what is written out is no other configuration
		r := must(t, dir, "run", "config.yaml", "--set", set)
		if strings.Count(r.stderr, "up to date") != 4 {
			t.Errorf("--set %s: not all of an earlier version's run is up to date:\n%s", set, r.stderr)
		}
	}
	if diff := cmp.Diff(before, modified(t, filepath.Join(dir, "run"), "config.yaml", "ledger.json")); diff != "" {
		t.Errorf("an earlier version's run was written again:\n%s", diff)
	}
}

func TestRunOfAnEarlierVersionIsMadeAnewWhereTheConfigurationHasChanged(t *testing.T) {
	t.Parallel()
	for set, stages := range map[string]int{
		"loss.rkd_angle.weight=3": 1, "export.preprocess=false": 2,
		"eval.metrics=[nmi]": 3,
	} {
		r := must(t, earlier(t), "run", "config.yaml", "--set", set, "--overwrite")
		if got := strings.Count(r.stderr, "up to date"); got != stages {
			t.Errorf("--set %s: %d stages are up to date, expected %d\n%s", set, got, stages, r.stderr)
		}
	}
}

// Resizing gives other bytes than it gave earlier versions, so what was trained on resized samples is trained again.
func TestTrainingOfAnEarlierVersionOnResizedSamplesIsNotTakenOver(t *testing.T) {
	t.Parallel()
	dir := earlier(t)
	path := filepath.Join(dir, "run/student/seed-1", train.CheckpointFile)
	text := read(t, path)
	at := bytes.Index(text, []byte(`embedding_dim: 6`)) // the student's section
	if at < 0 {
		t.Fatal("the checkpoint has no embedding_dim")
	}
	resized := bytes.Replace(text[at:], []byte(`preprocess:\n`), []byte(`preprocess:\n        resize: [28, 28]\n`), 1)
	write(t, path, append(bytes.Clone(text[:at]), resized...))
	args := []string{"distill", "config.yaml", "--set", "student.preprocess={mean: [0.5], resize: [28, 28]}"}
	if r := rkd(t, dir, args...); r.code != exitMismatch || !strings.Contains(r.stderr, "gives other pixels") {
		t.Errorf("exit code %d, expected %d and the reason:\n%s", r.code, exitMismatch, r.stderr)
	}
	r := must(t, dir, append(args, "--overwrite")...)
	if !strings.Contains(r.stderr, "0 of 15 steps") {
		t.Errorf("the training does not start again:\n%s", r.stderr)
	}
}

// An interrupted training goes on from where the earlier version left it, and ends as one that was never interrupted.
func TestTrainingOfAnEarlierVersionIsResumed(t *testing.T) {
	t.Parallel()
	dir, whole := earlier(t), earlier(t)
	name := filepath.Join("run/student/seed-2", train.MetricsFile)
	first := read(t, filepath.Join(dir, name)) // of the epoch that the earlier version trained, with its times
	args := []string{"distill", "config.yaml", "--set", "seeds=[1,2]", "--seed", "2"}
	r := must(t, dir, args...)
	if !strings.Contains(r.stderr, "8 of 15 steps") {
		t.Errorf("the training does not go on after step 8:\n%s", r.stderr)
	}
	if !bytes.HasPrefix(read(t, filepath.Join(dir, name)), first) {
		t.Error("the figures of the first epoch are no longer those of the earlier version")
	}
	must(t, whole, args...)
	losses := func(dir string) (all []float64) {
		for line := range bytes.Lines(read(t, filepath.Join(dir, name))) {
			var m train.Metrics
			if err := json.Unmarshal(line, &m); err != nil {
				t.Fatal(err)
			}
			all = append(all, m.Loss)
		}
		return all
	}
	got, want := losses(dir), losses(whole)
	if len(got) != 3 || len(want) != 3 {
		t.Fatalf("losses are %v and %v, expected those of 3 epochs each", got, want)
	}
	for i := range want { // the same bytes on the machine that began; its kernels round otherwise than another's
		if math.Abs(got[i]-want[i]) > 1e-3*want[i] {
			t.Errorf("epoch %d: loss %g, expected %g", i+1, got[i], want[i])
		}
	}
	if r := must(t, dir, args...); !strings.Contains(r.stderr, "up to date") {
		t.Errorf("the training is not up to date afterwards:\n%s", r.stderr)
	}
}

// A checkpoint that cannot be taken over says which format it has.
func TestCheckpointOfAnotherFormatIsRefused(t *testing.T) {
	t.Parallel()
	for change, says := range map[[2]string]string{
		{`"format": 1`, `"format": 9`}:            "format 9, expected 1 to 2",
		{`embedding_dim: 6`, `embedding_size: 6`}: "format 1",
	} {
		dir := earlier(t)
		path := filepath.Join(dir, "run/student/seed-1", train.CheckpointFile)
		write(t, path, bytes.Replace(read(t, path), []byte(change[0]), []byte(change[1]), 1))
		r := rkd(t, dir, "distill", "config.yaml")
		if r.code != exitInput || !strings.Contains(r.stderr, says) || strings.Count(r.stderr, "\n") > 1 {
			t.Errorf("%q for %q: exit code %d, %s, expected %d and %q", change[1], change[0], r.code, r.stderr, exitInput, says)
		}
	}
}

// The keys of an export and of results made from a fixed run directory: where they change by accident, users' students
// are exported and measured again.
func TestKeysOfExportsAndResultsStay(t *testing.T) {
	t.Parallel()
	dir := earlier(t)
	file, model := filepath.Join(dir, "run", pipeline.ResultsFile), filepath.Join(dir, "run/student/seed-1/student.onnx")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	must(t, dir, "eval", "config.yaml") // of the student that the earlier version exported
	var res pipeline.Results
	if err := json.Unmarshal(read(t, file), &res); err != nil {
		t.Fatal(err)
	}
	if want := "49b64cd7b6d979fa87d5ef90b8902125b7cdce612a857ed78b171b260208d835"; res.Key != want {
		t.Errorf("the key of results is %s, expected %s", res.Key, want)
	}
	if err := os.Remove(model); err != nil {
		t.Fatal(err)
	}
	must(t, dir, "export", "config.yaml")
	m, err := onnx.Load(model)
	if err != nil {
		t.Fatal(err)
	}
	if key, want := m.Metadata()["rkd.export_key"],
		"96b4ca1b91418c1f59d69f939d888b298553d9c3076cb135dda73335eb67fd19"; key != want {
		t.Errorf("the key of an export is %s, expected %s", key, want)
	}
}
