package op

import (
	"math"

	"gorgonia.org/gorgonia"

	"rkd/models/onnx"
)

// Tanh is y = tanh(x) of any shape but a scalar. Its gradient is 1 − y².
func Tanh(x *gorgonia.Node) (*gorgonia.Node, error) {
	return applyPointwise(function{
		name:       "Tanh",
		value:      math.Tanh,
		slope:      func(y float64) float64 { return 1 - y*y },
		ofOutput:   true,
		lowerValue: func(b *onnx.Builder, x string) string { return b.Node("Tanh", []string{x}) },
		lowerSlope: func(b *onnx.Builder, y string) string {
			return b.Node("Sub", []string{constant(b, 1), b.Node("Mul", []string{y, y})})
		},
	}, x)
}
