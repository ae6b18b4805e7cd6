package op

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/student/internal/blas"
	"rkd/student/internal/parallel"
)

// kernel computes out on a worker pool, which may be nil.
type kernel func(team *parallel.Team, out gorgonia.Value, in []gorgonia.Value) error

// args are the arrays of one execution, row-major, with their shapes.
type args[T blas.Float] struct {
	team     *parallel.Team
	out      []T
	in       [][]T
	outShape tensor.Shape
	inShape  []tensor.Shape
}

// rows calls body once for each entry of the output's first dimension, with the range of its elements.
func (a args[T]) rows(body func(from, to int)) {
	n := a.outShape[0]
	width := a.outShape.TotalSize() / n
	a.team.For(n, func(i int) { body(i*width, (i+1)*width) })
}

// kernels is a kernel that calls f32 or f64, by the element type of the output.
func kernels(f32 func(args[float32]), f64 func(args[float64])) kernel {
	return func(team *parallel.Team, out gorgonia.Value, in []gorgonia.Value) error {
		switch out.Dtype() {
		case tensor.Float32:
			return call(f32, team, out, in)
		case tensor.Float64:
			return call(f64, team, out, in)
		default:
			return fmt.Errorf("%w: output is %v, expected float32 or float64", ErrType, out.Dtype())
		}
	}
}

func call[T blas.Float](f func(args[T]), team *parallel.Team, out gorgonia.Value, in []gorgonia.Value) error {
	a := args[T]{team: team, outShape: out.Shape(), in: make([][]T, len(in)), inShape: make([]tensor.Shape, len(in))}
	var err error
	if a.out, err = elements[T](out); err != nil {
		return fmt.Errorf("output: %w", err)
	}
	for i, v := range in {
		if a.in[i], err = elements[T](v); err != nil {
			return fmt.Errorf("input %d: %w", i, err)
		}
		a.inShape[i] = v.Shape()
	}
	f(a)
	return nil
}

// elements returns the array of a tensor, row-major; it is not a copy.
func elements[T blas.Float](v gorgonia.Value) ([]T, error) {
	d, ok := v.(*tensor.Dense)
	if !ok {
		return nil, fmt.Errorf("%w: value is a %T, expected a dense tensor", ErrType, v)
	}
	if d.RequiresIterator() || d.DataOrder().IsColMajor() {
		return nil, fmt.Errorf("%w: tensor of shape %v is a view or column-major, expected contiguous rows",
			ErrType, d.Shape())
	}
	data, ok := d.Data().([]T)
	if !ok {
		return nil, fmt.Errorf("%w: tensor is %v, expected %T elements", ErrType, d.Dtype(), *new(T))
	}
	return data, nil
}
