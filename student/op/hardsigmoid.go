package op

import (
	"fmt"

	"gorgonia.org/gorgonia"

	"rkd/models/onnx"
)

// HardSigmoid is y = min(max(alpha·x + beta, 0), 1) of any shape but a scalar, a sigmoid of straight lines: PyTorch's
// has alpha 1/6 and beta 1/2, ONNX's default alpha is 1/5. Its gradient is 0 at both ends; NaN stays NaN.
//
// It returns ErrOption unless alpha > 0.
func HardSigmoid(x *gorgonia.Node, alpha, beta float64) (*gorgonia.Node, error) {
	name := fmt.Sprintf("HardSigmoid{alpha=%g,beta=%g}", alpha, beta)
	if err := positive(name, "alpha", alpha); err != nil {
		return nil, err
	}
	return applyPointwise(function{
		name:  name,
		value: func(x float64) float64 { return min(max(alpha*x+beta, 0), 1) },
		slope: func(y float64) float64 {
			if 0 < y && y < 1 {
				return alpha
			}
			return 0
		},
		ofOutput: true,
		lowerValue: func(b *onnx.Builder, x string) string {
			return b.Node("HardSigmoid", []string{x}, onnx.Float("alpha", float32(alpha)), onnx.Float("beta", float32(beta)))
		},
		lowerSlope: func(b *onnx.Builder, y string) string { // alpha·sign(y)·sign(1−y), for 0 ≤ y ≤ 1
			inside := b.Node("Mul", []string{
				b.Node("Sign", []string{y}), b.Node("Sign", []string{b.Node("Sub", []string{constant(b, 1), y})}),
			})
			return b.Node("Mul", []string{inside, constant(b, alpha)})
		},
	}, x)
}
