package onnx_test

import (
	"fmt"
	"strings"
	"testing"

	"rkd/models/onnx"
)

func ExampleBuilder() {
	b := onnx.NewBuilder("classifier", 17)
	x := b.Input("input", onnx.Float32, "N", 4)
	w := b.Float32("weight", []int{2, 4}, []float32{1, 0, 0, 0, 0, 1, 0, 0})
	h := b.Node("Gemm", []string{x, w}, onnx.Int("transB", 1))
	b.NodeTo("logits", "Relu", []string{h})
	b.Output("logits", onnx.Float32, "N", 2)
	m, err := b.Model("rkd", "0.1")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(m.Inputs()[0], "→", m.Outputs()[0], m.Parameters(), "parameters")
	// Output: "input" float32 (N,4) → "logits" float32 (N,2) 8 parameters
}

func TestNamesAreReadableAndUnique(t *testing.T) {
	b := onnx.NewBuilder("g", 17)
	x := b.Input("relu_2", onnx.Float32, "N")
	var got []string
	for range 3 {
		x = b.Node("Relu", []string{x})
		got = append(got, x)
	}
	got = append(got, b.Unique("weight"), b.Unique("weight"), b.Float32("weight", nil, []float32{1}))
	want := "relu_1 relu_2_1 relu_3 weight weight_1 weight_2"
	if s := strings.Join(got, " "); s != want {
		t.Errorf("got names %s, want %s", s, want)
	}
}

func TestRenameReachesEveryUse(t *testing.T) {
	b := onnx.NewBuilder("g", 17)
	h := b.Node("Abs", []string{b.Input("x", onnx.Float32, "N")})
	b.Output(b.Node("Neg", []string{h}), onnx.Float32, "N")
	b.Rename(h, "embedding")
	b.Output("embedding", onnx.Float32, "N")
	m, err := b.Model("rkd", "1")
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Proto.Graph.Node[1].Input[0]; got != "embedding" {
		t.Errorf("the second node reads %q, want embedding", got)
	}
}

func TestBuilderMistakesAreErrors(t *testing.T) {
	for name, test := range map[string]struct {
		build func(b *onnx.Builder)
		want  string
	}{
		"unknown input": {func(b *onnx.Builder) { b.NodeTo("y", "Abs", []string{"z"}) }, `input "z"`},
		"name twice":    {func(b *onnx.Builder) { b.NodeTo("x", "Abs", []string{"x"}) }, `"x" is defined twice`},
		"shape": {
			func(b *onnx.Builder) { b.Float32("w", []int{2, 2}, make([]float32, 3)) }, "3 values for shape [2 2]",
		},
		"dimension":       {func(b *onnx.Builder) { b.Output("y", onnx.Float32, 1.5) }, "is a float64"},
		"rename unknown":  {func(b *onnx.Builder) { b.Rename("z", "w") }, "no such tensor"},
		"rename to taken": {func(b *onnx.Builder) { b.Rename("x", "y") }, `"y" is defined twice`},
	} {
		t.Run(name, func(t *testing.T) {
			b := onnx.NewBuilder("g", 17)
			x := b.Input("x", onnx.Float32, "N")
			if name != "unknown input" {
				b.NodeTo("y", "Neg", []string{x})
			}
			b.Output("y", onnx.Float32, "N")
			test.build(b)
			if _, err := b.Model("rkd", "1"); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want %q", err, test.want)
			}
		})
	}
	b := onnx.NewBuilder("old", 6)
	if _, err := b.Model("rkd", "1"); err == nil {
		t.Error("got no error for an operator set that is too old")
	}
}

func TestEqualBuildsGiveEqualBytes(t *testing.T) {
	var first []byte
	for range 5 {
		b := onnx.NewBuilder("g", 17)
		x := b.Input("x", onnx.Float32, "N", 2)
		b.Output(b.Node("Mul", []string{x, b.Float32("w", []int{2}, []float32{1, 2})}), onnx.Float32, "N", 2)
		m, err := b.Model("rkd", "1")
		if err != nil {
			t.Fatal(err)
		}
		m.SetMetadata(map[string]string{"seed": "1", "teacher": "abc", "config": "x", "version": "2"})
		data, err := m.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = data
		}
		if string(data) != string(first) {
			t.Fatal("two builds of one graph differ")
		}
	}
}
