package importer

import (
	"fmt"

	"gorgonia.org/gorgonia"

	"rkd/student/op"
)

// Convolutions, and the padding that poolings share with them.

func (c *call) conv() ([]value, error) {
	x, o, w, err := c.convOptions()
	if err != nil {
		return nil, err
	}
	k := w.shape
	before, after, err := c.padding(x.shape[1:], k[2:], o.Stride, o.Dilation)
	if err != nil {
		return nil, err
	}
	o.Pad, o.Extra = before, [2]int{after[0] - before[0], after[1] - before[1]}
	arguments, err := c.weightAndBias(k, k[0])
	if err != nil {
		return nil, err
	}
	x.learned = true
	return c.one(func(in gorgonia.Nodes) (*gorgonia.Node, error) { return op.Conv2D(in[0], in[1], bias(in), o) },
		x, arguments...)
}

// bias is the third input, nil without one.
func bias(in gorgonia.Nodes) *gorgonia.Node {
	if len(in) < 3 {
		return nil
	}
	return in[2]
}

// convOptions reads what Conv and ConvTranspose have in common: the input, attributes without padding, the weight.
func (c *call) convOptions() (x value, o op.ConvOptions, w *constant, err error) {
	if x, err = c.variable(0, 4); err != nil {
		return x, o, w, err
	}
	if w, err = c.floats(1); err != nil {
		return x, o, w, err
	}
	if len(w.shape) != 4 || size(w.shape) < 1 {
		return x, o, w, fmt.Errorf("weight %q is %v, expected four dimensions", clip(w.name), w.shape)
	}
	if o.Stride, err = c.pair("strides", 1, 1); err != nil {
		return x, o, w, err
	}
	if o.Dilation, err = c.pair("dilations", 1, 1); err != nil {
		return x, o, w, err
	}
	o.Groups, err = bounded("group", c.int("group", 1), 1)
	return x, o, w, err
}

func (c *call) weightAndBias(shape []int, outputs int) ([]argument, error) {
	w, err := c.trained(1, shape...)
	if err != nil || !c.has(2) {
		return []argument{w}, err
	}
	b, err := c.trained(2, outputs)
	return []argument{w, b}, err
}

// padding reads pads and auto_pad of a window of the given kernel over an image.
func (c *call) padding(image, kernel []int, stride, dilation [2]int) (before, after [2]int, err error) {
	switch auto := c.string("auto_pad", "NOTSET"); auto {
	case "VALID":
		return before, after, nil
	case "SAME_UPPER", "SAME_LOWER":
		for i := range 2 {
			windows := (image[i] + stride[i] - 1) / stride[i]
			total := max(0, (windows-1)*stride[i]+dilation[i]*(kernel[i]-1)+1-image[i])
			before[i], after[i] = total/2, total-total/2
			if auto == "SAME_LOWER" {
				before[i], after[i] = after[i], before[i]
			}
		}
		return before, after, nil
	case "NOTSET", "":
	default:
		return before, after, fmt.Errorf("auto_pad is %q, which is %w", clip(auto), errImport)
	}
	a := c.attribute("pads")
	if a == nil {
		return before, after, nil
	}
	if len(a.GetInts()) != 4 {
		return before, after, fmt.Errorf("pads are %v, expected four numbers", a.GetInts())
	}
	for i := range 2 {
		if before[i], err = bounded("pads", a.Ints[i], 0); err != nil {
			return before, after, err
		}
		if after[i], err = bounded("pads", a.Ints[i+2], 0); err != nil {
			return before, after, err
		}
	}
	return before, after, nil
}

func (c *call) padded(x value, o op.PadOptions) (value, error) {
	if o == (op.PadOptions{}) {
		return x, nil
	}
	return c.add(c, func(in gorgonia.Nodes) (*gorgonia.Node, error) { return op.Pad2D(in[0], o) }, x)
}

func (c *call) convTranspose() ([]value, error) {
	x, o, w, err := c.convOptions()
	if err != nil {
		return nil, err
	}
	if c.attribute("output_shape") != nil {
		return nil, fmt.Errorf("output_shape is %w: expected pads", errImport)
	}
	if auto := c.string("auto_pad", "NOTSET"); auto != "NOTSET" && auto != "" {
		return nil, fmt.Errorf("auto_pad is %q, which is %w here", clip(auto), errImport)
	}
	k := w.shape
	before, after, err := c.padding(x.shape[1:], k[2:], o.Stride, o.Dilation)
	if err != nil {
		return nil, err
	}
	t := op.ConvTransposeOptions{ConvOptions: o}
	if t.OutputPad, err = c.pair("output_padding", 0, 0); err != nil {
		return nil, err
	}
	if before != after {
		return nil, fmt.Errorf("pads of %v before and %v after are %w: expected the same", before, after, errImport)
	}
	t.Pad = before
	if k[1] > largest/o.Groups {
		return nil, fmt.Errorf("weight %q is %v with %d groups, which is too large", clip(w.name), k, o.Groups)
	}
	arguments, err := c.weightAndBias(k, k[1]*o.Groups)
	if err != nil {
		return nil, err
	}
	x.learned = true
	return c.one(func(in gorgonia.Nodes) (*gorgonia.Node, error) {
		return op.ConvTranspose2D(in[0], in[1], bias(in), t)
	}, x, arguments...)
}
