package engine_test

import (
	"math"
	"testing"

	"gorgonia.org/tensor"

	"rkd/models/onnx"
	"rkd/models/ort"
	"rkd/models/ort/orttest"
	"rkd/student/arch"
	"rkd/student/engine"
)

// Every kind of layer, lowered to ONNX and run by ONNX Runtime, is what the tape machine computes; folding batch
// normalisation changes nothing but rounding.
func TestLoweredNetworkComputesTheSame(t *testing.T) {
	orttest.Start(t)
	for name, test := range map[string]struct {
		config    arch.Config
		input     []int
		normalize bool
	}{
		"demo student": {arch.Config{Conv: []int{8, 16, 32}}, []int{1, 28, 28}, false},
		"average head": {arch.Config{Conv: []int{8, 16}, Pool: "avg", Head: "avg"}, []int{3, 16, 16}, true},
		"mlp":          {arch.Config{MLP: []int{32, 16}}, []int{40}, true},
		"layers": {arch.Config{Layers: []arch.Layer{
			{Kind: arch.Conv, Out: 6, Kernel: 5, Stride: 2, Pad: 2},
			{Kind: arch.BatchNorm},
			{Kind: arch.ReLU},
			{Kind: arch.Residual, Body: []arch.Layer{
				{Kind: arch.Conv, Out: 6, Pad: 1, Groups: 6},
				{Kind: arch.BatchNorm},
				{Kind: arch.ReLU},
				{Kind: arch.Conv, Out: 6, Pad: 2, Dilation: 2},
			}},
			{Kind: arch.AvgPool, Kernel: 3, Stride: 1, Pad: 1},
			{Kind: arch.GlobalMaxPool},
			{Kind: arch.Linear, Out: 9},
			{Kind: arch.BatchNorm},
			{Kind: arch.Residual, Body: []arch.Layer{{Kind: arch.Flatten}}}, // x + x
			{Kind: arch.L2Normalize},
		}}, []int{2, 15, 11}, false},
	} {
		t.Run(name, func(t *testing.T) {
			const n, dim = 5, 4
			network, err := arch.New(test.config, test.input, dim, test.normalize)
			if err != nil {
				t.Fatal(err)
			}
			weights := network.Init(3, tensor.Float32)
			e, err := engine.NewGorgonia(network, weights, n)
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			x := samples(n * tensor.Shape(test.input).TotalSize())
			for range 5 { // running statistics that differ from their first values
				step(t, e, x, linear)
			}
			want, err := e.Embed(t.Context(), nil, x)
			if err != nil {
				t.Fatal(err)
			}
			for _, fold := range []bool{false, true} {
				got := runLowered(t, network, weights, test.input, x, n, fold)
				for i := range want {
					if d := math.Abs(float64(got[i] - want[i])); d > 1e-5*max(1, math.Abs(float64(want[i]))) {
						t.Fatalf("folded %v: value %d is %v, the engine has %v", fold, i, got[i], want[i])
					}
				}
			}
		})
	}
}

func runLowered(t *testing.T, network *arch.Network, weights *arch.Weights, input []int, x []float32, n int,
	fold bool,
) []float32 {
	t.Helper()
	b := onnx.NewBuilder("student", 17)
	dims := []any{"N"}
	for _, d := range input {
		dims = append(dims, d)
	}
	name, err := engine.ToONNX(b, b.Input("input", onnx.Float32, dims...), network, weights)
	if err != nil {
		t.Fatal(err)
	}
	b.Output(name, onnx.Float32, "N", network.Dim)
	m, err := b.Model("test", "1")
	if err != nil {
		t.Fatal(err)
	}
	if fold {
		m.FoldBatchNorm()
	}
	session, err := ort.NewSession(m, ort.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	in, err := ort.NewTensor(append([]int{n}, input...), x)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out := make([]ort.Value, 1)
	if err := session.Run(t.Context(), []ort.Value{in}, out); err != nil {
		t.Fatal(err)
	}
	defer out[0].Close()
	return append([]float32(nil), out[0].(*ort.Tensor[float32]).Data()...)
}
