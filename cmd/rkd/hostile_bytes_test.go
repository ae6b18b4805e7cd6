//go:build hostile

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"rkd/pipeline"
)

// flipped is a file that bytes are flipped of, and a command that reads it.
type flipped struct {
	file  string
	args  []string
	check func(t *testing.T, dir string, r result) // beside expectAnswer
}

// TestHostileBytes flips bytes of every kind of file that the program reads. It ends with a documented exit code and
// one sentence; where a checksum guards the file, it never takes it for whole and goes on with another result.
func TestHostileBytes(t *testing.T) {
	finished := workplace(t)
	must(t, finished, shortly("run")...)
	must(t, finished, "export", seed1, "--output", "exported.onnx")
	must(t, finished, shortly("run", "--set", "dir=planned", "--set", "cache.views=2",
		"--set", "data.augment.shift=1", "--set", "train.epochs=1")...)
	plan := append(shortly("precompute", "--set", "dir=tasks"), "--plan", "--tasks", "2")
	must(t, finished, plan...)
	for _, task := range []string{"0", "1"} {
		must(t, finished, "precompute", "tasks/cache/PLAN.json", "--task-index", task)
	}
	if err := os.CopyFS(filepath.Join(finished, "finalized"), os.DirFS(filepath.Join(finished, "tasks"))); err != nil {
		t.Fatal(err)
	}
	must(t, finished, "cache", "finalize", "finalized/cache")
	inputs(t, finished)
	must(t, finished, "embed", "models/mnist-teacher.onnx", "pictures", "--output", "embedding", "--preprocess",
		"{mean: [0.5]}", "--out", "found/vectors.parquet")
	for name, test := range files(t, finished) {
		t.Run(name, func(t *testing.T) { flip(t, finished, test) })
	}
}

