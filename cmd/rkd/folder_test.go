package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"rkd/pipeline"
	"rkd/pipeline/lock"
	"rkd/student/train"
)

// short is a training of the sample data that takes a moment.
var short = []string{
	"--set", "train.epochs=2", "--set", "train.steps_per_epoch=5", "--set", "train.checkpoint_steps=2", "--set",
	"eval.metrics=[recall@1]",
}

func shortly(command string, more ...string) []string {
	return append(append([]string{command, sampleConfig}, short...), more...)
}

const seed1 = "runs/sample/student/seed-1"

// bytesOf reads every file below a folder.
func bytesOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			files[path] = string(read(t, path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestAHeldRunDirectoryIsRefusedOrWaitedFor(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	l, err := lock.Hold(filepath.Join(dir, "runs/sample"), lock.Exclusive)
	if err != nil {
		t.Fatal(err)
	}
	must(t, dir, shortly("precompute")...) // a cache is anybody's to fill
	for _, command := range []string{"run", "distill"} {
		r := rkd(t, dir, shortly(command)...)
		if r.code != exitHeld || !strings.Contains(r.stderr, "held by another process") ||
			!strings.Contains(r.stderr, "runs/sample") {
			t.Errorf("%s: exit code %d, expected %d and a sentence:\n%s", command, r.code, exitHeld, r.stderr)
		}
	}
	waiting := program(t, dir, shortly("run", "--wait")...)
	var stderr bytes.Buffer
	waiting.Stderr = &stderr
	if err := waiting.Start(); err != nil {
		t.Fatal(err)
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	if err := waiting.Wait(); err != nil {
		t.Errorf("the one that waited: %v\n%s", err, stderr.String())
	}
}

func TestPairsOnOneRunDirectory(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	must(t, dir, shortly("precompute")...)
	rates := []string{"1e-3", "2e-3"}
	results := make([]result, len(rates))
	var group sync.WaitGroup
	for i, rate := range rates {
		c := program(t, dir, shortly("run", "--set", "train.lr="+rate)...)
		group.Go(func() { results[i] = finish(t, c) })
	}
	group.Wait()
	done := 0
	for i, r := range results {
		switch r.code {
		case exitDone:
			done++
			if config := string(read(t, filepath.Join(dir, "runs/sample/config.yaml"))); !strings.Contains(config,
				"lr: 0.00"+rates[i][:1]) {
				t.Errorf("learning rate %s exits with 0, but the run directory is another's", rates[i])
			}
		case exitHeld, exitMismatch: // the other one is at it, or has finished
		default:
			t.Errorf("learning rate %s: exit code %d\n%s", rates[i], r.code, r.stderr)
		}
	}
	if done != 1 {
		t.Errorf("%d of two runs are done, expected one", done)
	}
}

func TestAFinishedStudentStays(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	must(t, dir, shortly("run")...)
	before := bytesOf(t, filepath.Join(dir, "runs"))
	same := func(after string) {
		t.Helper()
		for path, content := range bytesOf(t, filepath.Join(dir, "runs")) {
			if before[path] != content {
				t.Errorf("%s: %s has changed", after, path)
			}
		}
	}
	for _, command := range []string{"distill", "run", "export", "eval"} {
		r := rkd(t, dir, shortly(command, "--set", "train.lr=2e-3", "--set", "student.embedding_dim=5")...)
		for _, says := range []string{"train.lr is 0.002, was 0.003", "student.embedding_dim is 5, was"} {
			if r.code != exitMismatch || !strings.Contains(r.stderr, says) {
				t.Errorf("%s: exit code %d, expected %d and %q:\n%s", command, r.code, exitMismatch, says, r.stderr)
			}
		}
		same(command)
	}
	if r := rkd(t, dir, shortly("distill", "--set", "train.lr=2e-3")...); !strings.Contains(r.stderr, "--overwrite") {
		t.Errorf("the ways out are not named:\n%s", r.stderr)
	}
	must(t, dir, shortly("run", "--set", "train.lr=2e-3", "--overwrite")...)
	if string(read(t, filepath.Join(dir, seed1, train.CheckpointFile))) ==
		before[filepath.Join(dir, seed1, train.CheckpointFile)] {
		t.Error("--overwrite has changed nothing")
	}
}

func TestMoreEpochsGoOn(t *testing.T) {
	t.Parallel()
	dir, whole := workplace(t), workplace(t)
	must(t, dir, shortly("run")...)
	longer := shortly("distill", "--set", "train.epochs=4")
	if r := must(t, dir, longer...); !strings.Contains(r.stderr, "10 of 20 steps") {
		t.Errorf("the training does not go on after step 10:\n%s", r.stderr)
	}
	must(t, whole, shortly("precompute")...)
	must(t, whole, longer...)
	checkpoint := func(dir string) *train.Checkpoint {
		c, err := train.ReadCheckpoint(filepath.Join(dir, seed1))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if got, want := checkpoint(dir), checkpoint(whole); got.Last.SHA256 != want.Last.SHA256 || got.Key != want.Key {
		t.Error("the weights differ from those of one long training")
	}
	r := rkd(t, dir, shortly("distill", "--set", "train.epochs=6", "--set", "train.schedule={kind: cosine}")...)
	if r.code != exitMismatch {
		t.Errorf("another schedule: exit code %d, expected %d", r.code, exitMismatch)
	}
	cosine := []string{
		"--set", "train.schedule={kind: cosine}", "--set", "dir=runs/cosine", "--set",
		"cache.dir=runs/sample/cache",
	}
	must(t, dir, shortly("distill", cosine...)...)
	r = rkd(t, dir, shortly("distill", append(cosine, "--set", "train.epochs=4")...)...)
	if r.code != exitMismatch || !strings.Contains(r.stderr, "schedule cosine spreads over all epochs") {
		t.Errorf("exit code %d, expected %d and why:\n%s", r.code, exitMismatch, r.stderr)
	}
}

func TestOtherPeoplesFilesStayAndLeftoversGo(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	must(t, dir, shortly("run")...)
	folder := filepath.Join(dir, seed1)
	kept := []string{"pretrained.safetensors", ".last-notes", "best-of-all.safetensors", ".student.onnx.unverified.bak"}
	swept := []string{
		".checkpoint.json123", ".metrics.jsonl7", ".last-00000010.safetensors55",
		"..student.onnx.unverified12", ".student.onnx.unverified", ".student_int8.json4",
	}
	for _, name := range append(append([]string{}, kept...), swept...) {
		write(t, filepath.Join(folder, name), []byte("x"))
	}
	for _, name := range []string{".config.yaml99", ".results.json1", ".measured.json2", ".ledger.json3"} {
		write(t, filepath.Join(dir, "runs/sample", name), []byte("x"))
		swept = append(swept, filepath.Join("../..", name))
	}
	must(t, dir, shortly("run", "--restart")...)
	for _, name := range kept {
		if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
			t.Errorf("%s is not rkd's, but gone: %v", name, err)
		}
	}
	for _, name := range swept {
		if _, err := os.Stat(filepath.Join(folder, name)); err == nil {
			t.Errorf("%s is left behind", name)
		}
	}
}

// Precomputing holds no run directory, and sweeps up its ledger all the same where nobody works there.
func TestPrecomputeSweepsItsLedger(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	must(t, dir, shortly("precompute")...)
	left := filepath.Join(dir, "runs/sample/.ledger.json17")
	write(t, left, []byte("x"))
	must(t, dir, shortly("precompute")...)
	if _, err := os.Stat(left); err == nil {
		t.Error("a leftover of the ledger stays")
	}
}

func TestDamageIsSeen(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	must(t, dir, shortly("run")...)
	model := filepath.Join(dir, seed1, "student.onnx")
	good := read(t, model)
	bad := bytes.Clone(good)
	bad[len(bad)/2] ^= 0x10
	write(t, model, bad)
	if r := rkd(t, dir, shortly("eval")...); r.code != exitInput || !strings.Contains(r.stderr, "student.onnx") {
		t.Errorf("eval of a damaged export: exit code %d, expected %d:\n%s", r.code, exitInput, r.stderr)
	}
	must(t, dir, shortly("export")...)
	if !bytes.Equal(read(t, model), good) {
		t.Error("export has not made the damaged file again")
	}
	checkpoint := filepath.Join(dir, seed1, train.CheckpointFile)
	text := read(t, checkpoint)
	write(t, checkpoint, bytes.Replace(text, []byte(`"step": 10`), []byte(`"step": 12`), 1))
	if r := rkd(t, dir, shortly("distill")...); r.code != exitInput || !strings.Contains(r.stderr, "checksum") {
		t.Errorf("an edited step: exit code %d, expected %d:\n%s", r.code, exitInput, r.stderr)
	}
	write(t, checkpoint, text)
	metrics := filepath.Join(dir, seed1, train.MetricsFile)
	lines := read(t, metrics)
	write(t, metrics, lines[:len(lines)/2])
	must(t, dir, shortly("distill")...)
	if !bytes.Equal(read(t, metrics), lines) {
		t.Error("metrics.jsonl does not follow from the checkpoint")
	}
	results := filepath.Join(dir, "runs/sample", pipeline.ResultsFile)
	edited := bytes.Replace(read(t, results), []byte(`"samples": `), []byte(`"samples": 1`), 1)
	write(t, results, edited)
	if r := must(t, dir, shortly("run")...); strings.Contains(r.stderr, "evaluate: up to date") {
		t.Error("edited results are up to date")
	}
}
