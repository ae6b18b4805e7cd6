package main

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"image"
	"image/jpeg"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"rkd/models/onnx"
)

// Every bad input is answered with one sentence that says what is wrong, the right exit code, and nothing half-written.
func TestBadInput(t *testing.T) {
	precompute := func(set ...string) []string { return onSample(t, "precompute", set...) }
	tests := map[string]struct {
		prepare func(t *testing.T, dir string)
		args    []string
		code    int
		says    []string
	}{
		"missing ONNX file": {
			args: precompute("teacher.model=no.onnx"), code: exitInput, says: []string{"no.onnx", "no such file"},
		},
		"truncated ONNX file": {
			prepare: func(t *testing.T, dir string) {
				data := read(t, filepath.Join(dir, "models", "mnist-teacher.onnx"))
				write(t, filepath.Join(dir, "cut.onnx"), data[:len(data)/2])
			},
			args: precompute("teacher.model=cut.onnx"), code: exitInput, says: []string{"cut.onnx"},
		},
		"empty ONNX file": {
			prepare: func(t *testing.T, dir string) { write(t, filepath.Join(dir, "empty.onnx"), nil) },
			args:    precompute("teacher.model=empty.onnx"), code: exitInput, says: []string{"empty.onnx"},
		},
		"named pipe as ONNX file": {
			prepare: func(t *testing.T, dir string) { pipe(t, filepath.Join(dir, "pipe.onnx")) },
			args:    precompute("teacher.model=pipe.onnx"), code: exitInput, says: []string{"pipe.onnx", "is a named pipe"},
		},
		"device as labels": {
			args: precompute("data.train={source: idx, images: models/mnist-teacher.onnx, labels: /dev/zero}"), code: exitInput,
			says: []string{"/dev/zero", "is a device"},
		},
		"named pipe as a folder of images": {
			prepare: func(t *testing.T, dir string) { pipe(t, filepath.Join(dir, "images")) },
			args:    precompute("data.train={source: folder, dir: images}"), code: exitInput,
			says: []string{"images", "no folder"},
		},
		"class that is not UTF-8": {
			prepare: func(t *testing.T, dir string) { photograph(t, filepath.Join(dir, "images", "caf\xe9", "1.png"), 28) },
			args:    precompute("data.train={source: folder, dir: images}"), code: exitInput,
			says: []string{`"caf\xe9"`, "not UTF-8"},
		},
		"picture beyond the limit": {
			prepare: func(t *testing.T, dir string) { photograph(t, filepath.Join(dir, "images", "a", "1.png"), 28) },
			args:    precompute("data.train={source: folder, dir: images}", "data.max_pixels=783"), code: exitInput,
			says: []string{"1.png", "28 × 28 pixels, expected 1 to 783 (data.max_pixels)"},
		},
		"memory that is no number": {
			args: precompute("data.decode_memory=plenty"), code: exitUsage,
			says: []string{"data.decode_memory", `"plenty"`, "MiB"},
		},
		"input shape does not fit the sample": {
			args: precompute("teacher.preprocess.resize=32"), code: exitInput, says: []string{"28", "32"},
		},
		"unknown output name": {
			args: precompute("teacher.output=embeding"), code: exitUsage, says: []string{`"embeding"`, `"embedding"`},
		},
		"unknown input name": {
			args: precompute("teacher.input=pixels"), code: exitUsage, says: []string{`"pixels"`, "input"},
		},
		"text file as IDX": {
			prepare: func(t *testing.T, dir string) {
				write(t, filepath.Join(dir, "images"), []byte("these are no images\n"))
				write(t, filepath.Join(dir, "labels"), idx(t, 3, 3))
			},
			args: precompute("data.train={source: idx, images: images, labels: labels}"), code: exitInput,
			says: []string{"images", "IDX"},
		},
		"IDX with a wrong count": {
			prepare: func(t *testing.T, dir string) {
				write(t, filepath.Join(dir, "images"), idx(t, 4, 3, 2, 2))
				write(t, filepath.Join(dir, "labels"), idx(t, 3, 3))
			},
			args: precompute("data.train={source: idx, images: images, labels: labels}"), code: exitInput,
			says: []string{"images", "4"},
		},
		"images and labels of different lengths": {
			prepare: func(t *testing.T, dir string) {
				write(t, filepath.Join(dir, "images"), idx(t, 4, 4, 2, 2))
				write(t, filepath.Join(dir, "labels"), idx(t, 3, 3))
			},
			args: precompute("data.train={source: idx, images: images, labels: labels}"), code: exitInput,
			says: []string{"labels", "4", "3"},
		},
		"truncated gzip": {
			prepare: func(t *testing.T, dir string) {
				var b bytes.Buffer
				w := gzip.NewWriter(&b)
				_, _ = w.Write(idx(t, 40, 40, 9, 9))
				_ = w.Close()
				write(t, filepath.Join(dir, "images"), b.Bytes()[:b.Len()-20])
				write(t, filepath.Join(dir, "labels"), idx(t, 40, 40))
			},
			args: precompute("data.train={source: idx, images: images, labels: labels}"), code: exitInput,
			says: []string{"images"},
		},
		"broken JPEG in a folder": {
			prepare: photographs,
			args: precompute("data.train={source: folder, dir: photographs}",
				"teacher.preprocess={resize: [28, 28], color: gray}"),
			code: exitInput, says: []string{"broken.jpg"},
		},
		"folder without images": {
			prepare: func(t *testing.T, dir string) { mkdir(t, filepath.Join(dir, "nothing")) },
			args:    precompute("data.train={source: folder, dir: nothing}"), code: exitInput,
			says: []string{"nothing", "image"},
		},
		"unknown class": {
			args: precompute("data.train.classes=[0, cat]"), code: exitUsage, says: []string{"cat"},
		},
		"unknown source": {
			args: precompute("data.train.source=imagenet"), code: exitUsage, says: []string{"data.train", `"imagenet"`, "mnist"},
		},
		"unknown configuration key": {
			args: precompute("student.embeding_dim=3"), code: exitUsage,
			says: []string{"examples/sample.yaml", `"student.embeding_dim"`, `"embedding_dim"`},
		},
		"value of the wrong kind": {
			args: precompute("train.epochs=many"), code: exitUsage, says: []string{"train.epochs", `"many"`, "whole number"},
		},
		"weights all zero": {
			args: precompute("loss={rkd_distance: 0}"), code: exitUsage, says: []string{"loss", "all weights are 0"},
		},
		"configuration file missing": {
			args: []string{"run", "none.yaml"}, code: exitUsage, says: []string{"none.yaml"},
		},
		"unknown command": {args: []string{"destil"}, code: exitUsage, says: []string{`"destil"`}},
		"unknown flag":    {args: []string{"run", sampleConfig, "--fast"}, code: exitUsage, says: []string{"fast"}},
		"no argument":     {args: []string{"run"}, code: exitUsage, says: []string{"CONFIG"}},
		"NaN in the teacher's output": {
			prepare: nanTeacher,
			args:    precompute("teacher.model=nan.onnx", "teacher.normalize=none"), code: exitInput,
			says: []string{"sample ", "sample/train"},
		},
		"cache of another teacher": {
			prepare: precomputed,
			args:    precompute("teacher.normalize=none"), code: exitMismatch, says: []string{"normalize", "l2", "none"},
		},
		"cache of another data set": {
			prepare: precomputed,
			args:    onSample(t, "distill", "data.train.limit=100"), code: exitMismatch, says: []string{"dataset"},
		},
		"shard with one flipped byte": {
			prepare: func(t *testing.T, dir string) {
				precomputed(t, dir)
				path := shard(t, dir, 1)
				data := read(t, path)
				data[len(data)/2] ^= 4
				write(t, path, data)
			},
			args: onSample(t, "distill"), code: exitInput, says: []string{"shard-00001"},
		},
		"missing shard": {
			prepare: func(t *testing.T, dir string) {
				precomputed(t, dir)
				if err := os.Remove(shard(t, dir, 2)); err != nil {
					t.Fatal(err)
				}
			},
			args: onSample(t, "distill"), code: exitInput, says: []string{"shard-00002"},
		},
		"manifest cut short": {
			prepare: func(t *testing.T, dir string) {
				precomputed(t, dir)
				if err := os.Truncate(filepath.Join(dir, "runs/sample/cache/manifest.json"), 200); err != nil {
					t.Fatal(err)
				}
			},
			args: onSample(t, "distill"), code: exitInput, says: []string{"manifest.json"},
		},
		"no cache": {
			args: onSample(t, "distill"), code: exitInput, says: []string{"runs/sample/cache"},
		},
		"NaN loss": {
			prepare: precomputed,
			args:    onSample(t, "distill", "train.lr=1e30"), code: exitFailed, says: []string{"diverged", "step", "checkpoint"},
		},
		"class with fewer samples than K": {
			prepare: precomputed,
			args:    onSample(t, "distill", "train.batch.per_class=60"), code: exitUsage, says: []string{"60", "class"},
		},
		"regression onto a wider teacher without a projection": {
			prepare: precomputed,
			args:    onSample(t, "distill", "loss={regression: {weight: 1, project: false}}"), code: exitUsage,
			says: []string{"loss.regression", "16", "128"},
		},
		"HKD without logits": {
			args: onSample(t, "distill", "loss={hkd: 16}"), code: exitUsage, says: []string{"loss.hkd", "teacher.logits"},
		},
		"HKD on logits of other classes": {
			prepare: func(t *testing.T, dir string) { must(t, dir, precompute("teacher.logits=embedding_raw")...) },
			args: onSample(t, "distill", "loss={hkd: 16, task: {kind: cross_entropy, weight: 1}}",
				"teacher.logits=embedding_raw"), code: exitUsage,
			says: []string{"loss.hkd", "10", "128"},
		},
		"batch larger than the data": {
			prepare: precomputed,
			args:    onSample(t, "distill", "train.batch={kind: shuffled, size: 300}"), code: exitUsage,
			says: []string{"size is 300", "225"},
		},
		"episodes with more ways than classes": {
			prepare: precomputed,
			args:    onSample(t, "distill", "train.batch={kind: episodes, ways: 6}"), code: exitUsage,
			says: []string{"6 classes", "5"},
		},
		"shuffled batches of one class for a triplet": {
			prepare: precomputed,
			args: onSample(t, "distill", "loss={task: {weight: 1}}",
				"train={batch: {kind: shuffled, size: 2}, epochs: 1, steps_per_epoch: 50}"),
			code: exitUsage, says: []string{"step", "samples ["},
		},
		"students whose rows are all alike": {
			prepare: precomputed,
			args: onSample(t, "distill",
				"student.arch={layers: [{kind: conv, out: 2, kernel: 28}, {kind: batch_norm}, {kind: relu}, {kind: "+
					"global_max_pool}]}",
				"student.preprocess={scale: 1e-30}"),
			code: exitInput, says: []string{"step 1", "samples [", "identical"},
		},
		"more nearest neighbours than samples": {
			prepare: func(t *testing.T, dir string) { must(t, dir, "run", sampleConfig) },
			args:    []string{"eval", sampleConfig, "--set", "eval.metrics=[knn@150]"}, code: exitInput,
			says: []string{"150", "149"},
		},
		"episodes with more samples than a class has": {
			prepare: func(t *testing.T, dir string) { must(t, dir, "run", sampleConfig) },
			args:    []string{"eval", sampleConfig, "--set", "eval.metrics=[5-way-20-shot]"}, code: exitInput,
			says: []string{"5-way-20-shot", "30 samples", "20 shots"},
		},
		"student from a file that is missing": {
			prepare: precomputed,
			args:    onSample(t, "distill", "student.arch={onnx: none.onnx}"), code: exitInput,
			says: []string{"student.arch.onnx", "none.onnx"},
		},
		"student from a tensor that is not there": {
			prepare: precomputed,
			args:    onSample(t, "distill", "student.arch={onnx: models/mnist-teacher.onnx, output: embeding}"), code: exitUsage,
			says: []string{`"embeding"`, "embedding"},
		},
		"student from an empty file": {
			prepare: func(t *testing.T, dir string) {
				precomputed(t, dir)
				write(t, filepath.Join(dir, "empty.onnx"), nil)
			},
			args: onSample(t, "distill", "student.arch={onnx: empty.onnx}"), code: exitInput,
			says: []string{"student.arch.onnx", "empty.onnx"},
		},
		"student with an operator that cannot be trained": {
			prepare: func(t *testing.T, dir string) {
				precomputed(t, dir)
				b := onnx.NewBuilder("untrainable", 17)
				b.Rename(b.Node("Cos", []string{b.Input("x", onnx.Float32, "N", 1, 28, 28)}), "y")
				b.Output("y", onnx.Float32)
				m, err := b.Model("rkd", "test")
				if err == nil {
					err = m.Save(filepath.Join(dir, "cos.onnx"))
				}
				if err != nil {
					t.Fatal(err)
				}
			},
			args: onSample(t, "distill", "student.arch={onnx: cos.onnx}"), code: exitInput,
			says: []string{"Cos", "not supported", "Conv"},
		},
		"nothing to freeze": {
			prepare: precomputed,
			args: onSample(t, "distill",
				"student={arch: {onnx: models/mnist-teacher.onnx, output: embedding_raw}, embedding_dim: 8, freeze: [layer9]}"),
			code: exitUsage, says: []string{`"layer9"`},
		},
		"freezing a student of layers": {
			args: onSample(t, "distill", "student.freeze=[a]"), code: exitUsage, says: []string{"student.freeze", "onnx"},
		},
		"unknown engine": {
			args: []string{"distill", sampleConfig, "--engine", "torch"}, code: exitUsage,
			says: []string{"engine", `"torch"`, "onnxruntime", "gorgonia"},
		},
		"provider that the library lacks": {
			prepare: precomputed,
			args:    []string{"distill", sampleConfig, "--provider", "abacus"}, code: exitUsage,
			says: []string{`"abacus"`, "cpu"},
		},
		"provider of an engine that has none": {
			args: []string{"distill", sampleConfig, "--engine", "gorgonia", "--provider", "cuda"}, code: exitUsage,
			says: []string{"provider", "onnxruntime", "gorgonia"},
		},
		"option of a provider that takes none": {
			prepare: precomputed,
			args:    []string{"distill", sampleConfig, "--provider-option", "device_id=0"}, code: exitUsage,
			says: []string{`"cpu"`, "no options"},
		},
		"crop of the student larger than its image": {
			prepare: precomputed,
			args:    onSample(t, "distill", "student.preprocess.crop=64"), code: exitUsage,
			says: []string{"student.preprocess", "crop is 64 × 64", "28 × 28"},
		},
		"crop of the teacher larger than its image": {
			args: precompute("teacher.preprocess.crop=64"), code: exitUsage, says: []string{"crop is 64 × 64", "28 × 28"},
		},
		"cache folder that is a file": {
			args: precompute("cache.dir=examples/sample.yaml"), code: exitInput,
			says: []string{"examples/sample.yaml", "not a directory"},
		},
		"architecture that does not fit": {
			prepare: precomputed,
			args:    onSample(t, "distill", "student.arch.conv=[4, 4, 4, 4, 4]"), code: exitUsage,
			says: []string{"student.arch", "layer"},
		},
		"export without a checkpoint": {
			args: onSample(t, "export"), code: exitInput, says: []string{"no checkpoint", "runs/sample/student/seed-1"},
		},
		"evaluation without students": {
			args: onSample(t, "eval"), code: exitInput, says: []string{"no checkpoint", "seed-1"},
		},
		"model of unknown origin": {
			args: []string{"eval", "models/mnist-teacher.onnx"}, code: exitUsage, says: []string{"--config"},
		},
		"cache verify of nothing": {
			args: []string{"cache", "verify", "nowhere"}, code: exitInput, says: []string{"nowhere"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := workplace(t)
			if test.prepare != nil {
				test.prepare(t, dir)
			}
			before := listing(t, dir)
			r := rkd(t, dir, test.args...)
			expectSentence(t, r, test.code, test.says)
			if after := listing(t, dir); after != before {
				t.Errorf("files changed:\n%s\nwere:\n%s", after, before)
			}
		})
	}
}

