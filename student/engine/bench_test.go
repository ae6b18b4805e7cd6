package engine_test

import (
	"runtime"
	"testing"

	"gorgonia.org/tensor"

	"rkd/student/arch"
	"rkd/student/internal/instruction/instructiontest"
)

// convNet is a plain convolutional net on 28×28 images: two convolutions with pooling and a dense layer.
func convNet() arch.Config {
	return arch.Config{Layers: []arch.Layer{
		{Kind: arch.Conv, Out: 32, Pad: 1},
		{Kind: arch.ReLU},
		{Kind: arch.MaxPool},
		{Kind: arch.Conv, Out: 64, Pad: 1},
		{Kind: arch.ReLU},
		{Kind: arch.MaxPool},
		{Kind: arch.Flatten},
		{Kind: arch.Linear, Out: 64},
		{Kind: arch.ReLU},
	}}
}

// BenchmarkStep measures forward and backward of bench/peer's networks, without losses and optimiser; the gradients'
// norm is computed.
func BenchmarkStep(b *testing.B) {
	for _, c := range []struct {
		name   string
		config arch.Config
		input  []int
		batch  int
		dim    int
		flop   float64 // of the products, where a step is little else
	}{
		{"conv,batch=128", convNet(), []int{1, 28, 28}, 128, 10, 0},
		{"demo,batch=64", arch.Config{Conv: []int{8, 16, 32}}, []int{1, 28, 28}, 64, 16, 0},
		{
			"mlp,batch=256",
			arch.Config{MLP: []int{512, 256}, Norm: "none"},
			[]int{1, 28, 28},
			256, 64,
			// Forward and the gradients in weights of three layers, and in the inputs of the last two.
			2 * 256 * (2*784*512 + 3*512*256 + 3*256*64),
		},
		{"resnet20,batch=64", arch.Config{Preset: "resnet20"}, []int{3, 32, 32}, 64, 64, 0},
	} {
		b.Run(c.name, func(b *testing.B) {
			eachEngine(b, func(b *testing.B, build maker) {
				e, _ := newEngine(b, build, c.config, c.input, c.dim, c.batch)
				x := samples(c.batch * tensor.Shape(c.input).TotalSize())
				b.ReportAllocs()
				for b.Loop() {
					step(b, e, x, linear)
				}
				if c.flop > 0 {
					instructiontest.ReportShare(b, c.flop, runtime.GOMAXPROCS(0))
				}
			})
		})
	}
}
