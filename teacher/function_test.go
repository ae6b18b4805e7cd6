package teacher

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"rkd/models/onnx"
	"rkd/models/ort/orttest"
)

// pixels declares an input of 2×2 gray images with an open batch.
var pixels = []any{"N", 1, 2, 2}

func TestModelsThatAreNoFunctionOfOneSample(t *testing.T) {
	for name, test := range map[string]struct {
		build func(b *onnx.Builder, x string)
		want  string // of the error
	}{
		"random numbers": {func(b *onnx.Builder, x string) {
			noise := b.Node("RandomNormalLike", []string{x})
			b.NodeTo("y", "Flatten", []string{b.Node("Add", []string{x, noise})})
			b.Output("y", onnx.Float32, "N", 4)
		}, `node "randomnormallike_1" (RandomNormalLike)`},
		"dropout in training mode": {func(b *onnx.Builder, x string) {
			on := b.Node("Cast", []string{b.Int64("one", nil, []int64{1})}, onnx.Int("to", int64(onnx.Bool)))
			flat := b.Node("Flatten", []string{x})
			b.NodeTo("y", "Dropout", []string{flat, b.Float32("ratio", nil, []float32{0.5}), on})
			b.Output("y", onnx.Float32, "N", 4)
		}, `node "y" (Dropout in training mode)`},
		"batch normalisation in training mode": {func(b *onnx.Builder, x string) {
			one := b.Float32("one", []int{1}, []float32{1})
			zero := b.Float32("zero", []int{1}, []float32{0})
			n := b.Node("BatchNormalization", []string{x, one, zero, zero, one}, onnx.Int("training_mode", 1))
			b.NodeTo("y", "Flatten", []string{n})
			b.Output("y", onnx.Float32, "N", 4)
		}, `node "batchnormalization_1" (BatchNormalization in training mode)`},
		"the mean over the batch": {func(b *onnx.Builder, x string) {
			flat := b.Node("Flatten", []string{x})
			b.NodeTo("y", "Sub", []string{flat, b.Node("ReduceMean", []string{flat}, onnx.Ints("axes", 0))})
			b.Output("y", onnx.Float32, "N", 4)
		}, `node "reducemean_1" (ReduceMean over the batch)`},
	} {
		t.Run(name, func(t *testing.T) {
			orttest.Start(t)
			path := model(t, onnx.Float32, pixels, test.build)
			giveStatistics(t, path)
			_, err := Open(t.Context(), Options{Model: path, Preprocess: raw}, gray(1, 2, 3, 4), gray(9, 0, 0, 1))
			if !errors.Is(err, ErrNotFunction) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want ErrNotFunction with %q", err, test.want)
			}
		})
	}
}

// giveStatistics adds the running statistics, which batch normalisation returns in training mode, to a model's nodes.
func giveStatistics(t *testing.T, path string) {
	t.Helper()
	m, err := onnx.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range m.Proto.Graph.Node {
		if n.GetOpType() == "BatchNormalization" {
			n.Output = append(n.Output, "running_mean", "running_var")
		}
	}
	if err := m.Save(path); err != nil {
		t.Fatal(err)
	}
}

// A model that is right for one sample at a time runs so, and says so.
func TestOneSampleAtATimeWhereThatIsEnough(t *testing.T) {
	scaled := func(b *onnx.Builder, x string) { // x / max over everything
		flat := b.Node("Flatten", []string{x})
		b.NodeTo("y", "Div", []string{flat, b.Node("ReduceMax", []string{b.Node("Reshape", []string{
			x, b.Int64("row", []int{2}, []int64{1, -1}),
		})}, onnx.Ints("axes", 1), onnx.Int("keepdims", 1))})
		b.Output("y", onnx.Float32, "N", 4)
	}
	fixed := func(rows int64) func(b *onnx.Builder, x string) {
		return func(b *onnx.Builder, x string) {
			b.NodeTo("y", "Reshape", []string{x, b.Int64("shape", []int{2}, []int64{rows, 4})})
			b.Output("y", onnx.Float32)
		}
	}
	for name, test := range map[string]struct {
		build func(b *onnx.Builder, x string)
		batch int
		want  []float32 // of the picture 1 2 3 4
		note  string
	}{
		"a scale of the batch": {scaled, 1, []float32{0.25, 0.5, 0.75, 1}, "takes one sample at a time"},
		"a batch of one":       {fixed(1), 1, []float32{1, 2, 3, 4}, "takes batches of 1"},
		"a batch of three":     {fixed(3), 3, []float32{1, 2, 3, 4}, "takes batches of 3"},
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{Model: model(t, onnx.Float32, pixels, test.build), Preprocess: raw}
			orttest.Start(t)
			m, err := Open(t.Context(), o, gray(1, 2, 3, 4), gray(9, 0, 0, 1))
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			if m.Batch() != test.batch || len(m.Notes()) != 1 || !strings.Contains(m.Notes()[0], test.note) {
				t.Errorf("got batches of %d and notes %q, want %d and %q", m.Batch(), m.Notes(), test.batch, test.note)
			}
			got, err := m.Embed(t.Context(), gray(1, 2, 3, 4))
			if err != nil || !slices.Equal(got.Embedding, test.want) {
				t.Errorf("got %v (error %v), want %v", got.Embedding, err, test.want)
			}
		})
	}
}

