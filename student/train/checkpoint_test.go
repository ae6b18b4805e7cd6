package train_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rkd/student/engine"
	"rkd/student/train"
)

// tensorFiles reads the weights that a training left: every safetensors file by name.
func tensorFiles(t *testing.T, dir string) map[string]string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, p := range paths {
		data, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(p)] = string(data)
	}
	return files
}

func TestStoppedTrainingEndsWithTheSameBytes(t *testing.T) {
	for kind := range engines {
		t.Run(kind, func(t *testing.T) { stopAnywhere(t, kind) })
	}
}

func stopAnywhere(t *testing.T, kind string) {
	undisturbed := t.TempDir()
	c, err := train.Run(t.Context(), newJobOn(t, undisturbed, kind))
	if err != nil {
		t.Fatal(err)
	}
	want := tensorFiles(t, undisturbed)
	if !c.Done || c.Step != 10 || len(c.Epochs) != 2 || len(want) != 2 {
		t.Fatalf("undisturbed training ends at step %d with %d epochs and %d files", c.Step, len(c.Epochs), len(want))
	}
	for name, file := range want {
		if last := strings.HasPrefix(name, "last"); !strings.Contains(file, `"regression.weight"`) ||
			last != strings.Contains(file, `"optimizer.exp_avg.regression.weight"`) {
			t.Errorf("%s does not hold what the loss learns, or its moments where they belong", name)
		}
	}
	for stop := 1; stop < 10; stop++ {
		dir := t.TempDir()
		ctx, cancel := context.WithCancel(t.Context())
		job := newJobOn(t, dir, kind)
		job.Observer = &observer{after: func(step int) {
			if step == stop {
				cancel()
			}
		}}
		if _, err := train.Run(ctx, job); !errors.Is(err, context.Canceled) ||
			!strings.Contains(err.Error(), "checkpoint in") {
			t.Fatalf("stopped after step %d: %v", stop, err)
		}
		again := newJobOn(t, dir, kind)
		seen := new(observer)
		again.Observer = seen
		if _, err := train.Run(t.Context(), again); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, tensorFiles(t, dir)); diff != "" {
			t.Errorf("stopped after step %d, the weights differ", stop)
		}
	}
}

// A killed process leaves whatever files it had; training goes on from the last checkpoint that is whole.
func TestKilledTrainingEndsWithTheSameBytes(t *testing.T) {
	undisturbed := t.TempDir()
	if _, err := train.Run(t.Context(), newJob(t, undisturbed)); err != nil {
		t.Fatal(err)
	}
	killed := t.TempDir()
	job := newJob(t, killed)
	snapshot := t.TempDir()
	job.Observer = &observer{after: func(step int) {
		if step == 5 { // the folder as it is between checkpoint 4 and the end of the epoch
			if err := os.CopyFS(snapshot, os.DirFS(killed)); err != nil {
				t.Error(err)
			}
		}
	}}
	if _, err := train.Run(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{".last-00000005.safetensors123", "last-00000005.safetensors", ".checkpoint.json77"} {
		if err := os.WriteFile(filepath.Join(snapshot, name), []byte("cut sho"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := train.Run(t.Context(), newJob(t, snapshot)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(tensorFiles(t, undisturbed), tensorFiles(t, snapshot)); diff != "" {
		t.Error("weights after kill and resume differ")
	}
	left, err := filepath.Glob(filepath.Join(snapshot, ".*"))
	if err != nil || len(left) > 0 {
		t.Errorf("temporaries %v are left (%v)", left, err)
	}
}

func TestCheckpointThatCannotBeUsed(t *testing.T) {
	trained := t.TempDir()
	if _, err := train.Run(t.Context(), newJob(t, trained)); err != nil {
		t.Fatal(err)
	}
	damage := map[string]func(dir string) error{
		"JSON cut short": func(dir string) error {
			return os.Truncate(filepath.Join(dir, train.CheckpointFile), 100)
		},
		"weights missing": func(dir string) error {
			return os.Remove(filepath.Join(dir, "last-00000010.safetensors"))
		},
		"a flipped byte": func(dir string) error {
			path := filepath.Join(dir, "last-00000010.safetensors")
			data, err := os.ReadFile(path)
			if err == nil {
				data[len(data)/2] ^= 1
				err = os.WriteFile(path, data, 0o644)
			}
			return err
		},
	}
	for name, do := range damage {
		dir := t.TempDir()
		if err := os.CopyFS(filepath.Join(dir, "c"), os.DirFS(trained)); err != nil {
			t.Fatal(err)
		}
		dir = filepath.Join(dir, "c")
		if err := do(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := train.Run(t.Context(), newJob(t, dir)); !errors.Is(err, train.ErrCheckpoint) ||
			!strings.Contains(err.Error(), dir) {
			t.Errorf("%s: error is %v, expected ErrCheckpoint that names the folder", name, err)
		}
	}
	other := newJob(t, trained)
	other.Key = "other"
	if _, err := train.Run(t.Context(), other); !errors.Is(err, train.ErrCheckpoint) {
		t.Errorf("a checkpoint of another key gives %v, expected ErrCheckpoint", err)
	}
	if _, err := train.ReadCheckpoint(t.TempDir()); !errors.Is(err, train.ErrNoCheckpoint) {
		t.Errorf("an empty folder gives %v, expected ErrNoCheckpoint", err)
	}
}

func TestWithoutResumeTrainingStartsAgain(t *testing.T) {
	dir := t.TempDir()
	if _, err := train.Run(t.Context(), newJob(t, dir)); err != nil {
		t.Fatal(err)
	}
	job := newJob(t, dir)
	job.Resume = false
	o := new(observer)
	job.Observer = o
	c, err := train.Run(t.Context(), job)
	if err != nil || len(c.Epochs) != 2 || o.step != 10 {
		t.Errorf("%d steps and %d epochs (%v), expected 10 and 2", o.step, len(c.Epochs), err)
	}
}

func TestCheckpointKnowsOtherInstructions(t *testing.T) {
	for _, c := range []struct {
		before []string
		want   string
	}{
		{nil, ""},
		{[]string{engine.Instructions()}, ""},
		{[]string{"other"}, "other"},
		{[]string{"other", engine.Instructions()}, ""},
	} {
		if got := (&train.Checkpoint{Instructions: c.before}).Elsewhere(); got != c.want {
			t.Errorf("after %q: %q, expected %q", c.before, got, c.want)
		}
	}
}
