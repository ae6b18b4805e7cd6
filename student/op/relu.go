package op

import (
	"gorgonia.org/gorgonia"

	"rkd/student/internal/blas"
	"rkd/student/internal/vector"
)

type relu struct{ operator }

// ReLU is y = max(x, 0) of any shape but a scalar. Its gradient at 0 is 0; NaN stays NaN.
func ReLU(x *gorgonia.Node) (*gorgonia.Node, error) {
	return apply(&relu{operator{
		name:  "ReLU",
		ranks: []int{rank(x), rank(x)},
		infer: sameShape,
		exec:  kernels(reluForward[float32], reluForward[float64]),
		lower: onnxNode("Relu"),
	}}, x)
}

func reluForward[T blas.Float](a args[T]) {
	a.rows(func(from, to int) {
		vector.AffineReLU(a.out[from:to], a.in[0][from:to], 1, 0)
	})
}

func (*relu) DiffWRT(inputs int) []bool { return all(inputs) }

// SymDiff returns gx = gy where y > 0 and 0 elsewhere. It reads y instead of x because the next layer needs y anyway.
func (*relu) SymDiff(_ gorgonia.Nodes, y, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	gx, err := apply(&reluGrad{operator{
		name:  "ReLUGrad",
		ranks: []int{rank(y), rank(y), rank(y)},
		infer: sameShape,
		exec:  kernels(reluBackward[float32], reluBackward[float64]),
	}}, y, gy)
	return gorgonia.Nodes{gx}, err
}

// newAddReLUGrad is the gradient of relu from (y, a, b), whose sum a + b is gy.
func newAddReLUGrad(rank int) *operator {
	return &operator{
		name:  "AddReLUGrad",
		ranks: []int{rank, rank, rank, rank},
		infer: sameShape,
		exec:  kernels(addReLUBackward[float32], addReLUBackward[float64]),
	}
}

func addReLUBackward[T blas.Float](a args[T]) {
	a.rows(func(from, to int) {
		vector.AddReLUGrad(a.out[from:to], a.in[0][from:to], a.in[1][from:to], a.in[2][from:to])
	})
}

type reluGrad struct{ operator }

func reluBackward[T blas.Float](a args[T]) {
	a.rows(func(from, to int) {
		vector.ReLUGrad(a.out[from:to], a.in[0][from:to], a.in[1][from:to])
	})
}
