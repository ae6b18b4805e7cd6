package op

import (
	"fmt"

	"gorgonia.org/tensor"
)

// PoolOptions are the attributes of the poolings, rows before columns. A zero stride means the kernel's size, as in PyTorch.
type PoolOptions struct {
	Kernel, Stride, Pad [2]int
	// ExcludePad makes AvgPool2D's mean one of the input's elements only (count_include_pad=False in PyTorch).
	ExcludePad bool
}

func (o PoolOptions) String() string {
	return fmt.Sprintf("kernel=%v,stride=%v,pad=%v,exclude_pad=%t", o.Kernel, o.Stride, o.Pad, o.ExcludePad)
}

// normalised replaces zeros by their meaning. Padding is at most half a kernel, so that every window sees the input.
func (o PoolOptions) normalised() (PoolOptions, error) {
	for i := range 2 {
		if o.Stride[i] == 0 {
			o.Stride[i] = o.Kernel[i]
		}
		if o.Kernel[i] < 1 || o.Stride[i] < 1 || o.Pad[i] < 0 || 2*o.Pad[i] > o.Kernel[i] {
			return o, fmt.Errorf("pooling with %v: %w: expected kernel and stride ≥ 1 and padding from 0 to half the kernel", o, ErrOption)
		}
	}
	return o, nil
}

// infer is the output's shape (N,C,OH,OW) for x (N,C,H,W).
func (o PoolOptions) infer(x tensor.Shape) (tensor.Shape, error) {
	out := tensor.Shape{x[0], x[1], 0, 0}
	for i := range 2 {
		span := x[2+i] + 2*o.Pad[i] - o.Kernel[i]
		if span < 0 {
			return nil, fmt.Errorf("%w: the kernel %v is larger than the padded x %v", ErrShape, o.Kernel, x)
		}
		out[2+i] = span/o.Stride[i] + 1
	}
	return out, nil
}

// inferGrad checks (x, gy) and returns x's shape.
func (o PoolOptions) inferGrad(in []tensor.Shape) (tensor.Shape, error) {
	y, err := o.infer(in[0])
	if err != nil {
		return nil, err
	}
	return in[0].Clone(), expectShape(in, 1, y...)
}

// window is the range of input positions along one axis that output position i sees.
func (o PoolOptions) window(axis, i, size int) (from, to int) {
	from = i*o.Stride[axis] - o.Pad[axis]
	return max(0, from), min(size, from+o.Kernel[axis])
}
