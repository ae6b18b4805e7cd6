package op

import (
	"math"

	"gorgonia.org/gorgonia"

	"rkd/models/onnx"
)

// Sigmoid is the logistic function y = σ(x) = 1/(1 + exp(−x)) of any shape but a scalar. Its gradient is y·(1 − y).
func Sigmoid(x *gorgonia.Node) (*gorgonia.Node, error) {
	return applyPointwise(function{
		name:       "Sigmoid",
		value:      logistic,
		slope:      func(y float64) float64 { return y * (1 - y) },
		ofOutput:   true,
		lowerValue: func(b *onnx.Builder, x string) string { return b.Node("Sigmoid", []string{x}) },
		lowerSlope: func(b *onnx.Builder, y string) string {
			return b.Node("Mul", []string{y, b.Node("Sub", []string{constant(b, 1), y})})
		},
	}, x)
}

func logistic(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