// A sample that does not decode is counted instead, where the configuration says so.
func TestBrokenSampleIsSkippedOnDemand(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	photographs(t, dir)
	r := must(t, dir, onSample(t, "precompute", "data.train={source: folder, dir: photographs, on_error: skip}",
		"teacher.preprocess={resize: [28, 28], color: gray}")...)
	if !strings.Contains(r.stderr, "skipped 1 of 7") || !strings.Contains(r.stdout, "6 rows") {
		t.Errorf("output is\n%s%s\nexpected 1 of 7 skipped and 6 rows", r.stderr, r.stdout)
	}
}

// A disk that fills up, here a limit on the size of files, ends a stage with the file's name and leaves nothing that is
// half-written.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	for _, test := range []struct{ stage, file string }{
		{"precompute", "shard-00000"}, {"distill", "best-"}, {"export", "student.onnx"},
	} {
		before := listing(t, dir)
		c := program(t, dir, onSample(t, test.stage)...)
		c.Args = append([]string{"sh", "-c", `ulimit -f 50; exec "$0" "$@"`}, append([]string{c.Path}, c.Args[1:]...)...)
		c.Path = "/bin/sh"
		expectSentence(t, finish(t, c), exitFailed, []string{test.file, "file too large"})
		if after := listing(t, dir); after != before {
			t.Errorf("%s: files are\n%s\nwere\n%s", test.stage, after, before)
		}
		must(t, dir, onSample(t, test.stage)...) // and with room again it goes through
	}
}

