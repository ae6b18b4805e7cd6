package engine_test

import (
	"math"
	"slices"
	"testing"

	"gorgonia.org/tensor"

	"rkd/models/ort/orttest"
	"rkd/student/arch"
	"rkd/student/engine"
	"rkd/student/optim"
)

// network is a student that both engines run.
type network struct {
	config    arch.Config
	input     []int
	dim       int
	normalize bool
}

func (n network) make(t *testing.T) (*arch.Network, *arch.Weights) {
	t.Helper()
	net, err := arch.New(n.config, n.input, n.dim, n.normalize)
	if err != nil {
		t.Fatal(err)
	}
	return net, net.Init(3, tensor.Float32)
}

// networks are the architectures of the suite: every kind of layer is in one of them.
func networks() map[string]network {
	layers := func(l ...arch.Layer) arch.Config { return arch.Config{Layers: l} }
	no := false
	return map[string]network{
		"demo student":    {arch.Config{Conv: []int{8, 16, 32}}, []int{1, 28, 28}, 16, false},
		"conv":            {convNet(), []int{1, 28, 28}, 10, false},
		"mlp":             {arch.Config{MLP: []int{32, 16}, Norm: "none"}, []int{40}, 4, false},
		"normalised mlp":  {arch.Config{MLP: []int{32, 16}}, []int{40}, 4, true},
		"average pooling": {arch.Config{Conv: []int{8, 16}, Pool: "avg", Head: "avg"}, []int{3, 16, 16}, 4, true},
		"maximum head":    {arch.Config{Conv: []int{8, 16}, Head: "max"}, []int{3, 16, 16}, 4, false},
		"strides, dilation and groups": {layers(
			arch.Layer{Kind: arch.Conv, Out: 6, Kernel: 5, Stride: 2, Pad: 2},
			arch.Layer{Kind: arch.ReLU},
			arch.Layer{Kind: arch.Conv, Out: 6, Pad: 1, Groups: 6},
			arch.Layer{Kind: arch.BatchNorm},
			arch.Layer{Kind: arch.ReLU},
			arch.Layer{Kind: arch.Conv, Out: 8, Pad: 2, Dilation: 2, Groups: 2},
			arch.Layer{Kind: arch.Conv, Out: 8, Kernel: 1, Bias: &no},
			arch.Layer{Kind: arch.Conv, Out: 4, Kernel: 3, Stride: 3},
			arch.Layer{Kind: arch.Conv, Out: 4, Kernel: 2, Pad: 2},
			arch.Layer{Kind: arch.Flatten},
		), []int{2, 30, 23}, 5, false},
		"residual": {layers(
			arch.Layer{Kind: arch.Conv, Out: 6, Pad: 1},
			arch.Layer{Kind: arch.Residual, Body: []arch.Layer{
				{Kind: arch.Conv, Out: 6, Pad: 1},
				{Kind: arch.BatchNorm},
				{Kind: arch.ReLU},
				{Kind: arch.Conv, Out: 6, Pad: 1},
			}},
			arch.Layer{Kind: arch.Residual, Body: []arch.Layer{ // two biases with one gradient
				{Kind: arch.Conv, Out: 8, Stride: 2, Pad: 1},
			}, Shortcut: []arch.Layer{
				{Kind: arch.Conv, Out: 8, Kernel: 1, Stride: 2},
			}},
			arch.Layer{Kind: arch.ReLU},
			arch.Layer{Kind: arch.AvgPool, Kernel: 3, Stride: 1, Pad: 1},
			arch.Layer{Kind: arch.GlobalMaxPool},
			arch.Layer{Kind: arch.Linear, Out: 9},
			arch.Layer{Kind: arch.BatchNorm},
			arch.Layer{Kind: arch.Residual, Body: []arch.Layer{{Kind: arch.Flatten}}}, // x + x
			arch.Layer{Kind: arch.L2Normalize},
		), []int{2, 15, 11}, 4, false},
		"newer layers": {layers(
			arch.Layer{Kind: arch.Conv, Out: 6, Pad: 1},
			arch.Layer{Kind: arch.GELU},
			arch.Layer{Kind: arch.ConvTranspose, Out: 4, Kernel: 2, Stride: 2},
			arch.Layer{Kind: arch.HardSwish},
			arch.Layer{Kind: arch.Flatten},
			arch.Layer{Kind: arch.LayerNorm},
			arch.Layer{Kind: arch.Dropout, Rate: 0.3},
			arch.Layer{Kind: arch.Linear, Out: 12},
			arch.Layer{Kind: arch.SiLU},
			arch.Layer{Kind: arch.Softmax},
		), []int{2, 6, 5}, 4, false},
		"overlapping maxima": {layers(
			arch.Layer{Kind: arch.Conv, Out: 6, Pad: 1},
			arch.Layer{Kind: arch.MaxPool, Kernel: 3, Stride: 2, Pad: 1},
			arch.Layer{Kind: arch.ReLU},
			arch.Layer{Kind: arch.MaxPool, Kernel: 2},
			arch.Layer{Kind: arch.Flatten},
		), []int{1, 13, 17}, 4, false},
	}
}

