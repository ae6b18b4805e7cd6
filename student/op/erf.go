package op

import (
	"math"

	"gorgonia.org/gorgonia"

	"rkd/models/onnx"
)

// Erf is the error function y = 2/√π · ∫₀ˣ exp(−t²) dt of any shape but a scalar, of which exporters compose GELU. Its
// gradient is 2/√π · exp(−x²).
func Erf(x *gorgonia.Node) (*gorgonia.Node, error) {
	steepest := 2 / math.Sqrt(math.Pi)
	return applyPointwise(function{
		name:       "Erf",
		value:      math.Erf,
		slope:      func(x float64) float64 { return steepest * math.Exp(-x*x) },
		lowerValue: func(b *onnx.Builder, x string) string { return b.Node("Erf", []string{x}) },
		lowerSlope: func(b *onnx.Builder, x string) string {
			bell := b.Node("Exp", []string{b.Node("Neg", []string{b.Node("Mul", []string{x, x})})})
			return b.Node("Mul", []string{bell, constant(b, steepest)})
		},
	}, x)
}
