package ort

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"rkd/models/onnx"
)

// ready loads the library that `make setup` installed; a test that needs it fails without.
func ready(t testing.TB) string {
	t.Helper()
	cache, err := CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	path, err := Find("", cache)
	if err != nil {
		t.Fatal(err)
	}
	if err := Init(path); err != nil {
		t.Fatal(err)
	}
	return path
}

func loadModel(t testing.TB, name string) *onnx.Model {
	t.Helper()
	m, err := onnx.Load(filepath.Join("..", "onnx", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func session(t testing.TB, m *onnx.Model, o Options) *Session {
	t.Helper()
	ready(t)
	s, err := NewSession(m, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func tensor[T Element](t testing.TB, data []T, shape ...int) *Tensor[T] {
	t.Helper()
	v, err := NewTensor(shape, data)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	})
	return v
}

// run gives the only output, of the runtime's making.
func run(t testing.TB, s *Session, inputs ...Value) Value {
	t.Helper()
	out := make([]Value, 1)
	if err := s.Run(t.Context(), inputs, out); err != nil {
		t.Fatal(err)
	}
	return out[0]
}

type golden struct{ Input, Embedding []float32 }

func readGolden(t testing.TB) golden {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "onnx", "testdata", "golden.json"))
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatal(err)
	}
	return g
}

// near requires equality to a relative 1e-5 of the largest value.
func near(t *testing.T, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %d values, want %d", len(got), len(want))
	}
	var scale float64
	for _, v := range want {
		scale = max(scale, math.Abs(float64(v)))
	}
	for i := range want {
		if d := math.Abs(float64(got[i]) - float64(want[i])); !(d <= 1e-5*scale) {
			t.Fatalf("value %d: got %v, want %v", i, got[i], want[i])
		}
	}
}

func TestInitIsOnceAndForOneLibrary(t *testing.T) {
	path := ready(t)
	if err := Init(path); err != nil {
		t.Errorf("second call: %v", err)
	}
	other := filepath.Join(t.TempDir(), "other.so")
	if err := Init(other); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), other) {
		t.Errorf("got error %v, want one that names both libraries", err)
	}
	if v := LibraryVersion(); !strings.HasPrefix(v, "1.") {
		t.Errorf("got version %q, want 1.something", v)
	}
	providers, err := Providers()
	if err != nil || !slices.Contains(providers, "CPUExecutionProvider") {
		t.Errorf("got providers %v (error %v), want the processor among them", providers, err)
	}
}

func TestModelsComputeWhatPyTorchComputes(t *testing.T) {
	g := readGolden(t)
	for name, change := range map[string]func(*onnx.Model){
		"conv_bn.onnx":        nil,
		"external.onnx":       nil,
		"fixed.onnx":          nil,
		"conv_bn.onnx folded": func(m *onnx.Model) { m.FoldBatchNorm() },
		"fixed.onnx folded":   func(m *onnx.Model) { m.FoldBatchNorm() },
	} {
		t.Run(name, func(t *testing.T) {
			m := loadModel(t, strings.TrimSuffix(name, " folded"))
			if change != nil {
				change(m)
			}
			out := run(t, session(t, m, Options{}), tensor(t, g.Input, 2, 1, 6, 6))
			defer out.Close()
			if !slices.Equal(out.Shape(), []int{2, 3}) || out.Elem() != onnx.Float32 {
				t.Errorf("got %s %v, want float32 [2 3]", out.Elem(), out.Shape())
			}
			near(t, out.(*Tensor[float32]).Data(), g.Embedding)
		})
	}
}

