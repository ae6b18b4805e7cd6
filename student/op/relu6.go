package op

import (
	"gorgonia.org/gorgonia"

	"rkd/models/onnx"
)

// ReLU6 is y = min(max(x, 0), 6) of any shape but a scalar. Its gradient is 0 at both ends; NaN stays NaN.
//
// Source: Krizhevsky, Convolutional Deep Belief Networks on CIFAR-10, 2010.
func ReLU6(x *gorgonia.Node) (*gorgonia.Node, error) {
	return applyPointwise(function{
		name:  "ReLU6",
		value: func(x float64) float64 { return min(max(x, 0), 6) },
		slope: func(y float64) float64 {
			if 0 < y && y < 6 {
				return 1
			}
			return 0
		},
		ofOutput: true,
		lowerValue: func(b *onnx.Builder, x string) string {
			return b.Node("Clip", []string{x, constant(b, 0), constant(b, 6)})
		},
		lowerSlope: func(b *onnx.Builder, y string) string { // sign(y)·sign(6−y), for 0 ≤ y ≤ 6
			room := b.Node("Sub", []string{constant(b, 6), y})
			return b.Node("Mul", []string{b.Node("Sign", []string{y}), b.Node("Sign", []string{room})})
		},
	}, x)
}
