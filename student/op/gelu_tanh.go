package op

import (
	"math"

	"gorgonia.org/gorgonia"

	"rkd/models/onnx"
)

// GELUTanh is GELU with tanh in place of the error function, y = x·(1 + tanh(u))/2, u = √(2/π)·(x + 0.044715·x³), of
// any shape but a scalar. It differs from GELU by up to 5e-4. With t = tanh(u), its gradient is (1 + t)/2 + x·(1 −
// t²)·u′/2.
//
// Source: Hendrycks and Gimpel, Gaussian Error Linear Units, arXiv:1606.08415.
func GELUTanh(x *gorgonia.Node) (*gorgonia.Node, error) {
	const cubic = 0.044715
	linear := math.Sqrt(2 / math.Pi)
	bend := func(x float64) float64 { return math.Tanh(linear * x * (1 + cubic*x*x)) }
	lowerBend := func(b *onnx.Builder, x, square string) string {
		inner := b.Node("Add", []string{b.Node("Mul", []string{square, constant(b, linear*cubic)}), constant(b, linear)})
		return b.Node("Tanh", []string{b.Node("Mul", []string{x, inner})})
	}
	lowerHalf := func(b *onnx.Builder, t string) string { // (1 + t)/2
		return b.Node("Mul", []string{b.Node("Add", []string{t, constant(b, 1)}), constant(b, 0.5)})
	}
	return applyPointwise(function{
		name:  "GELUTanh",
		value: func(x float64) float64 { return x * (1 + bend(x)) / 2 },
		slope: func(x float64) float64 {
			t := bend(x)
			return (1 + t + x*(1-t*t)*linear*(1+3*cubic*x*x)) / 2
		},
		lowerValue: func(b *onnx.Builder, x string) string {
			return b.Node("Mul", []string{x, lowerHalf(b, lowerBend(b, x, b.Node("Mul", []string{x, x})))})
		},
		lowerSlope: func(b *onnx.Builder, x string) string {
			square := b.Node("Mul", []string{x, x})
			t := lowerBend(b, x, square)
			rest := b.Node("Sub", []string{constant(b, 1), b.Node("Mul", []string{t, t})})
			rise := b.Node("Add", []string{
				b.Node("Mul", []string{square, constant(b, 1.5*cubic*linear)}),
				constant(b, linear/2),
			})
			turn := b.Node("Mul", []string{b.Node("Mul", []string{x, rest}), rise})
			return b.Node("Add", []string{lowerHalf(b, t), turn})
		},
	}, x)
}
