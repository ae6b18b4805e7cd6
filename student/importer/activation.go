package importer

import (
	"fmt"
	"math"

	"gorgonia.org/gorgonia"

	"rkd/student/op"
)

// Functions of one element, and softmax.

func elementwise(f func(*gorgonia.Node) (*gorgonia.Node, error)) operator {
	return func(c *call) ([]value, error) {
		x, err := c.variable(0)
		if err != nil {
			return nil, err
		}
		return c.elementwise(x, f)
	}
}

func (c *call) elementwise(x value, f func(*gorgonia.Node) (*gorgonia.Node, error)) ([]value, error) {
	return c.one(func(in gorgonia.Nodes) (*gorgonia.Node, error) { return f(in[0]) }, x)
}

func (c *call) clip() ([]value, error) {
	low, err := c.bound("min", 1, -math.MaxFloat32)
	if err != nil {
		return nil, err
	}
	high, err := c.bound("max", 2, math.MaxFloat32)
	if err != nil {
		return nil, err
	}
	if l, err := c.measured(0); err == nil && high >= math.MaxFloat32 {
		return l.bounded(low)
	}
	x, err := c.variable(0)
	if err != nil {
		return nil, err
	}
	switch {
	case low == 0 && high == 6:
		return c.elementwise(x, op.ReLU6)
	case low == 0 && high >= math.MaxFloat32:
		return c.elementwise(x, op.ReLU)
	}
	return nil, fmt.Errorf("limits of %g and %g are %w: expected 0 and 6, or 0 alone", low, high, errImport)
}

func (c *call) leakyRelu() ([]value, error) {
	x, err := c.variable(0)
	if err != nil {
		return nil, err
	}
	slope := c.float("alpha", 0.01)
	return c.elementwise(x, func(n *gorgonia.Node) (*gorgonia.Node, error) { return op.LeakyReLU(n, slope) })
}

func (c *call) elu() ([]value, error) {
	x, err := c.variable(0)
	if err != nil {
		return nil, err
	}
	alpha := c.float("alpha", 1)
	return c.elementwise(x, func(n *gorgonia.Node) (*gorgonia.Node, error) { return op.ELU(n, alpha) })
}

// prelu takes one slope a channel, or one for all, which stays one parameter.
func (c *call) prelu() ([]value, error) {
	x, err := c.variable(0, 2, 4)
	if err != nil {
		return nil, err
	}
	k, err := c.floats(1)
	if err != nil {
		return nil, err
	}
	slopes, ok := k.channels(x.shape)
	if last := len(k.shape) - 1; !ok && last >= 0 && k.size() == k.shape[last] && k.size() == x.shape[0] &&
		len(x.shape) == 3 {
		return nil, fmt.Errorf("slope %q of shape %v lies along the width of an input %s, which is %w: "+
			"expected shape [%d 1 1], one number for each channel", clip(k.name), k.shape, samples(x.shape),
			errImport, x.shape[0])
	}
	if !ok {
		return nil, fmt.Errorf("slope %q of shape %v with an input %s is %w: expected one number, or one a channel",
			clip(k.name), k.shape, samples(x.shape), errImport)
	}
	if k.size() == 1 {
		slopes = k.floats
	}
	w, err := c.weight(c, k, reading{how: "slope", shape: []int{len(slopes)}, values: slopes, trained: true})
	if err != nil {
		return nil, err
	}
	x.learned = true
	return c.one(func(in gorgonia.Nodes) (*gorgonia.Node, error) { return op.PReLU(in[0], in[1]) }, x, w)
}

// swish is x·σ(α·x).
//
// Source: Ramachandran et al., Searching for Activation Functions, 2017, arXiv:1710.05941.
func (c *call) swish() ([]value, error) {
	x, err := c.variable(0)
	if err != nil {
		return nil, err
	}
	alpha := c.float("alpha", 1)
	if alpha == 1 {
		return c.elementwise(x, op.SiLU)
	}
	k := &constant{name: c.name + ".alpha", shape: []int{1}, float: true, floats: []float32{float32(alpha)}}
	a, err := c.perChannel(x, k, "", same)
	if err != nil {
		return nil, err
	}
	return c.one(func(in gorgonia.Nodes) (*gorgonia.Node, error) {
		gate, err := op.Scale(in[0], in[1])
		if err != nil {
			return nil, err
		}
		if gate, err = op.Sigmoid(gate); err != nil {
			return nil, err
		}
		return op.Mul(in[0], gate)
	}, x, a)
}

// mish is x·tanh(softplus(x)), of which PyTorch's exporter composes it for older operator sets.
//
// Source: Misra, Mish: A Self Regularized Non-Monotonic Activation Function, BMVC 2020.
func (c *call) mish() ([]value, error) {
	x, err := c.variable(0)
	if err != nil {
		return nil, err
	}
	return c.elementwise(x, func(n *gorgonia.Node) (*gorgonia.Node, error) {
		gate, err := op.Softplus(n)
		if err != nil {
			return nil, err
		}
		if gate, err = op.Tanh(gate); err != nil {
			return nil, err
		}
		return op.Mul(n, gate)
	})
}

// power is a square or a cube, with which GELU is approximated.
func (c *call) power() ([]value, error) {
	x, err := c.variable(0)
	if err != nil {
		return nil, err
	}
	k, err := c.constant(1)
	if err != nil {
		return nil, err
	}
	exponent, err := k.number()
	if err != nil {
		return nil, err
	}
	square := func(n *gorgonia.Node) (*gorgonia.Node, error) { return op.Mul(n, n) }
	switch exponent {
	case 2:
		return c.elementwise(x, square)
	case 3:
		return c.elementwise(x, func(n *gorgonia.Node) (*gorgonia.Node, error) {
			s, err := square(n)
			if err != nil {
				return nil, err
			}
			return op.Mul(s, n)
		})
	}
	return nil, fmt.Errorf("an exponent of %g is %w: expected 2 or 3", exponent, errImport)
}

func (c *call) hardSigmoid() ([]value, error) {
	x, err := c.variable(0)
	if err != nil {
		return nil, err
	}
	alpha, beta := c.float("alpha", 0.2), c.float("beta", 0.5)
	return c.elementwise(x, func(n *gorgonia.Node) (*gorgonia.Node, error) { return op.HardSigmoid(n, alpha, beta) })
}

func (c *call) softmax() ([]value, error) {
	x, err := c.variable(0, 2)
	if err != nil {
		return nil, err
	}
	def := int64(-1)
	if c.opset < 13 {
		def = 1
	}
	if a, err := axis(c.int("axis", def), 2); err != nil || a != 1 {
		return nil, fmt.Errorf("axis is %d, which is %w: expected 1", c.int("axis", def), errImport)
	}
	return c.elementwise(x, op.Softmax)
}

func (c *call) gelu() ([]value, error) {
	x, err := c.variable(0)
	if err != nil {
		return nil, err
	}
	switch kind := c.string("approximate", "none"); kind {
	case "none":
		return c.elementwise(x, op.GELU)
	case "tanh":
		return c.elementwise(x, op.GELUTanh)
	default:
		return nil, fmt.Errorf("approximate is %q, which is %w: expected none or tanh", clip(kind), errImport)
	}
}
