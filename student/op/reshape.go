package op

import (
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/models/onnx"
)

// reshape is the operator of Reshape.
type reshape struct {
	operator
	dims []int
}

// Reshape gives each sample of x (N,…) the shape dims: y is (N,dims...), its elements in the same order.
//
// It returns ErrShape when dims are none, not positive, or hold another number of elements than a sample of x.
func Reshape(x *gorgonia.Node, dims ...int) (*gorgonia.Node, error) {
	name := fmt.Sprintf("Reshape{%v}", dims)
	if rank(x) < 2 || len(dims) == 0 || slices.Min(dims) < 1 {
		return nil, fmt.Errorf("%s: %w: expected x (N,…) of 2 or more dimensions and positive dims", name, ErrShape)
	}
	dims = slices.Clone(dims)
	return apply(&reshape{dims: dims, operator: operator{
		name:  name,
		ranks: []int{rank(x), 1 + len(dims)},
		infer: func(in []tensor.Shape) (tensor.Shape, error) {
			if perSample(in[0]) != tensor.Shape(dims).TotalSize() {
				return nil, fmt.Errorf("%w: samples of %v cannot become %v", ErrShape, in[0][1:], tensor.Shape(dims))
			}
			return append(tensor.Shape{in[0][0]}, dims...), nil
		},
		exec: kernels(copyElements[float32], copyElements[float64]),
	}}, x)
}

// DiffWRT says that x has a gradient.
func (*reshape) DiffWRT(inputs int) []bool { return all(inputs) }

// SymDiff returns gy in x's shape.
func (*reshape) SymDiff(inputs gorgonia.Nodes, _, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	gx, err := Reshape(gy, inputs[0].Shape()[1:]...)
	return gorgonia.Nodes{gx}, err
}

// Lower adds a Reshape that keeps the first dimension, whatever it is.
func (r *reshape) Lower(b *onnx.Builder, inputs []string) (string, error) {
	if err := r.expectInputs(inputs); err != nil {
		return "", err
	}
	shape := []int64{0}
	for _, d := range r.dims {
		shape = append(shape, int64(d))
	}
	return b.Node("Reshape", []string{inputs[0], b.Int64("shape", []int{len(shape)}, shape)}), nil
}
