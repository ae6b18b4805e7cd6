package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"rkd/pipeline"
)

// comparison runs "rkd compare --json".
func comparison(t *testing.T, dir string, args ...string) pipeline.Comparison {
	t.Helper()
	r := must(t, dir, append([]string{"compare", "--json"}, args...)...)
	var c pipeline.Comparison
	if err := json.Unmarshal([]byte(r.stdout), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCompare(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	must(t, dir, "run", sampleConfig)
	const cache, teacher, student = "runs/sample/cache", "models/mnist-teacher.onnx",
		"runs/sample/student/seed-1/student.onnx"

	// A cache is its own like, and that of the model that it was made with, which runs on its data: the training part.
	for _, args := range [][]string{
		{cache, cache}, {cache, teacher, "--config", sampleConfig}, {teacher, cache, "--config", sampleConfig},
	} {
		c := comparison(t, dir, args...)
		if c.Rows != 250 || c.RKDDistance > 1e-12 || c.RKDAngle > 1e-12 || c.LinearCKA < 1-1e-9 || c.Spearman < 1-1e-6 ||
			c.NeighbourOverlap < 0.999 {
			t.Errorf("%v: comparison is %+v, expected equal sets of 250 rows", args, c)
		}
	}

	// A student is like its teacher, but not as alike as that.
	c := comparison(t, dir, cache, student, "--k", "5", "--config", sampleConfig)
	if c.Rows != 250 || c.A.Dim != 128 || c.B.Dim != 16 || c.B.Data != "sample/train" || c.K != 5 {
		t.Errorf("comparison with a student is of %+v", c)
	}
	if c.RKDDistance <= 0 || c.RKDDistance > 0.1 || c.RKDAngle <= 0 || c.RKDAngle > 0.1 ||
		c.LinearCKA < 0.4 || c.LinearCKA > 0.999 || c.Spearman < 0.3 || c.Spearman > 0.999 || c.NeighbourOverlap < 0.1 ||
		c.NeighbourOverlap > 0.99 {
		t.Errorf("comparison with a student says %+v", c)
	}

	// Without a cache models run on the test data of the configuration.
	if c := comparison(t, dir, student, student, "--config", sampleConfig); c.Rows != 150 || c.A.Data != "sample/test" ||
		c.LinearCKA != 1 {
		t.Errorf("a student beside itself: %+v", c)
	}
	c = comparison(t, dir, teacher, student, "--config", sampleConfig, "--set", "data.test.limit=60")
	if c.Rows != 60 || c.B.Dim != 16 {
		t.Errorf("teacher beside student on 60 samples: %+v", c)
	}

	// Of a cache with views a model has the first.
	must(t, dir, onSample(t, "precompute", "cache={dir: views, views: 2}", "data.augment.shift=2")...)
	if c := comparison(t, dir, "views", teacher, "--config", sampleConfig); c.A.Rows != 500 || c.Rows != 250 ||
		c.LinearCKA < 1-1e-9 {
		t.Errorf("cache with views beside its model: %+v", c)
	}

	r := must(t, dir, "compare", cache, student, "--k=5", "--config", sampleConfig)
	for _, part := range []string{
		"cache", "250 × 128", "250 × 16", "sample/train", "rkd_distance", "rkd_angle", "linear_cka", "spearman", "overlap@5",
	} {
		if !strings.Contains(r.stdout, part) {
			t.Errorf("table lacks %q:\n%s", part, r.stdout)
		}
	}
}

func TestCompareBadInput(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		prepare func(t *testing.T, dir string)
		args    []string
		code    int
		says    []string
	}{
		"one argument":  {args: []string{"a.npy"}, code: exitUsage, says: []string{"two arguments", "got 1"}},
		"no neighbours": {args: []string{"a.npy", "b.npy", "--k", "0"}, code: exitUsage, says: []string{"--k is 0"}},
		"missing file":  {args: []string{"a.npy", "b.npy"}, code: exitInput, says: []string{"a.npy"}},
		"empty matrix": {
			prepare: func(t *testing.T, dir string) { write(t, filepath.Join(dir, "a.npy"), nil) },
			args:    []string{"a.npy", "a.npy"}, code: exitInput, says: []string{"a.npy", "empty"},
		},
		"other file": {args: []string{sampleConfig, sampleConfig}, code: exitInput, says: []string{"sample.yaml", ".npy"}},
		"model of unknown origin": {
			args: []string{"models/mnist-teacher.onnx", "models/mnist-teacher.onnx"}, code: exitUsage,
			says: []string{"--config"},
		},
		"unfinished cache": {
			prepare: func(t *testing.T, dir string) { mkdir(t, filepath.Join(dir, "cache")) },
			args:    []string{"cache", "cache"}, code: exitInput, says: []string{"no manifest.json"},
		},
		"model beside a cache of other data": {
			prepare: precomputed,
			args: []string{
				"runs/sample/cache", "models/mnist-teacher.onnx", "--config", sampleConfig, "--set", "data.train.limit=100",
			},
			code: exitMismatch, says: []string{"runs/sample/cache", "sample/train", "sample/test"},
		},
		"more neighbours than samples": {
			prepare: precomputed,
			args:    []string{"runs/sample/cache", "runs/sample/cache", "--k", "250"}, code: exitInput,
			says: []string{"250", "249"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := workplace(t)
			if test.prepare != nil {
				test.prepare(t, dir)
			}
			expectSentence(t, rkd(t, dir, append([]string{"compare"}, test.args...)...), test.code, test.says)
		})
	}
}
