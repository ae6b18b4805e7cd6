package op

import (
	"math"

	"gorgonia.org/gorgonia"

	"rkd/models/onnx"
)

// Softplus is y = ln(1 + exp(x)) of any shape but a scalar. Its gradient is the logistic function σ(x).
func Softplus(x *gorgonia.Node) (*gorgonia.Node, error) {
	return applyPointwise(function{
		name:       "Softplus",
		value:      func(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) },
		slope:      logistic,
		lowerValue: func(b *onnx.Builder, x string) string { return b.Node("Softplus", []string{x}) },
		lowerSlope: func(b *onnx.Builder, x string) string { return b.Node("Sigmoid", []string{x}) },
	}, x)
}
