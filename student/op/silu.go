package op

import (
	"gorgonia.org/gorgonia"

	"rkd/models/onnx"
)

// SiLU is y = x·σ(x) with the logistic function σ, of any shape but a scalar, also called swish. Its gradient is
// σ(x)·(1 + x·(1 − σ(x))).
//
// Source: Elfwing et al., arXiv:1702.03118.
func SiLU(x *gorgonia.Node) (*gorgonia.Node, error) {
	return applyPointwise(function{
		name:  "SiLU",
		value: func(x float64) float64 { return x * logistic(x) },
		slope: func(x float64) float64 {
			s := logistic(x)
			return s * (1 + x*(1-s))
		},
		lowerValue: func(b *onnx.Builder, x string) string {
			return b.Node("Mul", []string{x, b.Node("Sigmoid", []string{x})})
		},
		lowerSlope: func(b *onnx.Builder, x string) string { // σ + xσ·(1 − σ)
			s := b.Node("Sigmoid", []string{x})
			rest := b.Node("Sub", []string{constant(b, 1), s})
			return b.Node("Add", []string{s, b.Node("Mul", []string{b.Node("Mul", []string{x, s}), rest})})
		},
	}, x)
}
