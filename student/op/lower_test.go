package op

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/models/onnx"
	"rkd/models/ort"
)

// startRuntime loads ONNX Runtime; a test that needs it fails without.
func startRuntime(tb testing.TB) {
	tb.Helper()
	cache := os.Getenv("RKD_CACHE_DIR")
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			tb.Fatal(err)
		}
		cache = filepath.Join(user, "rkd")
	}
	library, err := ort.Find("", cache)
	if err != nil {
		tb.Fatal(err)
	}
	if err := ort.Init(library); err != nil {
		tb.Fatal(err)
	}
}

// lowered runs y's operator as an ONNX model on the inputs.
func lowered(t *testing.T, y *gorgonia.Node, inputs []array) array {
	t.Helper()
	b := onnx.NewBuilder("test", 17)
	var names []string
	var values []ort.Value
	for i, in := range inputs {
		var dims []any
		for _, d := range in.Shape {
			dims = append(dims, d)
		}
		names = append(names, b.Input(string(rune('a'+i)), onnx.Float32, dims...))
		v, err := ort.NewTensor(in.Shape, dense[float32](in).Data().([]float32))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = v.Close() }()
		values = append(values, v)
	}
	for len(names) < y.Op().Arity() { // one node given twice
		names = append(names, names[0])
	}
	name, err := Of(y).Lower(b, names)
	if err != nil {
		t.Fatal(err)
	}
	var dims []any
	for _, d := range y.Shape() {
		dims = append(dims, d)
	}
	b.Output(name, onnx.Float32, dims...)
	m, err := b.Model("rkd", "test")
	if err != nil {
		t.Fatal(err)
	}
	s, err := ort.NewSession(m, ort.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	out := make([]ort.Value, 1)
	if err := s.Run(t.Context(), values, out); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out[0].Close() }()
	data := slices.Clone(out[0].(*ort.Tensor[float32]).Data()) // the output dies with this function
	return undense[float32](t, tensor.New(tensor.WithShape(out[0].Shape()...), tensor.WithBacking(data)))
}

func TestLoweredOperatorsAgreeWithTheKernels(t *testing.T) {
	startRuntime(t)
	eachSpec(t, func(t *testing.T, s spec, g golden) {
		nodes := make(gorgonia.Nodes, len(g.Inputs))
		graph := gorgonia.NewGraph()
		for i, in := range g.Inputs {
			nodes[i] = variable(graph, string(rune('a'+i)), dense[float32](in))
		}
		y, err := s.op(nodes)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(y.Op().String(), "BatchNorm{") {
			if Of(y).Lowers() {
				t.Error("batch normalisation with the batch's statistics has no place in an inference graph")
			}
			return
		}
		expectClose(t, "ONNX Runtime", lowered(t, y, g.Inputs), forward[float32](t, s.op, g.Inputs), 1e-5)
	})
}

func TestLowerRefusesAWrongNumberOfInputs(t *testing.T) {
	eachSpec(t, func(t *testing.T, s spec, g golden) {
		graph := gorgonia.NewGraph()
		nodes := make(gorgonia.Nodes, len(g.Inputs))
		for i, in := range g.Inputs {
			nodes[i] = variable(graph, string(rune('a'+i)), dense[float32](in))
		}
		y, err := s.op(nodes)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Of(y).Lower(onnx.NewBuilder("test", 17), nil); !errors.Is(err, errLower) {
			t.Errorf("error %v for no inputs, want %v", err, errLower)
		}
	})
}
