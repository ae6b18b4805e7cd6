package main

import (
	"bytes"
	"compress/gzip"
	"path/filepath"
	"strings"
	"testing"
)

// badInput is a command that cannot be carried out, and the sentence that says so.
type badInput struct {
	prepare func(t *testing.T, dir string)
	args    []string
	code    int
	says    []string // parts of the sentence
}

// expectRefusals holds each bad input to one sentence that says what is wrong, the right exit code, and nothing
// half-written.
func expectRefusals(t *testing.T, tests map[string]badInput) {
	t.Helper()
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

func TestBadInputOfPrecompute(t *testing.T) {
	precompute := func(set ...string) []string { return onSample(t, "precompute", set...) }
	expectRefusals(t, map[string]badInput{
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
			args: precompute("data.train={source: folder, dir: photographs}", "train.batch={classes: 2, per_class: 2}",
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
			says: []string{"--set student.embeding_dim", `"student.embeding_dim"`, `"embedding_dim"`},
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
		"crop of the teacher larger than its image": {
			args: precompute("teacher.preprocess.crop=64"), code: exitUsage, says: []string{"crop is 64 × 64", "28 × 28"},
		},
		"cache folder that is a file": {
			args: precompute("cache.dir=examples/sample.yaml"), code: exitInput,
			says: []string{"examples/sample.yaml", "not a directory"},
		},
		"cache verify of nothing": {
			args: []string{"cache", "verify", "nowhere"}, code: exitInput, says: []string{"nowhere"},
		},
	})
}

// A sample that does not decode is counted instead, where the configuration says so.
func TestBrokenSampleIsSkippedOnDemand(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	photographs(t, dir)
	r := must(t, dir, onSample(t, "precompute", "data.train={source: folder, dir: photographs, on_error: skip}",
		"teacher.preprocess={resize: [28, 28], color: gray}", "train.batch={classes: 2, per_class: 2}")...)
	if !strings.Contains(r.stderr, "skipped 1 of 7") || !strings.Contains(r.stdout, "6 rows") {
		t.Errorf("output is\n%s%s\nexpected 1 of 7 skipped and 6 rows", r.stderr, r.stdout)
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
