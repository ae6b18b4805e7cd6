package importer

import (
	"errors"
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"

	"rkd/student/op"
)

// window reads the attributes of a pooling over images.
func (c *call) window() (x value, o op.PoolOptions, err error) {
	if x, err = c.variable(0, 4); err != nil {
		return x, o, err
	}
	if o.Kernel, err = c.pair("kernel_shape", 0, 1); err != nil {
		return x, o, err
	}
	if o.Kernel[0] == 0 {
		return x, o, errors.New("no kernel_shape, expected two numbers")
	}
	if o.Stride, err = c.pair("strides", 1, 1); err != nil {
		return x, o, err
	}
	dilation, err := c.pair("dilations", 1, 1)
	if err != nil {
		return x, o, err
	}
	if dilation != [2]int{1, 1} {
		return x, o, fmt.Errorf("dilations of %v are %w: expected 1", dilation, errImport)
	}
	before, after, err := c.padding(x.shape[1:], o.Kernel[:], o.Stride, dilation)
	if err != nil {
		return x, o, err
	}
	o.Pad = before
	for i := range 2 {
		o.Extra[i] = after[i] - before[i]
		rest := x.shape[1+i] + before[i] + after[i] - o.Kernel[i]
		o.Ceil = o.Ceil || c.int("ceil_mode", 0) != 0 && rest > 0 && rest%o.Stride[i] != 0
	}
	return x, o, nil
}

func (c *call) maxPool() ([]value, error) {
	x, o, err := c.window()
	if err != nil {
		return nil, err
	}
	return c.one(func(in gorgonia.Nodes) (*gorgonia.Node, error) { return op.MaxPool2D(in[0], o) }, x)
}

func (c *call) averagePool() ([]value, error) {
	x, o, err := c.window()
	if err != nil {
		return nil, err
	}
	// Without padding both means are the same.
	o.ExcludePad = c.int("count_include_pad", 0) == 0 && (o.Pad != [2]int{} || o.Extra != [2]int{})
	return c.one(func(in gorgonia.Nodes) (*gorgonia.Node, error) { return op.AvgPool2D(in[0], o) }, x)
}

// globalPool makes (N,C) of images, and (N,C,1,1) of that, as ONNX has it.
func globalPool(f func(*gorgonia.Node) (*gorgonia.Node, error)) operator {
	return func(c *call) ([]value, error) {
		x, err := c.variable(0, 4)
		if err != nil {
			return nil, err
		}
		return c.globalPool(x, true, f)
	}
}

func (c *call) globalPool(x value, keep bool, f func(*gorgonia.Node) (*gorgonia.Node, error)) ([]value, error) {
	y, err := c.add(c, func(in gorgonia.Nodes) (*gorgonia.Node, error) { return f(in[0]) }, x)
	if err != nil || !keep {
		return []value{y}, err
	}
	return c.reshaped(y, []int{x.shape[0], 1, 1})
}

func (c *call) reduceMean() ([]value, error) {
	x, err := c.variable(0, 4)
	if err != nil {
		return nil, err
	}
	list, err := c.list("axes", 1)
	if err != nil {
		return nil, err
	}
	if sorted, err := axes(list, 4); err != nil || !slices.Equal(sorted, []int{2, 3}) {
		return nil, fmt.Errorf("axes are %v, which is %w: expected 2 and 3", list, errImport)
	}
	return c.globalPool(x, c.int("keepdims", 1) != 0, op.GlobalAvgPool)
}

// pad reads rows and columns of zeros around an image. Before operator set 11 they are an attribute.
func (c *call) pad() ([]value, error) {
	x, err := c.variable(0, 4)
	if err != nil {
		return nil, err
	}
	if mode := c.string("mode", "constant"); mode != "constant" {
		return nil, fmt.Errorf("mode is %q, which is %w: expected constant", clip(mode), errImport)
	}
	filler, err := c.bound("value", 2, 0)
	if err != nil {
		return nil, err
	}
	if filler != 0 {
		return nil, fmt.Errorf("padding with %g is %w: expected 0", filler, errImport)
	}
	pads, err := c.list("pads", 1)
	if err != nil {
		return nil, err
	}
	if c.has(3) || len(pads) != 8 || pads[0] != 0 || pads[1] != 0 || pads[4] != 0 || pads[5] != 0 {
		return nil, fmt.Errorf("pads are %v, which is %w: expected rows and columns of four dimensions", pads, errImport)
	}
	var o op.PadOptions
	for i := range 2 {
		if o.Before[i], err = bounded("pads", pads[2+i], 0); err != nil {
			return nil, err
		}
		if o.After[i], err = bounded("pads", pads[6+i], 0); err != nil {
			return nil, err
		}
	}
	y, err := c.padded(x, o)
	return []value{y}, err
}