func TestTensorsInsideAModelCanBeTapped(t *testing.T) {
	g := readGolden(t)
	m := loadModel(t, "conv_bn.onnx")
	if err := m.Tap("/Relu_1_output_0", "embedding"); err != nil {
		t.Fatal(err)
	}
	if e := m.Outputs()[0].Elem; e != onnx.Undefined {
		t.Fatalf("the file says that the tapped tensor is %s: this test is about one of unknown type", e)
	}
	out := make([]Value, 2)
	if err := session(t, m, Options{}).Run(t.Context(), []Value{tensor(t, g.Input, 2, 1, 6, 6)}, out); err != nil {
		t.Fatal(err)
	}
	if got, want := out[0].Shape(), []int{2, 4, 4, 4}; !slices.Equal(got, want) {
		t.Errorf("got shape %v, want %v", got, want)
	}
	near(t, out[1].(*Tensor[float32]).Data(), g.Embedding)
	for _, v := range out {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestHalfPrecisionIsSeenAndCast(t *testing.T) {
	x := tensor(t, []float32{1, 0, 0, 0, 0, 2, 0, 0}, 2, 4)
	m := loadModel(t, "half.onnx")
	if err := session(t, m, Options{}).Run(t.Context(), []Value{x}, make([]Value, 1)); !errors.Is(err, ErrElement) {
		t.Errorf("got error %v, want ErrElement", err)
	}
	if err := m.CastToFloat("y"); err != nil {
		t.Fatal(err)
	}
	cast := run(t, session(t, m, Options{}), x)
	defer cast.Close()
	near(t, cast.(*Tensor[float32]).Data(), []float32{0, 0.125, 0.25, 0.75, 1, 1.25})
}

func TestBoundOutputsAreWrittenInPlace(t *testing.T) {
	g := readGolden(t)
	s := session(t, loadModel(t, "conv_bn.onnx"), Options{})
	result := make([]float32, 6)
	err := s.Run(t.Context(), []Value{tensor(t, g.Input, 2, 1, 6, 6)}, []Value{tensor(t, result, 2, 3)})
	if err != nil {
		t.Fatal(err)
	}
	near(t, result, g.Embedding)
}

func TestOneBatchGivesTheSameBits(t *testing.T) {
	g := readGolden(t)
	s := session(t, loadModel(t, "conv_bn.onnx"), Options{Threads: 3})
	first := make([]float32, 6)
	if err := s.Run(t.Context(), []Value{tensor(t, g.Input, 2, 1, 6, 6)}, []Value{tensor(t, first, 2, 3)}); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 4 {
		in, result := tensor(t, g.Input, 2, 1, 6, 6), make([]float32, 6)
		out := tensor(t, result, 2, 3)
		group.Go(func() {
			for range 20 {
				if err := s.Run(t.Context(), []Value{in}, []Value{out}); err != nil {
					t.Error(err)
					return
				}
				if !slices.Equal(result, first) {
					t.Errorf("got %v, want the bits of the first run, %v", result, first)
					return
				}
			}
		})
	}
	group.Wait()
}

func TestMistakesAreErrorsOfOneLine(t *testing.T) {
	ready(t)
	g := readGolden(t)
	s := session(t, loadModel(t, "conv_bn.onnx"), Options{})
	in := tensor(t, g.Input, 2, 1, 6, 6)
	broken := func(change func(*onnx.GraphProto)) error {
		m := loadModel(t, "conv_bn.onnx")
		change(m.Proto.Graph)
		_, err := NewSession(m, Options{})
		return err
	}
	provider := func(o Options) error {
		_, err := NewSession(loadModel(t, "conv_bn.onnx"), o)
		return err
	}
	missing := loadModel(t, "external.onnx")
	missing.Dir = t.TempDir()
	_, externalErr := NewSession(missing, Options{})
	for name, test := range map[string]struct {
		err  error
		is   error
		want string
	}{
		"wrong shape": {s.Run(t.Context(), []Value{tensor(t, g.Input, 2, 36)}, make([]Value, 1)), nil, "running the model: "},
		"wrong element type": {
			s.Run(t.Context(), []Value{tensor(t, make([]float64, 72), 2, 1, 6, 6)}, make([]Value, 1)), nil,
			"running the model: ",
		},
		"no input": {s.Run(t.Context(), nil, make([]Value, 1)), nil, "0 inputs and 1 outputs, expected 1 and 1"},
		"nil input": {
			s.Run(t.Context(), []Value{nil}, make([]Value, 1)), nil,
			`no value for input "input" float32 (N,1,6,6)`,
		},
		"wrong output shape": {
			s.Run(t.Context(), []Value{in}, []Value{tensor(t, make([]float32, 6), 3, 2)}), nil,
			"running the model: ",
		},
		"unknown operator":      {broken(func(g *onnx.GraphProto) { g.Node[0].OpType = new("Convolute") }), nil, "Convolute"},
		"no outputs":            {broken(func(g *onnx.GraphProto) { g.Output = nil }), nil, "0 outputs"},
		"missing data file":     {externalErr, nil, "external.bin"},
		"a check of a provider": {CheckProvider(Options{Provider: "abacus"}), ErrProvider, `"abacus" is not in ONNX`},
		"unknown provider":      {provider(Options{Provider: "abacus"}), ErrProvider, `"abacus" is not in ONNX Runtime 1.`},
		"options of the CPU": {
			provider(Options{ProviderOptions: map[string]string{"a": "b"}}), ErrProvider,
			"takes no options",
		},
		"negative threads": {provider(Options{Threads: -1}), nil, "threads is -1"},
	} {
		t.Run(name, func(t *testing.T) {
			if test.err == nil || !strings.Contains(test.err.Error(), test.want) || strings.Contains(test.err.Error(), "\n") {
				t.Errorf("got error %v, want one line with %q", test.err, test.want)
			}
			if test.is != nil && !errors.Is(test.err, test.is) {
				t.Errorf("got error %v, want %v", test.err, test.is)
			}
		})
	}
	if _, err := NewTensor([]int{2, 2}, make([]float32, 3)); err == nil {
		t.Error("got no error for 3 values of shape 2×2")
	}
}

func TestProviderNamesAreThoseOfPeople(t *testing.T) {
	for _, name := range []string{"", "cpu", "CPU", "CPUExecutionProvider"} {
		session(t, loadModel(t, "fixed.onnx"), Options{Provider: name})
	}
}

func BenchmarkRun(b *testing.B) {
	g := readGolden(b)
	s := session(b, loadModel(b, "conv_bn.onnx"), Options{})
	in, out := []Value{tensor(b, g.Input, 2, 1, 6, 6)}, []Value{tensor(b, make([]float32, 6), 2, 3)}
	for b.Loop() {
		if err := s.Run(b.Context(), in, out); err != nil {
			b.Fatal(err)
		}
	}
}
