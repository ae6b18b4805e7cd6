package op

import (
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/models/onnx"
	"rkd/student/internal/blas"
)

type linear struct{ operator }

// Linear is the dense layer y = x·wᵀ + b. x is (N,I), w is (O,I), b is (O) or nil, y is (N,O). It has gradients with
// respect to all of them.
//
// It returns ErrShape when the shapes do not fit.
func Linear(x, w, b *gorgonia.Node) (*gorgonia.Node, error) {
	l := &linear{operator{
		name:  "Linear",
		ranks: []int{2, 2, 2},
		infer: func(in []tensor.Shape) (tensor.Shape, error) {
			if err := expectShape(in, 1, in[1][0], in[0][1]); err != nil {
				return nil, err
			}
			if len(in) == 3 {
				if err := expectShape(in, 2, in[1][0]); err != nil {
					return nil, err
				}
			}
			return tensor.Shape{in[0][0], in[1][0]}, nil
		},
		exec:  kernels(linearForward[float32], linearForward[float64]),
		lower: onnxNode("Gemm", onnx.Int("transB", 1)),
	}}
	inputs := []*gorgonia.Node{x, w}
	if b != nil {
		inputs = append(inputs, b)
		l.ranks = []int{2, 2, 1, 2}
	}
	return apply(l, inputs...)
}

func linearForward[T blas.Float](a args[T]) {
	n, in, out := a.inShape[0][0], a.inShape[0][1], a.inShape[1][0]
	var beta T
	if len(a.in) == 3 {
		beta = 1
		for i := range n {
			copy(a.out[i*out:][:out], a.in[2])
		}
	}
	blas.Gemm(false, true, n, out, in, 1, a.in[0], in, a.in[1], in, beta, a.out, out)
}

func (*linear) DiffWRT(inputs int) []bool { return all(inputs) }

// SymDiff returns gx = gy·w, gw = gyᵀ·x and gb = Σ_n gy.
func (*linear) SymDiff(inputs gorgonia.Nodes, _, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	gx, err := product(gy, inputs[1], false)
	if err != nil {
		return nil, err
	}
	gw, err := product(gy, inputs[0], true)
	if err != nil {
		return nil, err
	}
	grads := gorgonia.Nodes{gx, gw}
	if len(inputs) == 3 {
		gb, err := channelSum(gy)
		if err != nil {
			return nil, err
		}
		grads = append(grads, gb)
	}
	return grads, nil
}

// product is a·b, or aᵀ·b, of matrices.
func product(a, b *gorgonia.Node, transposeA bool) (*gorgonia.Node, error) {
	name, rows, inner := "Product", 0, 1
	if transposeA {
		name, rows, inner = "TransposedProduct", 1, 0
	}
	return apply(&operator{
		name:  name,
		ranks: []int{2, 2, 2},
		infer: func(in []tensor.Shape) (tensor.Shape, error) {
			if err := expectShape(in, 1, in[0][inner], in[1][1]); err != nil {
				return nil, err
			}
			return tensor.Shape{in[0][rows], in[1][1]}, nil
		},
		exec: kernels(
			func(a args[float32]) { productKernel(a, transposeA) },
			func(a args[float64]) { productKernel(a, transposeA) }),
		lower: func(b *onnx.Builder, in []string) string {
			return b.Node("Gemm", in, onnx.Int("transA", int64(inner^1)))
		},
	}, a, b)
}

func productKernel[T blas.Float](a args[T], transposeA bool) {
	m, n, k := a.outShape[0], a.outShape[1], a.inShape[1][0]
	blas.Gemm(transposeA, false, m, n, k, 1, a.in[0], a.inShape[0][1], a.in[1], n, 0, a.out, n)
}
