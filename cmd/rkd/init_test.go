package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"path/filepath"
	"strings"
	"testing"

	"rkd/pipeline"
)

// What init writes runs, whatever the folder looks like.
func TestInitWritesAConfigurationThatRuns(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		folders []string // with 6 images each
		says    []string
	}{
		"train and test": {
			[]string{"train/a", "train/b", "test/a", "test/b"},
			[]string{"split: train", "split: test", "per_class: 6"},
		},
		"class folders": {
			[]string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"},
			[]string{`classes: ["a", "b", "c", "d", "e", "f", "g", "h"]`, `classes: ["i", "j"]`},
		},
		"few classes": {[]string{"a", "b"}, []string{"Too few classes"}},
		"flat":        {[]string{"."}, []string{"kind: shuffled", "One flat folder", "source: files"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := workplace(t)
			for i, folder := range test.folders {
				drawings(t, filepath.Join(dir, "pictures", folder), i)
			}
			must(t, dir, "init", "pictures", "--model", "models/mnist-teacher.onnx")
			text := string(read(t, filepath.Join(dir, "rkd.yaml")))
			for _, part := range append(test.says, "output: embedding", "name: pictures") {
				if !strings.Contains(text, part) {
					t.Errorf("the configuration lacks %q:\n%s", part, text)
				}
			}
			args := []string{"run", "rkd.yaml", "--set", "train.epochs=1", "--set", "train.steps_per_epoch=2"}
			if name != "flat" { // which has no labels, but metrics without
				args = append(args, "--set", "eval.metrics=[recall@1]")
			}
			must(t, dir, args...)
			expectSentence(t, rkd(t, dir, "init", "pictures", "--model", "models/mnist-teacher.onnx"), exitUsage,
				[]string{"rkd.yaml", "--out"})
		})
	}
	dir := workplace(t)
	expectSentence(t, rkd(t, dir, "init"), exitUsage, []string{"0 ONNX files", "--model"})
	expectSentence(t, rkd(t, dir, "init", "nowhere", "--model", "models/mnist-teacher.onnx"), exitInput,
		[]string{"nowhere"})
}

func TestInspectPutsTheEmbeddingFirst(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	for model, want := range map[string]string{"mnist-teacher": "embedding", "mnist-classifier": "embedding"} {
		file := "models/" + model + ".onnx"
		var found pipeline.Inspection
		if err := json.Unmarshal([]byte(must(t, dir, "inspect", file, "--json").stdout), &found); err != nil {
			t.Fatal(err)
		}
		if len(found.Embeddings) == 0 || found.Embeddings[0].Name != want || len(found.Inputs) != 1 ||
			found.Parameters < 1000 {
			t.Errorf("%s: %+v, expected %s first", model, found, want)
		}
		for _, part := range []string{"teacher:", "model: " + file, "output: " + want, "color: gray"} {
			if !strings.Contains(found.Section, part) {
				t.Errorf("%s: section lacks %q:\n%s", model, part, found.Section)
			}
		}
		if r := must(t, dir, "inspect", file); !strings.Contains(r.stdout, "most likely first") ||
			!strings.Contains(r.stdout, "(N,1,28,28)") {
			t.Errorf("%s:\n%s", model, r.stdout)
		}
	}
	expectSentence(t, rkd(t, dir, "inspect", "none.onnx"), exitInput, []string{"none.onnx"})
}

// drawings fills a folder with 6 images that differ.
func drawings(t *testing.T, dir string, seed int) {
	t.Helper()
	mkdir(t, dir)
	for n := range 6 {
		img := image.NewGray(image.Rect(0, 0, 30, 30))
		for x := range 30 {
			for y := range 30 {
				img.SetGray(x, y, color.Gray{Y: uint8((x*(seed+2) + y*(n+1)*7) % 256)})
			}
		}
		var b bytes.Buffer
		if err := png.Encode(&b, img); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, fmt.Sprintf("%d.png", n)), b.Bytes())
	}
}
