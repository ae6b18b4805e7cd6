package op

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/models/onnx"
)

// PoolOptions are the attributes of the poolings, rows before columns. A zero stride means the kernel's size, as in
// PyTorch.
type PoolOptions struct {
	Kernel, Stride, Pad [2]int
	// Extra is the padding behind the last row and column beyond Pad, which may be negative as long as no side has less
	// than 0.
	Extra [2]int
	// Ceil rounds the number of windows up: the last one may reach beyond the padding, but begins within x or the padding
	// before it. What lies beyond does not count in a mean.
	Ceil bool
	// ExcludePad makes AvgPool2D's mean one of the input's elements only (count_include_pad=False in PyTorch).
	ExcludePad bool
}

func (o PoolOptions) String() string {
	s := fmt.Sprintf("kernel=%v,stride=%v,pad=%v,exclude_pad=%t", o.Kernel, o.Stride, o.Pad, o.ExcludePad)
	if o.Extra != [2]int{} || o.Ceil {
		s += fmt.Sprintf(",extra=%v,ceil=%t", o.Extra, o.Ceil)
	}
	return s
}

// normalised fills in defaults. Padding is less than a kernel, so that no window lies in the padding alone.
func (o PoolOptions) normalised() (PoolOptions, error) {
	for i := range 2 {
		if o.Stride[i] == 0 {
			o.Stride[i] = o.Kernel[i]
		}
		after := o.Pad[i] + o.Extra[i]
		if o.Kernel[i] < 1 || o.Stride[i] < 1 || min(o.Pad[i], after) < 0 || max(o.Pad[i], after) >= o.Kernel[i] {
			return o, fmt.Errorf("pooling with %v: %w: expected kernel and stride ≥ 1 and padding from 0 to below the kernel",
				o, ErrOption)
		}
	}
	return o, nil
}

// infer is the output's shape (N,C,OH,OW) for x (N,C,H,W).
func (o PoolOptions) infer(x tensor.Shape) (tensor.Shape, error) {
	out := tensor.Shape{x[0], x[1], 0, 0}
	for i := range 2 {
		span := x[2+i] + 2*o.Pad[i] + o.Extra[i] - o.Kernel[i]
		if span < 0 {
			return nil, fmt.Errorf("%w: the kernel %v is larger than the padded x %v", ErrShape, o.Kernel, x)
		}
		out[2+i] = span/o.Stride[i] + 1
		if o.Ceil && span%o.Stride[i] != 0 && out[2+i]*o.Stride[i] < x[2+i]+o.Pad[i] {
			out[2+i]++
		}
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

// divisor is the number of elements along one axis that a mean counts in output position i: those of the kernel, or of
// the input alone with ExcludePad, and never those beyond the padding.
func (o PoolOptions) divisor(axis, i, size int) int {
	from := i*o.Stride[axis] - o.Pad[axis]
	to := from + o.Kernel[axis]
	if o.ExcludePad {
		return min(to, size) - max(from, 0)
	}
	return min(to, size+o.Pad[axis]+o.Extra[axis]) - from
}

// lowered are the attributes of the ONNX node. Windows that reach beyond the padding are written as padding, which
// runtimes agree on, unless that would count in a mean.
func (o PoolOptions) lowered(x *gorgonia.Node, mean bool) []onnx.Attr {
	attrs := []onnx.Attr{pair("kernel_shape", o.Kernel), pair("strides", o.Stride)}
	if o.Extra == [2]int{} && !o.Ceil || x == nil || x.Dims() != 4 {
		return append(attrs, pads(o.Pad)) // of a node that cannot be pooled nothing is lowered
	}
	size := x.Shape()
	y, err := o.infer(size)
	if err != nil {
		return nil
	}
	var after [2]int
	for i := range 2 {
		after[i] = max(0, (y[2+i]-1)*o.Stride[i]+o.Kernel[i]-size[2+i]-o.Pad[i])
	}
	if mean && !o.ExcludePad {
		for i := range 2 {
			after[i] = o.Pad[i] + o.Extra[i]
		}
		if o.Ceil {
			attrs = append(attrs, onnx.Int("ceil_mode", 1))
		}
	}
	return append(attrs, onnx.Ints("pads", int64(o.Pad[0]), int64(o.Pad[1]), int64(after[0]), int64(after[1])))
}

// window is the range of input positions along one axis that output position i sees.
func (o PoolOptions) window(axis, i, size int) (from, to int) {
	from = i*o.Stride[axis] - o.Pad[axis]
	return max(0, from), min(size, from+o.Kernel[axis])
}
