package op

import (
	"fmt"
	"math"

	"gorgonia.org/gorgonia"

	"rkd/models/onnx"
)

// ELU is y = x where x > 0 and alpha·(exp(x) − 1) elsewhere, of any shape but a scalar. Its gradient is 1 where y > 0
// and y + alpha elsewhere.
//
// It returns ErrOption unless alpha is a positive number.
//
// Source: Clevert et al., Fast and Accurate Deep Network Learning by Exponential Linear Units, ICLR 2016.
func ELU(x *gorgonia.Node, alpha float64) (*gorgonia.Node, error) {
	name := fmt.Sprintf("ELU{alpha=%g}", alpha)
	if !(alpha > 0 && alpha <= math.MaxFloat32) {
		return nil, fmt.Errorf("%s: %w: alpha is %g, expected a positive number", name, ErrOption, alpha)
	}
	return applyPointwise(function{
		name: name,
		value: func(x float64) float64 {
			if x <= 0 {
				return alpha * math.Expm1(x)
			}
			return x
		},
		slope: func(y float64) float64 {
			if y <= 0 {
				return y + alpha
			}
			return 1
		},
		ofOutput: true,
		lowerValue: func(b *onnx.Builder, x string) string {
			return b.Node("Elu", []string{x}, onnx.Float("alpha", float32(alpha)))
		},
		lowerSlope: func(b *onnx.Builder, y string) string { // alpha + min(y, 0), and 1 − alpha more where y > 0
			slope := b.Node("Add", []string{b.Node("Min", []string{y, constant(b, 0)}), constant(b, alpha)})
			if alpha == 1 {
				return slope
			}
			above := b.Node("Relu", []string{b.Node("Sign", []string{y})})
			return b.Node("Add", []string{slope, b.Node("Mul", []string{above, constant(b, 1-alpha)})})
		},
	}, x)
}
