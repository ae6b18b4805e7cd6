package op

import (
	"math"

	"gorgonia.org/gorgonia"

	"rkd/models/onnx"
)

// GELU is y = x·Φ(x) with the normal distribution function Φ(x) = (1 + erf(x/√2))/2, of any shape but a scalar. Its
// gradient is Φ(x) + x·φ(x), φ(x) = exp(−x²/2)/√(2π).
//
// Source: Hendrycks and Gimpel, Gaussian Error Linear Units, arXiv:1606.08415; the exact form, not the one with tanh.
func GELU(x *gorgonia.Node) (*gorgonia.Node, error) {
	density := 1 / math.Sqrt(2*math.Pi) // φ(0)
	return applyPointwise(function{
		name:  "GELU",
		value: func(x float64) float64 { return x * normalCDF(x) },
		slope: func(x float64) float64 { return normalCDF(x) + x*density*math.Exp(-x*x/2) },
		lowerValue: func(b *onnx.Builder, x string) string {
			return b.Node("Mul", []string{x, lowerNormalCDF(b, x)})
		},
		lowerSlope: func(b *onnx.Builder, x string) string {
			square := b.Node("Mul", []string{x, x})
			bell := b.Node("Exp", []string{b.Node("Mul", []string{square, constant(b, -0.5)})})
			scaled := b.Node("Mul", []string{b.Node("Mul", []string{x, constant(b, density)}), bell})
			return b.Node("Add", []string{lowerNormalCDF(b, x), scaled})
		},
	}, x)
}

// normalCDF is Φ. Erfc keeps the digits of its lower tail, where 1 + erf loses them.
func normalCDF(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }

func lowerNormalCDF(b *onnx.Builder, x string) string {
	erf := b.Node("Erf", []string{b.Node("Mul", []string{x, constant(b, 1/math.Sqrt2)})})
	return b.Node("Mul", []string{b.Node("Add", []string{erf, constant(b, 1)}), constant(b, 0.5)})
}