func TestUnusableLibrary(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	old := oldLibrary(t)
	text := filepath.Join(dir, "text.so")
	write(t, text, []byte("no library"))
	for name, test := range map[string]struct {
		library string
		says    []string
	}{
		"missing":    {filepath.Join(dir, "none.so"), []string{"none.so"}},
		"no library": {text, []string{"text.so"}},
		"too old":    {old, []string{"1.17.3", "1.24"}},
	} {
		r := rkd(t, dir, "precompute", sampleConfig, "--onnxruntime-lib", test.library)
		expectSentence(t, r, exitFailed, test.says)
		if _, err := os.Stat(filepath.Join(dir, "runs")); err == nil {
			t.Errorf("%s: a run folder was made", name)
		}
	}
	c := program(t, dir, "precompute", sampleConfig)
	c.Env = append(c.Env, "RKD_CACHE_DIR="+t.TempDir(), "ONNXRUNTIME_LIB=")
	if r := finish(t, c); r.code == exitFailed { // a machine may have the library in its system folders
		expectSentence(t, r, exitFailed, []string{"make setup", "ONNXRUNTIME_LIB", "--onnxruntime-lib"})
	}
}

// expectSentence holds an answer to bad input against what every such answer is.
func expectSentence(t *testing.T, r result, code int, says []string) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code %d, expected %d\n%s", r.code, code, r.stderr)
	}
	sentence := ""
	for line := range strings.Lines(r.stderr) {
		if strings.HasPrefix(line, "rkd: ") {
			sentence += line
		}
	}
	if strings.Count(sentence, "\n") != 1 || strings.Contains(r.stderr, "goroutine ") {
		t.Errorf("stderr has not one sentence:\n%s", r.stderr)
	}
	for _, part := range says {
		if !strings.Contains(sentence, part) {
			t.Errorf("%q does not say %q", sentence, part)
		}
	}
	if r.stdout != "" {
		t.Errorf("stdout is %q, expected nothing", r.stdout)
	}
}

