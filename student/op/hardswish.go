package op

import (
	"gorgonia.org/gorgonia"

	"rkd/models/onnx"
)

// HardSwish is y = x·h(x) with h(x) = min(max(x + 3, 0), 6)/6, of any shape but a scalar. Its gradient is 0 for x ≤ −3,
// 1 for x ≥ 3 and (2x + 3)/6 between.
//
// Source: Howard et al., Searching for MobileNetV3, arXiv:1905.02244. Deviation: PyTorch before 2.0 takes the inner
// derivative at x = ±3 exactly, where there is none.
func HardSwish(x *gorgonia.Node) (*gorgonia.Node, error) {
	return applyPointwise(function{
		name:  "HardSwish",
		value: func(x float64) float64 { return x * min(max(x+3, 0), 6) / 6 },
		slope: func(x float64) float64 {
			switch {
			case x <= -3:
				return 0
			case x >= 3:
				return 1
			}
			return (2*x + 3) / 6
		},
		lowerValue: func(b *onnx.Builder, x string) string {
			return b.Node("Mul", []string{x, lowerHardSigmoid(b, x)})
		},
		lowerSlope: func(b *onnx.Builder, x string) string { // h + x/6·sign(h·(1 − h))
			h := lowerHardSigmoid(b, x)
			inside := b.Node("Sign", []string{b.Node("Mul", []string{h, b.Node("Sub", []string{constant(b, 1), h})})})
			ramp := b.Node("Mul", []string{b.Node("Mul", []string{x, constant(b, 1./6)}), inside})
			return b.Node("Add", []string{h, ramp})
		},
	}, x)
}

func lowerHardSigmoid(b *onnx.Builder, x string) string {
	return b.Node("HardSigmoid", []string{x}, onnx.Float("alpha", 1./6), onnx.Float("beta", 0.5))
}
