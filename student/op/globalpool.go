package op

import (
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/models/onnx"
	"rkd/student/internal/blas"
	"rkd/student/internal/vector"
)

type globalAvgPool struct{ operator }

type globalMaxPool struct{ operator }

func inferGlobal(in []tensor.Shape) (tensor.Shape, error) { return in[0][:2].Clone(), nil }

// GlobalAvgPool is y[n,c] = mean_{h,w} x[n,c,h,w], (N,C,H,W) → (N,C).
//
// It returns ErrShape for other ranks.
func GlobalAvgPool(x *gorgonia.Node) (*gorgonia.Node, error) {
	return apply(&globalAvgPool{operator{
		name: "GlobalAvgPool", ranks: []int{4, 2}, infer: inferGlobal,
		exec:  kernels(globalAvgForward[float32], globalAvgForward[float64]),
		lower: globalPool("GlobalAveragePool"),
	}}, x)
}

// GlobalMaxPool is y[n,c] = max_{h,w} x[n,c,h,w], (N,C,H,W) → (N,C). The gradient goes to the first maximum in
// row-major order.
//
// It returns ErrShape for other ranks.
func GlobalMaxPool(x *gorgonia.Node) (*gorgonia.Node, error) {
	return apply(&globalMaxPool{operator{
		name: "GlobalMaxPool", ranks: []int{4, 2}, infer: inferGlobal,
		exec:  kernels(globalMaxForward[float32], globalMaxForward[float64]),
		lower: globalPool("GlobalMaxPool"),
	}}, x)
}

func (*globalAvgPool) DiffWRT(inputs int) []bool { return all(inputs) }

func (*globalMaxPool) DiffWRT(inputs int) []bool { return all(inputs) }

func (*globalAvgPool) SymDiff(inputs gorgonia.Nodes, _, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	gx, err := globalGrad("GlobalAvgPoolGrad",
		kernels(globalAvgBackward[float32], globalAvgBackward[float64]), inputs[0], gy)
	return gorgonia.Nodes{gx}, err
}

func (*globalMaxPool) SymDiff(inputs gorgonia.Nodes, _, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	gx, err := globalGrad("GlobalMaxPoolGrad",
		kernels(globalMaxBackward[float32], globalMaxBackward[float64]), inputs[0], gy)
	return gorgonia.Nodes{gx}, err
}

func globalGrad(
	name string, exec kernel, x, gy *gorgonia.Node,
) (*gorgonia.Node, error) {
	return apply(&operator{
		name: name, ranks: []int{4, 2, 4}, exec: exec,
		infer: func(in []tensor.Shape) (tensor.Shape, error) {
			return in[0].Clone(), expectShape(in, 1, in[0][:2]...)
		},
	}, x, gy)
}

func globalAvgForward[T blas.Float](a args[T]) {
	l := layoutOf(a.inShape[0])
	for i := range a.out {
		a.out[i] = T(vector.Sum(a.in[0][i*l.area:][:l.area]) / float64(l.area))
	}
}

func globalAvgBackward[T blas.Float](a args[T]) {
	l := layoutOf(a.outShape)
	for i, g := range a.in[1] {
		dst := a.out[i*l.area:][:l.area]
		g /= T(l.area)
		for j := range dst {
			dst[j] = g
		}
	}
}

func globalMaxForward[T blas.Float](a args[T]) {
	l := layoutOf(a.inShape[0])
	for i := range a.out {
		x := a.in[0][i*l.area:][:l.area]
		a.out[i] = maximum(x, l.area, 0, 1, 0, l.area)
	}
}

func globalMaxBackward[T blas.Float](a args[T]) {
	l := layoutOf(a.outShape)
	clear(a.out)
	for i, g := range a.in[1] {
		x := a.in[0][i*l.area:][:l.area]
		a.out[i*l.area+firstMaximum(x, l.area, 0, 1, 0, l.area)] = g
	}
}

// globalPool is an ONNX global pooling, whose output is (N,C,1,1), and a Flatten to (N,C).
func globalPool(operator string) lowering {
	return func(b *onnx.Builder, in []string) string {
		return b.Node("Flatten", []string{b.Node(operator, in)}, onnx.Int("axis", 1))
	}
}
