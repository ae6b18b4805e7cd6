package op

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/models/onnx"
	"rkd/student/internal/blas"
)

type flatten struct{ operator }

// Flatten is y[n, (c·H + h)·W + w] = x[n,c,h,w]: (N,C,H,W), or any other shape of rank ≥ 2, becomes (N,C·H·W).
func Flatten(x *gorgonia.Node) (*gorgonia.Node, error) {
	if x != nil && rank(x) < 2 {
		return nil, fmt.Errorf("Flatten: %w: input 0 is %v, expected (N,C,…)", ErrShape, x.Shape())
	}
	return apply(&flatten{operator{
		name:  "Flatten",
		ranks: []int{rank(x), 2},
		infer: func(in []tensor.Shape) (tensor.Shape, error) {
			return tensor.Shape{in[0][0], in[0].TotalSize() / in[0][0]}, nil
		},
		exec:  kernels(copyElements[float32], copyElements[float64]),
		view:  true,
		lower: onnxNode("Flatten", onnx.Int("axis", 1)),
	}}, x)
}

func copyElements[T blas.Float](a args[T]) { copy(a.out, a.in[0]) }

func (*flatten) DiffWRT(inputs int) []bool { return all(inputs) }

// SymDiff returns gy in x's shape.
func (*flatten) SymDiff(inputs gorgonia.Nodes, _, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	dims := inputs[0].Shape()[1:].Clone()
	gx, err := apply(&operator{
		name:  fmt.Sprintf("Unflatten{%v}", dims),
		ranks: []int{2, 1 + len(dims)},
		infer: func(in []tensor.Shape) (tensor.Shape, error) {
			return append(tensor.Shape{in[0][0]}, dims...), expectShape(in, 0, in[0][0], dims.TotalSize())
		},
		exec:  kernels(copyElements[float32], copyElements[float64]),
		view:  true,
		lower: reshapeTo(append([]int{-1}, dims...)),
	}, gy)
	return gorgonia.Nodes{gx}, err
}
