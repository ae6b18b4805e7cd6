package engine_test

import (
	"errors"
	"strings"
	"testing"

	"gorgonia.org/tensor"

	"rkd/models/ort"
	"rkd/models/ort/orttest"
	"rkd/student/arch"
	"rkd/student/engine"
)

func TestUnknownProviderIsNamed(t *testing.T) {
	orttest.Start(t)
	net, err := arch.New(arch.Config{MLP: []int{4}}, []int{6}, 3, false)
	if err != nil {
		t.Fatal(err)
	}
	_, err = engine.NewONNXRuntime(net, net.Init(1, tensor.Float32), 4, engine.Options{Provider: "abacus"})
	if !errors.Is(err, ort.ErrProvider) || !strings.Contains(err.Error(), "abacus") {
		t.Errorf("error is %v, expected ErrProvider with the provider's name", err)
	}
}

// Weights that are changed in place between steps count for the next one.
func TestStepsShareTheWeightsMemory(t *testing.T) {
	eachEngine(t, func(t *testing.T, make maker) {
		e, weights := newEngine(t, make, arch.Config{MLP: []int{4}, Norm: "none"}, []int{6}, 3, 4)
		for _, p := range weights.Params {
			clear(p.Value.Data().([]float32))
		}
		step(t, e, samples(24), func(embedding, gradient []float32) (float64, error) {
			for i, v := range embedding {
				if v != 0 {
					t.Errorf("embedding[%d] of a network of zeros is %v", i, v)
				}
			}
			return linear(embedding, gradient)
		})
	})
}

// What a step leaves to the garbage collector are shapes and loops, nothing of the size of an activation.
func TestStepAllocatesNoActivations(t *testing.T) {
	orttest.Start(t)
	e, _ := newEngine(t, onnxRuntimeEngine, arch.Config{Conv: []int{8, 16, 32}}, []int{1, 28, 28}, 16, 64)
	x := samples(64 * 28 * 28)
	step(t, e, x, linear) // fills the scratch buffers
	result := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			step(b, e, x, linear)
		}
	})
	if got := result.AllocedBytesPerOp(); got > 64<<10 {
		t.Errorf("a step allocates %d bytes, expected less than 64 KiB", got)
	}
}