// files lists the files, by what they are.
func files(t *testing.T, finished string) map[string]flipped {
	exported := string(read(t, filepath.Join(finished, "exported.onnx")))
	var want pipeline.Results
	if err := json.Unmarshal(read(t, filepath.Join(finished, "runs/sample/results.json")), &want); err != nil {
		t.Fatal(err)
	}
	checkpoint, err := filepath.Glob(filepath.Join(finished, seed1, "best-*.safetensors"))
	if err != nil || len(checkpoint) != 1 {
		t.Fatalf("weights are %v, %v", checkpoint, err)
	}
	last, err := filepath.Glob(filepath.Join(finished, seed1, "last-*.safetensors"))
	if err != nil || len(last) != 1 {
		t.Fatalf("last weights are %v, %v", last, err)
	}
	sameExport := func(t *testing.T, dir string, r result) {
		if r.code == exitDone && string(read(t, filepath.Join(dir, "out.onnx"))) != exported {
			t.Error("another student is exported")
		}
	}
	refused := func(t *testing.T, _ string, r result) {
		if r.code == exitDone {
			t.Errorf("taken for whole:\n%s%s", r.stdout, r.stderr)
		}
	}
	sameFigures := func(t *testing.T, _ string, r result) {
		var got pipeline.Results
		if r.code != exitDone {
			return
		}
		if err := json.Unmarshal([]byte(r.stdout), &got); err != nil {
			t.Fatal(err)
		}
		if measured(got) != measured(want) {
			t.Errorf("figures are %s, expected %s", measured(got), measured(want))
		}
	}
	verify := []string{"cache", "verify", "runs/sample/cache"}
	export := []string{"export", seed1, "--output", "out.onnx"}
	precompute := func(source string, more ...string) []string {
		return onSample(t, "precompute", append(more, "dir=new", "data.train="+source,
			"train.batch={kind: shuffled, size: 2}", "train.selection=0")...)
	}
	look := func(source string) []string {
		return []string{"data", "info", sampleConfig, "--set", "data.train=" + source, "--set", "data.test=" + source}
	}
	return map[string]flipped{
		"configuration": {"config.yaml", []string{"arch", "show", "config.yaml"}, nil},
		"shard":         {"runs/sample/cache/shard-00001-of-00004.parquet", verify, refused},
		"manifest":      {"runs/sample/cache/manifest.json", verify, refused},
		"plan": {"planned/cache/PLAN.json", []string{
			"precompute", "planned/cache/PLAN.json", "--task-index", "0",
		}, nil},
		"checkpoint.json": {seed1 + "/checkpoint.json", export, sameExport},
		"best weights":    {seed1 + "/" + filepath.Base(checkpoint[0]), export, refused},
		"last weights": {
			seed1 + "/" + filepath.Base(last[0]), shortly("distill", "--set", "train.epochs=3"),
			refused,
		},
		"metrics.jsonl": {seed1 + "/metrics.jsonl", shortly("distill"), func(t *testing.T, dir string, r result) {
			whole := read(t, filepath.Join(finished, seed1, "metrics.jsonl"))
			if r.code == exitDone && !bytes.Equal(read(t, filepath.Join(dir, seed1, "metrics.jsonl")), whole) {
				t.Error("damaged metrics stay")
			}
		}},
		"student.onnx":      {sampleStudent, shortly("eval"), refused},
		"results.json":      {"runs/sample/results.json", shortly("eval", "--json"), sameFigures},
		"run configuration": {"runs/sample/config.yaml", []string{"arch", "show", "runs/sample/config.yaml"}, nil},
		"JPEG": {"photographs/dogs/a.jpg", precompute("{source: folder, dir: photographs, classes: [dogs]}",
			"teacher.preprocess={resize: [28, 28], color: gray}"), nil},
		"PNG":         {"pictures/a/0.png", precompute("{source: folder, dir: pictures}"), nil},
		"GIF":         {"formats/a/x.gif", precompute("{source: folder, dir: formats}", small), nil},
		"WebP":        {"formats/a/x.webp", precompute("{source: folder, dir: formats}", small), nil},
		"BMP":         {"formats/a/x.bmp", precompute("{source: folder, dir: formats}", small), nil},
		"TIFF":        {"formats/a/x.tiff", precompute("{source: folder, dir: formats}", small), nil},
		"IDX":         {"images", precompute("{source: idx, images: images, labels: labels}"), nil},
		"IDX labels":  {"labels", precompute("{source: idx, images: images, labels: labels}"), nil},
		"NPY":         {"a.npy", []string{"compare", "a.npy", "b.npy", "--quiet"}, nil},
		"teacher":     {"teacher.onnx", onSample(t, "precompute", "dir=new", "teacher.model=teacher.onnx"), nil},
		"a new model": {"teacher.onnx", []string{"inspect", "teacher.onnx"}, nil},
		"WebDataset":  {"data/wds.tar", look("{source: webdataset, files: data/wds.tar}"), nil},
		"Parquet of pictures": {
			"hub/data/train-00000-of-00002.parquet", look("{source: parquet, dir: hub, split: train}"),
			nil,
		},
		"CSV":                {"csv/labels.csv", look("{source: csv, files: csv/labels.csv}"), nil},
		"NPZ":                {"data/vectors.npz", look("{source: vectors, files: data/vectors.npz}"), nil},
		"Parquet of vectors": {"data/vectors.parquet", look("{source: vectors, files: data/vectors.parquet}"), nil},
		"embedded pictures": {
			"found/vectors.parquet", []string{"search", "found/vectors.parquet", "a/0.png", "-k", "2"}, nil,
		},
		"record of a task": {
			"tasks/cache/task-00000-of-00002.done",
			[]string{"cache", "finalize", "tasks/cache"},
			func(t *testing.T, dir string, r result) {
				whole := read(t, filepath.Join(finished, "finalized/cache/manifest.json"))
				if r.code == exitDone && !bytes.Equal(read(t, filepath.Join(dir, "tasks/cache/manifest.json")), whole) {
					t.Error("another manifest is written")
				}
			},
		},
		"student's start": {"teacher.onnx", []string{
			"arch", "show", sampleConfig, "--set",
			"student={arch: {onnx: teacher.onnx}, embedding_dim: 8}",
		}, nil},
	}
}

// small is preprocessing that any picture fits.
const small = "teacher.preprocess={resize: [28, 28], color: gray}"