// onSample is a command on the sample configuration with some keys set.
func onSample(t *testing.T, name string, set ...string) []string {
	t.Helper()
	args := []string{name, sampleConfig}
	for _, s := range set {
		args = append(args, "--set", s)
	}
	return args
}

func precomputed(t *testing.T, dir string) {
	t.Helper()
	must(t, dir, "precompute", sampleConfig)
}

func shard(t *testing.T, dir string, i int) string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "runs/sample/cache/shard-*.parquet"))
	if err != nil || len(paths) <= i {
		t.Fatalf("shards are %v (%v), expected more than %d", paths, err, i)
	}
	return paths[i]
}

// listing names every file below dir with its size.
func listing(t *testing.T, dir string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "find", dir, "-type", "f", "-exec", "wc", "-c", "{}", ";").Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// idx is an IDX file of bytes: count entries of the given dimensions, where the header says claimed.
func idx(t *testing.T, claimed, count int, dims ...int) []byte {
	t.Helper()
	b := []byte{0, 0, 8, byte(1 + len(dims))}
	b = binary.BigEndian.AppendUint32(b, uint32(claimed))
	size := count
	for _, d := range dims {
		b = binary.BigEndian.AppendUint32(b, uint32(d))
		size *= d
	}
	for i := range size {
		b = append(b, byte(i%2))
	}
	return b
}

