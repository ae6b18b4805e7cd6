package op

import (
	"errors"
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/datasets/memory"
	"rkd/models/onnx"
	"rkd/student/internal/blas"
	"rkd/student/internal/parallel"
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
		plans: func(in []tensor.Shape) bool { return followsThreads(in[0][0], in[1][0], in[0][1]) },
		plan:  planLinear,
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
		lower: func(builder *onnx.Builder, in []string) string {
			left, transposed := in[0], transposeA
			if !transposed && followsThreads(a.Shape()[0], b.Shape()[1], b.Shape()[0]) {
				left, transposed = transposedRows(builder, left, a.Shape()), true
			}
			flag := map[bool]int64{true: 1}
			return builder.Node("Gemm", []string{left, in[1]}, onnx.Int("transA", flag[transposed]))
		},
	}, a, b)
}

// transposedRows is the transpose of a matrix, in a form that ONNX Runtime does not merge into the product that reads
// it.
func transposedRows(b *onnx.Builder, x string, shape tensor.Shape) string {
	rows, columns := int64(shape[0]), int64(shape[1])
	x = b.Node("Reshape", []string{x, b.Int64("shape", []int{3}, []int64{rows, columns, 1})})
	x = b.Node("Transpose", []string{x}, onnx.Ints("perm", 1, 0, 2))
	return b.Node("Reshape", []string{x, b.Int64("shape", []int{2}, []int64{columns, rows})})
}

// followsThreads reports whether the bits of ONNX Runtime's product of an (M,K) matrix, not transposed, and a (K,N)
// one, transposed or not, depend on the number of threads: where the result has at least as many columns as rows, each
// thread computes some columns, and how many of the K terms are added up at a time follows from their number. With a
// transposed left matrix it does not.
func followsThreads(m, n, k int) bool { return n >= m && k > 128 }

const (
	leastColumns = 32 // of a piece of a product
	mostPieces   = 16 // of a product, which are what workers share
)

// planLinear prepares a dense layer as products with some rows of w each, which the workers share.
func planLinear(m Multiplier, team *parallel.Team, out *tensor.Dense, in []*tensor.Dense) (func() error, error) {
	arrays, err := float32s(append(slices.Clone(in), out))
	if err != nil {
		return nil, fmt.Errorf("planning a dense layer: %w", err)
	}
	x, w, y := arrays[0], arrays[1], arrays[len(in)]
	n, k, o := in[0].Shape()[0], in[0].Shape()[1], in[1].Shape()[0]
	bias := make([]float32, o)
	if len(in) == 3 {
		bias = arrays[2]
	}
	columns := max(leastColumns, (o+mostPieces-1)/mostPieces)
	pieces := (o + columns - 1) / columns
	results, errs := memory.Make[float32](n*o), make([]error, pieces)
	products := make([]func() error, pieces)
	for i := range products {
		from, to := i*columns, min(o, (i+1)*columns)
		if products[i], err = m.Multiply(false, true, n, to-from, k, x, w[from*k:to*k], results[n*from:n*to]); err != nil {
			return nil, err
		}
	}
	piece := func(i int) {
		if errs[i] = products[i](); errs[i] != nil {
			return
		}
		from, to := i*columns, min(o, (i+1)*columns)
		for r := range n {
			row, b := y[r*o+from:r*o+to], bias[from:to]
			for j, v := range results[n*from+r*(to-from):][:len(row)] {
				row[j] = v + b[j]
			}
		}
	}
	return func() error {
		team.For(pieces, piece)
		return errors.Join(errs...)
	}, nil
}

func productKernel[T blas.Float](a args[T], transposeA bool) {
	m, n, k := a.outShape[0], a.outShape[1], a.inShape[1][0]
	blas.Gemm(transposeA, false, m, n, k, 1, a.in[0], a.inShape[0][1], a.in[1], n, 0, a.out, n)
}
