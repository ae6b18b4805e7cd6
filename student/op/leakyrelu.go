package op

import (
	"fmt"

	"gorgonia.org/gorgonia"

	"rkd/models/onnx"
)

// LeakyReLU is y = x where x > 0 and slope·x elsewhere, of any shape but a scalar. Its gradient at 0 is slope.
//
// It returns ErrOption unless 0 < slope < 1.
//
// Source: Maas et al., Rectifier Nonlinearities Improve Neural Network Acoustic Models, 2013.
func LeakyReLU(x *gorgonia.Node, slope float64) (*gorgonia.Node, error) {
	name := fmt.Sprintf("LeakyReLU{slope=%g}", slope)
	if !(slope > 0 && slope < 1) {
		return nil, fmt.Errorf("%s: %w: slope is %g, expected a number between 0 and 1", name, ErrOption, slope)
	}
	return applyPointwise(function{
		name:  name,
		value: func(x float64) float64 { return max(x, slope*x) },
		slope: func(y float64) float64 {
			if y > 0 {
				return 1
			}
			return slope
		},
		ofOutput: true,
		lowerValue: func(b *onnx.Builder, x string) string {
			return b.Node("LeakyRelu", []string{x}, onnx.Float("alpha", float32(slope)))
		},
		lowerSlope: func(b *onnx.Builder, y string) string {
			return b.Node("Clip", []string{b.Node("Sign", []string{y}), constant(b, slope), constant(b, 1)})
		},
	}, x)
}