// photographs makes a folder of two classes with six images and a broken one.
func photographs(t *testing.T, dir string) {
	t.Helper()
	for _, class := range []string{"cats/tabby", "dogs"} {
		folder := filepath.Join(dir, "photographs", class)
		mkdir(t, folder)
		for _, name := range []string{"a.jpg", "b.JPEG", "c.jpg"} {
			var b bytes.Buffer
			img := image.NewGray(image.Rect(0, 0, 40, 30))
			for i := range img.Pix {
				img.Pix[i] = byte(i * len(class))
			}
			if err := jpeg.Encode(&b, img, nil); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(folder, name), b.Bytes())
		}
	}
	write(t, filepath.Join(dir, "photographs", "dogs", "broken.jpg"), []byte("\xff\xd8\xff\xe0 and then nothing"))
}

// nanTeacher makes a model whose embedding of a mostly dark image is no number: the logarithm of the pixels' sum.
func nanTeacher(t *testing.T, dir string) {
	t.Helper()
	b := onnx.NewBuilder("nan", 17)
	x := b.Input("input", onnx.Float32, "N", 1, 28, 28)
	sum := b.Node("ReduceSum", []string{b.Node("Flatten", []string{x}), b.Int64("axes", []int{1}, []int64{1})})
	b.NodeTo("embedding", "Log", []string{sum})
	b.Output("embedding", onnx.Float32, "N", 1)
	m, err := b.Model("test", "1")
	if err == nil {
		err = m.Save(filepath.Join(dir, "nan.onnx"))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// oldLibrary compiles a library that answers as ONNX Runtime 1.17.3 does: it has no newer API.
func oldLibrary(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	source, library := filepath.Join(dir, "old.c"), filepath.Join(dir, "old.so")
	write(t, source, []byte(`
#include <stddef.h>
#include <stdint.h>
typedef struct { const void *(*GetApi)(uint32_t); const char *(*GetVersionString)(void); } Base;
static const void *api(uint32_t version) { return NULL; }
static const char *version(void) { return "1.17.3"; }
static const Base base = { api, version };
const Base *OrtGetApiBase(void) { return &base; }
`))
	if out, err := exec.CommandContext(t.Context(), "cc", "-shared", "-fPIC", "-o", library,
		source).CombinedOutput(); err != nil {
		t.Fatalf("compiling a stand-in library: %v\n%s", err, out)
	}
	return library
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func mkdir(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
}

func pipe(t *testing.T, path string) {
	t.Helper()
	if err := syscall.Mkfifo(path, 0o644); err != nil {
		t.Fatal(err)
	}
}

// photograph writes a gray PNG of side × side pixels.
func photograph(t *testing.T, path string, side int) {
	t.Helper()
	var b bytes.Buffer
	err := png.Encode(&b, image.NewGray(image.Rect(0, 0, side, side)))
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, b.Bytes())
}
