package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rkd/models/onnx"
	"rkd/pipeline"
)

const sampleStudent = "runs/sample/student/seed-1/student.onnx"

// The metadata of an exported student say what it takes and gives, in documented fields, and no path of the machine.
func TestMetadataOfAnExportedStudent(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	set := []string{"dir=" + filepath.Join(dir, "runs/sample"), "teacher.model=" +
		filepath.Join(dir, "models/mnist-teacher.onnx")}
	must(t, dir, onSample(t, "run", set...)...)
	path := filepath.Join(dir, sampleStudent)
	if bytes.Contains(read(t, path), []byte(dir)) {
		t.Error("the exported student holds a path of the machine that trained it")
	}
	m, err := onnx.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(m.Metadata()["rkd.student"]), &got); err != nil {
		t.Fatal(err)
	}
	for entry, field := range map[string]string{
		"rkd.teacher_sha256": "teacher_sha256", "rkd.cache_key": "cache_key", "rkd.weights_sha256": "weights_sha256",
	} {
		if hash, ok := got[field].(string); !ok || hash == "" || hash != m.Metadata()[entry] {
			t.Errorf("%s is %v, expected %s", field, got[field], m.Metadata()[entry])
		}
		delete(got, field)
	}
	want := map[string]any{
		"format": 2.0, "name": "sample", "rkd_version": version, "variant": "student", "seed": 1.0,
		"input": "input", "input_type": "float32", "input_shape": []any{1.0, 28.0, 28.0},
		"preprocess_baked_in": false, "embedding": "embedding",
		"embedding_dim": 16.0, "normalize": "none", "metric": "euclidean",
		"preprocess": map[string]any{
			"orientation": "exif", "interpolation": "bilinear", "antialias": true, "layout": "NCHW", "scale": 1.0 / 255,
			"mean": []any{0.5}, "std": []any{1.0},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rkd.student (-want +got):\n%s", diff)
	}
}

// Metadata describe a model and never steer: neither data nor execution provider nor threads come from there, and what
// does not fit the model is bad input.
func TestMetadataDoNotSteer(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	must(t, dir, "run", sampleConfig)
	card := func(replace ...string) map[string]string {
		m, err := onnx.Load(filepath.Join(dir, sampleStudent))
		if err != nil {
			t.Fatal(err)
		}
		return map[string]string{"rkd.student": strings.NewReplacer(replace...).Replace(m.Metadata()["rkd.student"])}
	}
	hostile := `{name: x, data: {train: {source: folder, dir: /nowhere}, test: {source: folder, dir: /nowhere}},
teacher: {model: /nowhere.onnx, provider: nonsense, threads: -7},
student: {embedding_dim: 99, preprocess: {mean: [0.5]}}, loss: {}}`
	for name, test := range map[string]struct {
		metadata map[string]string
		code     int
		says     []string
	}{
		"of its own":            {card(), exitDone, nil},
		"another configuration": {map[string]string{"rkd.student": "", "rkd.config": hostile}, exitDone, nil},
		"a provider": {
			card(`"format":2`, `"format":2,"provider":"nonsense"`), exitInput, []string{"provider"},
		},
		"an input of another model": {card(`"input":"input"`, `"input":"image"`), exitInput, []string{`"image"`}},
		"an output of another model": {
			card(`"embedding":"embedding"`, `"embedding":"other"`), exitInput,
			[]string{`"other"`},
		},
		"another format":           {card(`"format":2`, `"format":3`), exitInput, []string{"format is 3"}},
		"damaged":                  {map[string]string{"rkd.student": "{"}, exitInput, []string{"x.onnx"}},
		"impossible preprocessing": {card(`"layout":"NCHW"`, `"layout":"NOPE"`), exitInput, []string{"NOPE"}},
	} {
		m, err := onnx.Load(filepath.Join(dir, sampleStudent))
		if err != nil {
			t.Fatal(err)
		}
		meta := m.Metadata()
		for key, value := range test.metadata {
			meta[key] = value
		}
		m.SetMetadata(meta)
		if err := m.Save(filepath.Join(dir, "x.onnx")); err != nil {
			t.Fatal(err)
		}
		args := []string{"eval", "x.onnx", "--config", sampleConfig, "--quiet"}
		if test.code != exitDone {
			expectSentence(t, rkd(t, dir, args...), test.code, append(test.says, "x.onnx"))
			continue
		}
		r := rkd(t, dir, append(args, "--json")...)
		var res pipeline.ModelResults
		if err := json.Unmarshal([]byte(r.stdout), &res); err != nil || r.code != exitDone {
			t.Errorf("%s: exit code %d, %v\n%s", name, r.code, err, r.stderr)
		} else if res.Samples != 150 || res.Models[0].Metrics["recall@1"] < 0.3 {
			t.Errorf("%s: results are %+v", name, res)
		}
	}
	// Without a configuration there are no data.
	expectSentence(t, rkd(t, dir, "eval", sampleStudent), exitUsage, []string{"--config"})
	expectSentence(t, rkd(t, dir, "compare", sampleStudent, "runs/sample/cache"), exitUsage, []string{"--config"})
	// The execution provider is that of the command line.
	expectSentence(t, rkd(t, dir, "eval", sampleStudent, "--config", sampleConfig, "--provider", "nonsense"), exitUsage,
		[]string{"nonsense"})
}
