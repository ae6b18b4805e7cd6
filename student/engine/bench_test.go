package engine_test

import (
	"testing"

	"gorgonia.org/tensor"

	"rkd/student/arch"
	"rkd/student/engine"
)

// BenchmarkStep measures forward and backward of the demo's student, without losses and optimiser.
func BenchmarkStep(b *testing.B) {
	for name, c := range map[string]struct {
		config arch.Config
		batch  int
		dim    int
	}{
		"demo,batch=64": {arch.Config{Conv: []int{8, 16, 32}}, 64, 16},
		"mlp,batch=256": {arch.Config{MLP: []int{512, 256}, Norm: "none"}, 256, 64},
	} {
		b.Run(name, func(b *testing.B) {
			e := newEngine(b, c.config, []int{1, 28, 28}, c.dim, c.batch)
			x := samples(c.batch * 28 * 28)
			for b.Loop() {
				if err := e.Step(x, linear); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func newEngine(tb testing.TB, c arch.Config, input []int, dim, batch int) *engine.Gorgonia {
	tb.Helper()
	network, err := arch.New(c, input, dim, false)
	if err != nil {
		tb.Fatal(err)
	}
	e, err := engine.NewGorgonia(network, network.Init(1, tensor.Float32), batch)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { e.Close() })
	return e
}
