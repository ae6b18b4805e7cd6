package op

import (
	"gorgonia.org/gorgonia"

	"rkd/models/onnx"
	"rkd/student/internal/blas"
)

// function is a differentiable function of one number, computed in float64 for both element types.
type function struct {
	name  string // with all attributes
	value func(x float64) float64
	// slope is the derivative as a function of x, or of y = value(x) if ofOutput is set: the backward pass then does not
	// need x.
	slope    func(v float64) float64
	ofOutput bool
	// lowerValue and lowerSlope add the ONNX nodes of value and slope and return the name of the output.
	lowerValue, lowerSlope func(b *onnx.Builder, v string) string
}

// pointwise is the operator y = f(x) of each element, x of any shape but a scalar.
type pointwise struct {
	operator
	f function
}

func applyPointwise(f function, x *gorgonia.Node) (*gorgonia.Node, error) {
	return apply(&pointwise{f: f, operator: operator{
		name:  f.name,
		ranks: []int{rank(x), rank(x)},
		infer: sameShape,
		exec: kernels(
			func(a args[float32]) { pointwiseForward(a, f.value) },
			func(a args[float64]) { pointwiseForward(a, f.value) }),
		lower: func(b *onnx.Builder, in []string) string { return f.lowerValue(b, in[0]) },
	}}, x)
}

func pointwiseForward[T blas.Float](a args[T], f func(float64) float64) {
	a.rows(func(from, to int) {
		y := a.out[from:to]
		for i, x := range a.in[0][from:to] {
			y[i] = T(f(float64(x)))
		}
	})
}

func (*pointwise) DiffWRT(inputs int) []bool { return all(inputs) }

// SymDiff returns gx = gy·f′.
func (p *pointwise) SymDiff(inputs gorgonia.Nodes, y, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	of, f := inputs[0], p.f
	if f.ofOutput {
		of = y
	}
	gx, err := apply(&operator{
		name:  f.name + "Grad",
		ranks: []int{rank(of), rank(of), rank(of)},
		infer: sameShape,
		exec: kernels(
			func(a args[float32]) { pointwiseBackward(a, f.slope) },
			func(a args[float64]) { pointwiseBackward(a, f.slope) }),
		lower: func(b *onnx.Builder, in []string) string {
			return b.Node("Mul", []string{in[1], f.lowerSlope(b, in[0])})
		},
	}, of, gy)
	return gorgonia.Nodes{gx}, err
}

func pointwiseBackward[T blas.Float](a args[T], slope func(float64) float64) {
	a.rows(func(from, to int) {
		gx, gy := a.out[from:to], a.in[1][from:to]
		for i, v := range a.in[0][from:to] {
			gx[i] = T(slope(float64(v)) * float64(gy[i]))
		}
	})
}

// constant adds a scalar.
func constant(b *onnx.Builder, v float64) string {
	return b.Float32("constant", nil, []float32{float32(v)})
}
