package importer

import (
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"

	"rkd/student/op"
)

// operands sorts the inputs of a binary operator: x depends on the network's input; the other is y, which does too, or
// the constant k.
func (c *call) operands() (x, y value, k *constant, err error) {
	if !c.has(0) || !c.has(1) {
		return x, y, nil, fmt.Errorf("%d inputs, expected 2", len(c.in))
	}
	first, second := 0, 1
	if c.in[0].constant != nil {
		first, second = 1, 0
	}
	if x, err = c.variable(first); err != nil {
		return x, y, nil, err
	}
	if c.in[second].constant == nil {
		y, err = c.variable(second)
		return x, y, nil, err
	}
	k, err = c.floats(second)
	return x, c.in[second], k, err
}

// perChannel makes a weight from a constant that broadcasts to one number for each channel of x, each mapped by f,
// whose name is how. It is trained if it has more than one number and a trained node precedes it; before the first
// trained node it is preprocessing, and a single number is part of a formula.
func (c *call) perChannel(x value, k *constant, how string, f func(float32) float32) (argument, error) {
	if len(x.shape) != 1 && len(x.shape) != 3 {
		return argument{}, fmt.Errorf("a constant with an input %s is %w: expected 2 or 4 dimensions",
			samples(x.shape), errImport)
	}
	values, ok := k.channels(x.shape)
	if !ok {
		return argument{}, fmt.Errorf("constant %q of shape %v with an input %s is %w: expected one number, or one a channel",
			clip(k.name), k.shape, samples(x.shape), errImport)
	}
	mapped := make([]float32, len(values))
	for i, v := range values {
		mapped[i] = f(v)
	}
	return c.weight(c, k, reading{how: how, shape: x.shape[:1], values: mapped, trained: x.learned && len(k.floats) > 1})
}

func same(v float32) float32 { return v }

func shifted(in gorgonia.Nodes) (*gorgonia.Node, error) { return op.Shift(in[0], in[1]) }

func scaled(in gorgonia.Nodes) (*gorgonia.Node, error) { return op.Scale(in[0], in[1]) }

// sum adds up any number of inputs: values one after another, then constants.
func (c *call) sum() ([]value, error) {
	var constants []*constant
	var total value
	values := 0
	for i := range c.in {
		if c.has(i) && c.in[i].constant != nil {
			k, err := c.floats(i)
			if err != nil {
				return nil, err
			}
			constants = append(constants, k)
			continue
		}
		v, err := c.variable(i)
		if err != nil {
			return nil, err
		}
		if values++; values == 1 {
			total = v
			continue
		}
		if !slices.Equal(total.shape, v.shape) {
			return nil, fmt.Errorf("the sum of %s and %s is %w: expected equal shapes", samples(total.shape),
				samples(v.shape), errImport)
		}
		out, err := c.two(op.Add, total, v)
		if err != nil {
			return nil, err
		}
		total = out[0]
	}
	if values == 0 {
		return nil, fmt.Errorf("the sum of %d constants is %w: expected an input that depends on data",
			len(constants), errImport)
	}
	for _, k := range constants {
		b, err := c.perChannel(total, k, "", same)
		if err != nil {
			return nil, err
		}
		if total, err = c.add(c, shifted, total, b); err != nil {
			return nil, err
		}
	}
	return []value{total}, nil
}

// two adds a step of two values.
func (c *call) two(f func(a, b *gorgonia.Node) (*gorgonia.Node, error), x, y value) ([]value, error) {
	if y.channelLast {
		x = y // add refuses it
	}
	x.learned = x.learned || y.learned
	return c.one(func(in gorgonia.Nodes) (*gorgonia.Node, error) { return f(in[0], in[1]) }, x, c.argument(y))
}

func (c *call) difference() ([]value, error) {
	x, _, k, err := c.operands()
	if err != nil {
		return nil, err
	}
	if k == nil || c.in[1].constant == nil {
		return nil, fmt.Errorf("subtracting what depends on the input is %w: expected a constant", errImport)
	}
	b, err := c.perChannel(x, k, "negated", func(v float32) float32 { return -v })
	if err != nil {
		return nil, err
	}
	return c.one(shifted, x, b)
}

func (c *call) product() ([]value, error) {
	x, y, k, err := c.operands()
	if err != nil {
		return nil, err
	}
	if k != nil {
		s, err := c.perChannel(x, k, "", same)
		if err != nil {
			return nil, err
		}
		return c.one(scaled, x, s)
	}
	if slices.Equal(x.shape, y.shape) {
		return c.two(op.Mul, x, y)
	}
	if size(x.shape) < size(y.shape) {
		x, y = y, x
	}
	if len(x.shape) != 3 || !slices.Equal(y.shape, []int{x.shape[0], 1, 1}) {
		return nil, fmt.Errorf("the product of %s and %s is %w: expected equal shapes, or (N,C,H,W) and (N,C,1,1)",
			samples(x.shape), samples(y.shape), errImport)
	}
	if y, err = c.reshape(c, y, x.shape[:1]); err != nil {
		return nil, err
	}
	return c.two(op.Gate, x, y)
}

func (c *call) quotient() ([]value, error) {
	if c.has(1) && c.in[1].length != nil {
		return c.unitRows()
	}
	x, _, k, err := c.operands()
	if err != nil {
		return nil, err
	}
	if k == nil || c.in[1].constant == nil {
		return nil, fmt.Errorf("dividing by what depends on the input is %w: expected a constant", errImport)
	}
	if slices.Contains(k.floats, 0) {
		return nil, fmt.Errorf("constant %q contains 0, expected a divisor", clip(k.name))
	}
	s, err := c.perChannel(x, k, "inverted", func(v float32) float32 { return 1 / v })
	if err != nil {
		return nil, err
	}
	return c.one(scaled, x, s)
}
