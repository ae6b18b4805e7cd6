package ort

import (
	"strings"
	"testing"

	"rkd/models/onnx"
)

// sum is a session of c = a + b, each of two numbers.
func sum(t *testing.T) *Session {
	t.Helper()
	b := onnx.NewBuilder("sum", 17)
	inputs := []string{b.Input("a", onnx.Float32, 2), b.Input("b", onnx.Float32, 2)}
	b.Output(b.Node("Add", inputs), onnx.Float32, 2)
	m, err := b.Model("rkd", "")
	if err != nil {
		t.Fatal(err)
	}
	return session(t, m, Options{Threads: 1})
}

func TestBindingWorksOnSharedMemory(t *testing.T) {
	s := sum(t)
	a, b, c := []float32{1, 2}, []float32{10, 20}, make([]float32, 2)
	binding, err := s.Bind([]Value{tensor(t, a, 2), tensor(t, b, 2)}, []Value{tensor(t, c, 2)})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		a[0]++
		if err := binding.Run(); err != nil {
			t.Fatal(err)
		}
		if c[0] != a[0]+b[0] || c[1] != 22 {
			t.Errorf("the sum of %v and %v is %v", a, b, c)
		}
	}
	if allocs := testing.AllocsPerRun(10, func() { _ = binding.Run() }); allocs > 0 {
		t.Errorf("a run allocates %v times, expected none", allocs)
	}
	if err := binding.Close(); err != nil {
		t.Error(err)
	}
}

func TestBindRefusesWhatIsMissing(t *testing.T) {
	s := sum(t)
	v := tensor(t, []float32{1, 2}, 2)
	for name, c := range map[string]struct {
		in, out []Value
		want    string
	}{
		"too few inputs": {[]Value{v}, []Value{v}, "1 inputs and 1 outputs, expected 2 and 1"},
		"no outputs":     {[]Value{v, v}, nil, "2 inputs and 0 outputs, expected 2 and 1"},
		"an input":       {[]Value{v, nil}, []Value{v}, "no value for input"},
		"the output":     {[]Value{v, v}, []Value{nil}, "no value for output"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := s.Bind(c.in, c.out); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, expected it to say %q", err, c.want)
			}
		})
	}
}

func TestOptionsKnowTheProcessor(t *testing.T) {
	for provider, want := range map[string]bool{
		"": true, "cpu": true, "CPUExecutionProvider": true, "cuda": false, "CoreMLExecutionProvider": false,
	} {
		if got := (Options{Provider: provider}).OnProcessor(); got != want {
			t.Errorf("provider %q is the processor: %v, expected %v", provider, got, want)
		}
	}
}
