package op

import (
	"gorgonia.org/gorgonia"

	"rkd/models/onnx"
	"rkd/student/internal/blas"
	"rkd/student/internal/vector"
)

type relu6 struct{ operator }

// ReLU6 is y = min(max(x, 0), 6) of any shape but a scalar. Its gradient is 0 at both ends; NaN stays NaN.
//
// Source: Krizhevsky, Convolutional Deep Belief Networks on CIFAR-10, 2010.
func ReLU6(x *gorgonia.Node) (*gorgonia.Node, error) {
	return apply(&relu6{operator{
		name:  "ReLU6",
		ranks: []int{rank(x), rank(x)},
		infer: sameShape,
		exec:  kernels(relu6Forward[float32], relu6Forward[float64]),
		lower: func(b *onnx.Builder, in []string) string {
			return b.Node("Clip", []string{in[0], constant(b, 0), constant(b, 6)})
		},
	}}, x)
}

func relu6Forward[T blas.Float](a args[T]) {
	a.rows(func(from, to int) {
		y := a.out[from:to]
		for i, v := range a.in[0][from:to] {
			y[i] = min(max(v, 0), 6)
		}
	})
}

func (*relu6) DiffWRT(inputs int) []bool { return all(inputs) }

// SymDiff returns gx = gy where 0 < y < 6 and 0 elsewhere, which ONNX needs five passes for.
func (*relu6) SymDiff(_ gorgonia.Nodes, y, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	gx, err := apply(&relu6Grad{operator{
		name:   "ReLU6Grad",
		ranks:  []int{rank(y), rank(y), rank(y)},
		infer:  sameShape,
		exec:   kernels(relu6Backward[float32], relu6Backward[float64]),
		native: true,
		lower: func(b *onnx.Builder, in []string) string { // sign(y)·sign(6−y), for 0 ≤ y ≤ 6
			room := b.Node("Sub", []string{constant(b, 6), in[0]})
			slope := b.Node("Mul", []string{b.Node("Sign", []string{in[0]}), b.Node("Sign", []string{room})})
			return b.Node("Mul", []string{in[1], slope})
		},
	}}, y, gy)
	return gorgonia.Nodes{gx}, err
}

type relu6Grad struct{ operator }

func relu6Backward[T blas.Float](a args[T]) {
	a.rows(func(from, to int) {
		vector.ClipGrad(a.out[from:to], a.in[0][from:to], a.in[1][from:to], 0, 6)
	})
}
