package op

import (
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/models/onnx"
)

type reshape struct{ operator }

// Reshape gives each sample of x (N,…) the shape dims: y is (N,dims...), its elements in the same order.
//
// It returns ErrShape when dims are none, not positive, or hold another number of elements than a sample of x.
func Reshape(x *gorgonia.Node, dims ...int) (*gorgonia.Node, error) {
	name := fmt.Sprintf("Reshape{%v}", dims)
	if rank(x) < 2 || len(dims) == 0 || slices.Min(dims) < 1 {
		return nil, fmt.Errorf("%s: %w: expected x (N,…) of 2 or more dimensions and positive dims", name, ErrShape)
	}
	dims = slices.Clone(dims)
	return apply(&reshape{operator{
		name:  name,
		ranks: []int{rank(x), 1 + len(dims)},
		infer: func(in []tensor.Shape) (tensor.Shape, error) {
			if perSample(in[0]) != tensor.Shape(dims).TotalSize() {
				return nil, fmt.Errorf("%w: samples of %v cannot become %v", ErrShape, in[0][1:], tensor.Shape(dims))
			}
			return append(tensor.Shape{in[0][0]}, dims...), nil
		},
		exec:  kernels(copyElements[float32], copyElements[float64]),
		view:  true,
		lower: reshapeTo(append([]int{0}, dims...)),
	}}, x)
}

func (*reshape) DiffWRT(inputs int) []bool { return all(inputs) }

// SymDiff returns gy in x's shape.
func (*reshape) SymDiff(inputs gorgonia.Nodes, _, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	gx, err := Reshape(gy, inputs[0].Shape()[1:]...)
	return gorgonia.Nodes{gx}, err
}

// reshapeTo is an ONNX Reshape to dims, where 0 keeps a dimension and −1 is inferred.
func reshapeTo(dims []int) lowering {
	shape := make([]int64, len(dims))
	for i, d := range dims {
		shape[i] = int64(d)
	}
	return func(b *onnx.Builder, in []string) string {
		return b.Node("Reshape", []string{in[0], b.Int64("shape", []int{len(shape)}, shape)})
	}
}
