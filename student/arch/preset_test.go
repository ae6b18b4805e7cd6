package arch_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/student/arch"
)

func TestPresetsHaveTheParametersOfTheLiterature(t *testing.T) {
	tests := map[string]struct {
		config       arch.Config
		input        []int
		dim          int
		parameters   int64
		multiplyAdds int64
	}{
		// 27·64 + 3·9·64² + 4·2·64, the literature's 0.11 M, and the embedding layer, 1600·64 + 64.
		"conv4": {arch.Config{Preset: "conv4"}, []int{3, 84, 84}, 64, 112832 + 102464, 97266688},
		// 0.27 M: 269,722 with option A's shortcuts; option B's add 16·32 + 2·32 and 32·64 + 2·64. 40.8 M multiply-adds.
		"resnet20": {arch.Config{Preset: "resnet20"}, []int{3, 32, 32}, 10, 269722 + 576 + 2176, 40813184},
		"resnet14": {arch.Config{Preset: "resnet14"}, []int{3, 32, 32}, 10, 172506 + 576 + 2176, 26657408},
		"resnet8":  {arch.Config{Preset: "resnet8"}, []int{3, 32, 32}, 10, 75290 + 576 + 2176, 12501632},
		// Of its table.
		"mobilenet-small": {arch.Config{Preset: "mobilenet-small"}, []int{3, 96, 96}, 64, 84896, 17678848},
		// All but the first convolution have a quarter of the weights.
		"half of conv4": {arch.Config{Preset: "conv4", Width: 32}, []int{3, 84, 84}, 64, 27*32 + 27648 + 256 +
			51264, 27390464},
	}
	for name, test := range tests {
		n, err := arch.New(test.config, test.input, test.dim, false)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var parameters, multiplyAdds int64
		for _, s := range n.Summaries() {
			parameters, multiplyAdds = parameters+s.Parameters, multiplyAdds+s.MultiplyAdds
		}
		if parameters != test.parameters || multiplyAdds != test.multiplyAdds {
			t.Errorf("%s has %d parameters and %d multiply-adds, expected %d and %d", name, parameters, multiplyAdds,
				test.parameters, test.multiplyAdds)
		}
		if int64(n.Parameters()) != parameters {
			t.Errorf("%s: the layers have %d parameters, the network %d", name, parameters, n.Parameters())
		}
	}
}

func TestPresetsLearn(t *testing.T) {
	const batch, dim, rate = 8, 4, 0.05
	for name, side := range map[string]int{
		"conv4": 16, "resnet8": 12, "resnet14": 12, "resnet20": 12,
		"mobilenet-small": 28,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, err := arch.New(arch.Config{Preset: name, Width: 8}, []int{1, side, side}, dim, false)
			if err != nil {
				t.Fatal(err)
			}
			weights := n.Init(3, tensor.Float32)
			rng := rand.New(rand.NewPCG(1, 2))
			normal := func(int) float64 { return rng.NormFloat64() }
			x := input(n.Input, batch, normal, tensor.Float32)
			var losses []float64
			r := newTrainer(t, n, weights, x, func(embedding, gradient gorgonia.Value) { // ½·mean ‖e − t‖², t alternates
				g, loss := gradient.Data().([]float32), 0.0
				for i, v := range embedding.Data().([]float32) {
					d := v - float32(i%3-1)
					g[i] = d / batch
					loss += float64(d*d) / (2 * batch)
				}
				losses = append(losses, loss)
			})
			for range 10 {
				r.run(t)
				for i, v := range r.gradients {
					data := floats(weights.Params[i])
					for j, g := range v.Data().([]float32) {
						data[j] -= rate * g
					}
				}
			}
			if last := losses[len(losses)-1]; !(last < 0.8*losses[0]) || math.IsNaN(last) {
				t.Errorf("losses of ten steps are %.4g, expected them to fall by a fifth", losses)
			}
		})
	}
}