// A slope that lies along the width by accident is named, whether the runtime can compute it or not.
func TestSlopesAlongTheWidth(t *testing.T) {
	orttest.Start(t)
	for name, width := range map[string]int{"computed": 2, "refused": 3} {
		path := model(t, onnx.Float32, []any{"N", 1, width, width}, func(b *onnx.Builder, x string) {
			c := b.Node("Conv", []string{x, b.Float32("w", []int{2, 1, 1, 1}, []float32{1, -1})})
			b.NodeTo("y", "Flatten", []string{b.Node("PRelu", []string{c, b.Float32("s", []int{2}, []float32{0.5, 0.25})})})
			b.Output("y", onnx.Float32, "N", 2*width*width)
		})
		m, err := Open(t.Context(), Options{Model: path, Preprocess: raw}, gray(make([]uint8, width*width)...))
		said := fmt.Sprint(err)
		if name == "computed" {
			if err != nil {
				t.Fatal(err)
			}
			said = strings.Join(m.Notes(), " ")
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		}
		if want := `node "prelu_1" (PRelu): its slope of shape (2) lies along the width`; !strings.Contains(said, want) {
			t.Errorf("%s: got %s, want %s", name, said, want)
		}
	}
}

func TestConstantInputs(t *testing.T) {
	masked := func(dims ...any) string {
		return model(t, onnx.Float32, pixels, func(b *onnx.Builder, x string) {
			mask := b.Input("mask", onnx.Float32, dims...)
			b.NodeTo("y", "Flatten", []string{b.Node("Mul", []string{x, mask})})
			b.Output("y", onnx.Float32, "N", 4)
		})
	}
	sized := model(t, onnx.Float32, pixels, func(b *onnx.Builder, x string) {
		b.NodeTo("y", "Reshape", []string{x, b.Input("size", onnx.Int64, 2)})
		b.Output("y", onnx.Float32, "N", 4)
	})
	for name, test := range map[string]struct {
		options Options
		want    []float32
		wrong   string // error, where there is one
	}{
		"one number for all": {
			Options{Model: masked("N", 1, 2, 2), Inputs: Constants{"mask": {2}}},
			[]float32{2, 4, 6, 8},
			"",
		},
		"those of one sample": {
			Options{Model: masked("N", 1, 2, 2), Inputs: Constants{"mask": {1, 0, 0, 1}}},
			[]float32{1, 0, 0, 4},
			"",
		},
		"a fixed shape": {Options{Model: masked(1, 1, 2, 2), Inputs: Constants{"mask": {0, 1, 1, 0}}}, []float32{
			0, 2, 3,
			0,
		}, ""},
		"whole numbers": {Options{Model: sized, Inputs: Constants{"size": {-1, 4}}}, []float32{1, 2, 3, 4}, ""},
		"not all": {
			Options{Model: masked("N", 1, 2, 2), Inputs: Constants{"mask": {1, 2}}},
			nil,
			"2 numbers, expected 4, or one",
		},
		"no such input": {
			Options{Model: sized, Inputs: Constants{"sise": {1}}},
			nil,
			`"sise", expected an input of the model`,
		},
		"no whole number": {Options{Model: sized, Inputs: Constants{"size": {0.5, 4}}}, nil, "0.5, expected a whole number"},
		"all of them": {
			Options{Model: sized, Inputs: Constants{"size": {-1, 4}, "input": {0}}},
			nil,
			"takes the samples",
		},
	} {
		t.Run(name, func(t *testing.T) {
			orttest.Start(t)
			test.options.Preprocess = raw
			m, err := Open(t.Context(), test.options, gray(1, 2, 3, 4), gray(9, 0, 0, 1))
			if test.wrong != "" {
				if !errors.Is(err, ErrOptions) || !strings.Contains(err.Error(), test.wrong) {
					t.Errorf("got error %v, want ErrOptions with %q", err, test.wrong)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			got, err := m.Embed(t.Context(), gray(1, 2, 3, 4), gray(1, 2, 3, 4))
			if want := slices.Repeat(test.want, 2); err != nil || !slices.Equal(got.Embedding, want) {
				t.Errorf("got %v (error %v), want %v", got.Embedding, err, want)
			}
		})
	}
}

func TestTapOfACacheKey(t *testing.T) {
	file, err := onnx.Load(pair(t, "N"))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		options Options
		want    string
	}{
		"the name alone":      {Options{Output: Names{"sum"}}, "sum"},
		"none is the default": {Options{Output: Names{"double"}, Pool: PoolNone}, "double"},
		"pooled":              {Options{Output: Names{"double"}, Pool: PoolMax}, `{"output":["double"],"pool":"max"}`},
		"several":             {Options{Output: Names{"double", "sum"}}, `{"output":["double","sum"]}`},
		"with constant inputs": {
			Options{Output: Names{"sum"}, Inputs: Constants{"b": {1, 2}, "a": {0}}},
			`{"output":["sum"],"inputs":{"a":[0],"b":[1,2]}}`,
		},
	} {
		if got, err := test.options.Tap(file); err != nil || got != test.want {
			t.Errorf("%s: got %s (error %v), want %s", name, got, err, test.want)
		}
	}
}