// expectClose is an error unless got is want to 1e-4 of want's largest element, that is relative for a tensor.
func expectClose(t *testing.T, what string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, expected %d", what, len(got), len(want))
	}
	largest := 0.0
	for _, v := range want {
		largest = max(largest, math.Abs(float64(v)))
	}
	for i, v := range want {
		if d := math.Abs(float64(got[i] - v)); !(d <= 1e-4*largest) {
			t.Fatalf("%s: value %d is %v, expected %v within 1e-4 of %v", what, i, got[i], v, largest)
		}
	}
}

// training is a student under way on one engine.
type training struct {
	observable
	weights *arch.Weights
}

func newTraining(t *testing.T, n network, build maker, batch int, kind string) *training {
	t.Helper()
	net, weights := n.make(t)
	e, err := build(net, weights, batch)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	// With Adam's usual ε of 1e-8 a gradient that is nothing but rounding moves a weight as far as any other.
	if err := e.Optimize(engine.Update{Optimizer: optim.Options{Kind: kind, Epsilon: 1e-4}}); err != nil {
		t.Fatal(err)
	}
	return &training{observable: e, weights: weights}
}

// step runs a step and returns the embeddings that the objective saw.
func (tr *training) step(t *testing.T, x []float32) []float32 {
	t.Helper()
	var embedding []float32
	step(t, tr, x, func(e, gradient []float32) (float64, error) {
		embedding = slices.Clone(e)
		return linear(e, gradient)
	})
	return embedding
}

// Both engines agree on everything that a step reads and writes, and still do after ten steps.
func TestEnginesAgree(t *testing.T) {
	orttest.Start(t)
	const batch = 6
	for name, n := range networks() {
		for _, kind := range []string{optim.SGD, optim.Adam} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				want := newTraining(t, n, gorgoniaEngine, batch, kind)
				got := newTraining(t, n, onnxRuntimeEngine, batch, kind)
				for step := range 10 {
					x := samples((step + 1) * batch * tensor.Shape(n.input).TotalSize())[step*batch*tensor.Shape(n.input).TotalSize():]
					e := want.step(t, x)
					expectClose(t, "embedding", got.step(t, x), e)
					if step == 0 {
						for i, g := range want.Gradients() {
							expectClose(t, "gradient of "+want.weights.Params[i].Name, got.Gradients()[i], g)
						}
					}
				}
				for i, p := range want.weights.Params {
					expectClose(t, p.Name, got.weights.Params[i].Value.Data().([]float32), p.Value.Data().([]float32))
				}
				for i, b := range want.weights.Buffers {
					expectClose(t, b.Name, got.weights.Buffers[i].Value.Data().([]float32), b.Value.Data().([]float32))
				}
				x := samples(2 * batch * tensor.Shape(n.input).TotalSize())
				wanted, err := want.Embed(t.Context(), nil, x)
				if err != nil {
					t.Fatal(err)
				}
				embedded, err := got.Embed(t.Context(), nil, x)
				if err != nil {
					t.Fatal(err)
				}
				expectClose(t, "inference", embedded, wanted)
			})
		}
	}
}

// Two trainings from the same weights on the same batches give the same bits.
func TestTrainingIsReproducible(t *testing.T) {
	orttest.Start(t)
	const batch = 32
	for _, name := range []string{"demo student", "conv", "residual"} {
		for _, threads := range []int{1, 2} {
			t.Run(name, func(t *testing.T) {
				n := networks()[name]
				build := func(net *arch.Network, weights *arch.Weights, batch int) (observable, error) {
					return engine.NewONNXRuntime(net, weights, batch, engine.Options{Threads: threads})
				}
				var bits [2][]uint32
				for i := range bits {
					tr := newTraining(t, n, build, batch, optim.Adam)
					for range 10 {
						tr.step(t, samples(batch*tensor.Shape(n.input).TotalSize()))
					}
					for _, w := range slices.Concat(tr.weights.Params, tr.weights.Buffers) {
						for _, v := range w.Value.Data().([]float32) {
							bits[i] = append(bits[i], math.Float32bits(v))
						}
					}
				}
				if !slices.Equal(bits[0], bits[1]) {
					t.Error("the weights' bits differ after ten steps")
				}
			})
		}
	}
}