// flip flips bytes of one file, in copies of a finished run directory. The program runs in this process, so that one
// that crashes ends the campaign; one that does not end within a minute fails.
func flip(t *testing.T, finished string, test flipped) {
	r := chance(t)
	dir := workplace(t)
	for _, folder := range []string{"runs", "planned", "tasks", "found"} {
		if err := os.CopyFS(filepath.Join(dir, folder), os.DirFS(filepath.Join(finished, folder))); err != nil {
			t.Fatal(err)
		}
	}
	inputs(t, dir)
	t.Chdir(dir)
	whole := read(t, test.file)
	kept := bytesOf(t, filepath.Dir(test.file))
	codes := map[int]int{}
	slowest := time.Duration(0)
	for range rounds(t, 500) {
		data := bytes.Clone(whole)
		at, by := r.IntN(len(data)), byte(1+r.IntN(255))
		data[at] ^= by
		write(t, test.file, data)
		_ = os.Remove("out.onnx")
		_ = os.RemoveAll("new")
		begun := time.Now()
		answer := inProcess(t, test.args)
		slowest = max(slowest, time.Since(begun))
		what := fmt.Sprintf("byte %d of %s xor %#02x", at, test.file, by)
		before := t.Failed()
		expectAnswer(t, what, answer)
		if test.check != nil {
			test.check(t, dir, answer)
		}
		if t.Failed() && !before {
			t.Logf("%s: exit code %d, %s", what, answer.code, answer.stderr)
		}
		codes[answer.code]++
		for path, content := range kept { // what the command has repaired or replaced beside it, too
			write(t, path, []byte(content))
		}
		beside, err := os.ReadDir(filepath.Dir(test.file))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range beside { // and what it has written
			path := filepath.Join(filepath.Dir(test.file), e.Name())
			if _, ours := kept[path]; !ours && !e.IsDir() && filepath.Dir(test.file) != "." {
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	t.Logf("exit codes of %d flips: %v; the slowest took %v", rounds(t, 500), codes, slowest.Round(time.Millisecond))
}

// inProcess runs the program in this process.
func inProcess(t *testing.T, args []string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var stdout, stderr bytes.Buffer
	code := run(ctx, append([]string{"rkd"}, args...), &stdout, &stderr)
	if ctx.Err() != nil {
		t.Errorf("%v does not end within a minute", args)
	}
	return result{stdout: stdout.String(), stderr: stderr.String(), code: code}
}

// inputs writes a file of each kind that a configuration can name.
func inputs(t *testing.T, dir string) {
	t.Helper()
	photographs(t, dir)
	if err := os.Remove(filepath.Join(dir, "photographs/dogs/broken.jpg")); err != nil {
		t.Fatal(err)
	}
	mkdir(t, filepath.Join(dir, "pictures/a"))
	for i := range 4 {
		write(t, filepath.Join(dir, fmt.Sprintf("pictures/a/%d.png", i)), grayPNG(28, 28, make([]byte, 28*29)))
	}
	mkdir(t, filepath.Join(dir, "formats/a"))
	for _, name := range []string{"gif", "webp", "bmp", "tiff"} {
		found, err := filepath.Glob(filepath.Join(repository, "datasets/testdata/formats/*."+name))
		if err != nil || len(found) == 0 {
			t.Fatalf("no %s in the test data of datasets: %v", name, err)
		}
		write(t, filepath.Join(dir, "formats/a/x."+name), read(t, found[0]))
	}
	write(t, filepath.Join(dir, "images"), idx(t, 8, 8*28*28, 8, 28, 28))
	write(t, filepath.Join(dir, "labels"), idx(t, 8, 8, 8))
	for _, name := range []string{"a.npy", "b.npy"} {
		write(t, filepath.Join(dir, name), read(t, filepath.Join(repository, "datasets/testdata/c_little_f4.npy")))
	}
	for _, folder := range []string{"hub", "csv"} {
		if err := os.CopyFS(filepath.Join(dir, folder), os.DirFS(filepath.Join(sources(t), folder))); err != nil {
			t.Fatal(err)
		}
	}
	mkdir(t, filepath.Join(dir, "data"))
	for name, of := range map[string]string{
		"wds.tar": "wds-000000.tar", "vectors.npz": "vectors.npz", "vectors.parquet": "vectors.parquet",
	} {
		write(t, filepath.Join(dir, "data", name), read(t, filepath.Join(sources(t), of)))
	}
	write(t, filepath.Join(dir, "config.yaml"), read(t, filepath.Join(dir, sampleConfig)))
	write(t, filepath.Join(dir, "teacher.onnx"), read(t, filepath.Join(dir, "models/mnist-teacher.onnx")))
}
