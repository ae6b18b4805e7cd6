package teacher

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"rkd/datasets"
	"rkd/models/onnx"
	"rkd/models/ort"
	"rkd/models/ort/orttest"
)

func TestInputShapesThatMeanTheSame(t *testing.T) {
	for name, test := range map[string]struct {
		dims       []any
		preprocess datasets.Preprocess
		fits       bool
	}{
		"as it is":               {[]any{"N", 1, 2, 2}, raw, true},
		"dynamic size":           {[]any{"N", 1, "H", "W"}, raw, true},
		"everything is dynamic":  {[]any{"", "", "", ""}, raw, true},
		"in a row":               {[]any{"N", 4}, raw, true},
		"no channel":             {[]any{"N", 2, 2}, raw, true},
		"channel last":           {[]any{"N", 2, 2, 1}, raw, true},
		"channel first, of NHWC": {[]any{"N", 1, 2, 2}, datasets.Preprocess{Scale: 1, Layout: "NHWC"}, true},
		"other size":             {[]any{"N", 1, 28, 28}, raw, false},
		"three channels":         {[]any{"N", 3, 2, 2}, raw, false},
		"a longer row":           {[]any{"N", 5}, raw, false},
		"five dimensions":        {[]any{"N", 2, 2, 2, 2}, raw, false},
		"only a batch":           {[]any{"N"}, raw, false},
	} {
		t.Run(name, func(t *testing.T) {
			orttest.Start(t)
			path := model(t, onnx.Float32, test.dims, func(b *onnx.Builder, x string) {
				b.NodeTo("y", "Flatten", []string{x})
				b.Output("y", onnx.Float32, "", "")
			})
			m, err := Open(t.Context(), Options{Model: path, Preprocess: test.preprocess}, gray(1, 2, 3, 4))
			if !test.fits {
				if !errors.Is(err, ErrShape) || !strings.Contains(err.Error(), "the preprocessed sample is (N,1,2,2)") {
					t.Errorf("got error %v, want ErrShape with both shapes", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			got, err := m.Embed(t.Context(), gray(1, 2, 3, 4))
			if err != nil || !slices.Equal(got.Embedding, []float32{1, 2, 3, 4}) {
				t.Errorf("got %v (error %v), want 1 2 3 4", got.Embedding, err)
			}
		})
	}
}

func TestModelsOfPixelsTakeThemAsTheyAre(t *testing.T) {
	rgb := datasets.Sample{
		Content: datasets.Image{Height: 1, Width: 2, Channels: 3, Pixels: []uint8{1, 2, 3, 250, 251, 252}},
	}
	interleaved, planes := []float32{1, 2, 3, 250, 251, 252}, []float32{1, 250, 2, 251, 3, 252}
	for name, test := range map[string]struct {
		dims       []any
		preprocess datasets.Preprocess
		want       []float32
	}{
		"NHWC":                    {[]any{"N", 1, 2, 3}, datasets.Preprocess{Layout: "NHWC"}, interleaved},
		"NHWC, as the model says": {[]any{"N", 1, 2, 3}, datasets.Preprocess{}, interleaved},
		"NCHW":                    {[]any{"N", 3, 1, 2}, datasets.Preprocess{}, planes},
		"a resolved configuration's defaults": {
			[]any{"N", 1, 2, 3},
			datasets.Preprocess{}.Resolved(),
			interleaved,
		},
		"dynamic, as is configured": {[]any{"N", "", "", ""}, datasets.Preprocess{Layout: "NHWC"}, interleaved},
		"BGR": {
			[]any{"N", 1, 2, 3}, datasets.Preprocess{Color: "bgr"}, []float32{3, 2, 1, 252, 251, 250},
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := model(t, onnx.Uint8, test.dims, func(b *onnx.Builder, x string) {
				b.NodeTo("y", "Flatten", []string{b.Node("Cast", []string{x}, onnx.Int("to", int64(onnx.Float32)))})
				b.Output("y", onnx.Float32, "N", 6)
			})
			m := open(t, Options{Model: path, Preprocess: test.preprocess}, rgb)
			got, err := m.Embed(t.Context(), rgb, rgb)
			if want := slices.Repeat(test.want, 2); err != nil || !slices.Equal(got.Embedding, want) {
				t.Errorf("got %v (error %v), want %v", got.Embedding, err, want)
			}
		})
	}
}

func TestPreprocessingThatCannotApplyToPixels(t *testing.T) {
	rgb := datasets.Sample{Content: datasets.Image{Height: 1, Width: 2, Channels: 3, Pixels: make([]uint8, 6)}}
	for name, test := range map[string]struct {
		preprocess datasets.Preprocess
		is         error
		want       string
	}{
		"scale":  {datasets.Preprocess{Scale: 0.5}, ErrOptions, "preprocess.scale cannot apply"},
		"mean":   {datasets.Preprocess{Mean: []float64{0.5}}, ErrOptions, "preprocess.mean cannot apply"},
		"std":    {datasets.Preprocess{Std: []float64{0.5}}, ErrOptions, "preprocess.std cannot apply"},
		"layout": {datasets.Preprocess{Layout: "NHWC"}, ErrShape, `"input" uint8 (N,3,1,2)`},
	} {
		t.Run(name, func(t *testing.T) {
			orttest.Start(t)
			path := model(t, onnx.Uint8, []any{"N", 3, 1, 2}, func(b *onnx.Builder, x string) {
				b.NodeTo("y", "Flatten", []string{b.Node("Cast", []string{x}, onnx.Int("to", int64(onnx.Float32)))})
				b.Output("y", onnx.Float32, "N", 6)
			})
			_, err := Open(t.Context(), Options{Model: path, Preprocess: test.preprocess}, rgb)
			if !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want %v with %q", err, test.is, test.want)
			}
		})
	}
}

func TestHalfPrecisionModelsTakeFloats(t *testing.T) {
	path := model(t, onnx.Float16, []any{"N", 1, 2, 2}, func(b *onnx.Builder, x string) {
		b.NodeTo("y", "Flatten", []string{b.Node("Neg", []string{x})})
		b.Output("y", onnx.Float16, "N", 4)
	})
	m := open(t, Options{Model: path, Preprocess: raw}, gray(1, 2, 3, 4))
	got, err := m.Embed(t.Context(), gray(1, 2, 3, 4))
	if err != nil || !slices.Equal(got.Embedding, []float32{-1, -2, -3, -4}) {
		t.Errorf("got %v (error %v), want the negated pixels", got.Embedding, err)
	}
}

func TestOptionsThatCannotWork(t *testing.T) {
	orttest.Start(t)
	path := pair(t, "N")
	twoInputs := model(t, onnx.Float32, []any{"N", 1, 2, 2}, func(b *onnx.Builder, x string) {
		mask := b.Input("mask", onnx.Float32, "N", 1, 2, 2)
		b.NodeTo("y", "Mul", []string{x, mask})
		b.Output("y", onnx.Float32, "N", 1, 2, 2)
	})
	tokens := model(t, onnx.Int64, []any{"N", 4}, func(b *onnx.Builder, x string) {
		b.NodeTo("y", "Cast", []string{x}, onnx.Int("to", int64(onnx.Float32)))
		b.Output("y", onnx.Float32, "N", 4)
	})
	truncated := filepath.Join(t.TempDir(), "truncated.onnx")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(truncated, data[:len(data)/2], 0o644); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		options Options
		is      error
		want    string
	}{
		"no model":             {Options{}, ErrOptions, "model is empty"},
		"missing file":         {Options{Model: filepath.Join(t.TempDir(), "no.onnx")}, fs.ErrNotExist, "no.onnx"},
		"truncated file":       {Options{Model: truncated}, onnx.ErrFormat, truncated},
		"two outputs, no name": {Options{Model: path}, ErrOptions, `"sum" float32 (N,2), "double" float32 (N,1,2,2)`},
		"unknown output": {
			Options{Model: path, Output: Names{"doubl"}},
			onnx.ErrUnknownTensor,
			`unknown tensor "doubl", expected one that the graph computes: "double", `,
		},
		"unknown logits": {
			Options{Model: path, Output: Names{"sum"}, Logits: Logits{Tensor: "logits"}},
			onnx.ErrUnknownTensor, `"logits"`,
		},
		"same tensor twice": {
			Options{Model: path, Output: Names{"sum"}, Logits: Logits{Tensor: "sum"}},
			ErrOptions,
			`logits and output are both "sum"`,
		},
		"integers": {
			Options{Model: path, Output: Names{"largest"}}, ErrOptions, `output "largest" holds int64 elements`,
		},
		"unknown input": {
			Options{Model: path, Output: Names{"sum"}, Input: "image"},
			onnx.ErrUnknownTensor,
			`"input" float32 (N,1,2,2)`,
		},
		"two inputs":           {Options{Model: twoInputs}, ErrShape, `"mask" float32`},
		"two inputs, one name": {Options{Model: twoInputs, Input: "input"}, ErrShape, `"mask" float32`},
		"integer input":        {Options{Model: tokens}, ErrShape, `input "input" int64 (N,4)`},
		"normalize":            {Options{Model: path, Normalize: "l1"}, ErrOptions, `normalize is "l1", expected none or l2`},
		"batch":                {Options{Model: path, Batch: -1}, ErrOptions, "batch is -1"},
		"gigantic batch": {
			Options{Model: path, Output: Names{"sum"}, Batch: math.MaxInt32},
			ErrOptions,
			"a batch of 2147483647 samples",
		},
		"threads": {Options{Model: path, Threads: -1}, ErrOptions, "threads is -1"},
		"preprocessing": {
			Options{Model: path, Preprocess: datasets.Preprocess{Layout: "HW"}}, ErrOptions, `layout is "HW"`,
		},
		"crop over the edge": {
			Options{Model: path, Output: Names{"sum"}, Preprocess: datasets.Preprocess{Crop: datasets.Size{9}}},
			ErrOptions, "9",
		},
		"provider": {Options{Model: path, Output: Names{"sum"}, Provider: "abacus"}, ort.ErrProvider, `"abacus"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(t.Context(), test.options, gray(1, 2, 3, 4))
			if !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got error %v\nwant one line, %v with %q", err, test.is, test.want)
			}
		})
	}
}

func TestImagesOfAnotherShapeAreNamed(t *testing.T) {
	m := open(t, Options{Model: pair(t, "N"), Output: Names{"sum"}, Preprocess: raw}, gray(1, 2, 3, 4))
	_, err := m.Embed(t.Context(), gray(1, 2, 3, 4), gray(1, 2, 3, 4, 5, 6, 7, 8, 9))
	if !errors.Is(err, datasets.ErrShape) {
		t.Fatalf("got error %v, want ErrShape", err)
	}
	for _, want := range []string{"[1 2 3 4 5 6 7 8 9]: ", "3 × 3 × 1", "2 × 2 × 1"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q lacks %q", err, want)
		}
	}
}
