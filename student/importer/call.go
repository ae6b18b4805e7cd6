package importer

import (
	"fmt"
	"slices"

	"rkd/models/onnx"
)

// call is a node with its translated inputs.
type call struct {
	*translator
	proto *onnx.NodeProto
	name  string
	in    []value
}

// has reports whether input i is given.
func (c *call) has(i int) bool { return i < len(c.proto.Input) && c.proto.Input[i] != "" }

// variable is input i, which must depend on the network's input, hold floating-point numbers, and be (N,C,H,W) or
// (N,I). ranks lists the numbers of dimensions, samples included, that fit; none fits all.
func (c *call) variable(i int, ranks ...int) (value, error) {
	v, err := c.movable(i)
	switch {
	case err != nil:
	case v.integer:
		err = fmt.Errorf("input %q holds integers, which is %w here: expected a Cast to a floating-point type first",
			clip(c.proto.Input[i]), errImport)
	case len(ranks) > 0 && !slices.Contains(ranks, len(v.shape)+1):
		err = fmt.Errorf("input %q is %s, which is %w: expected %v dimensions",
			clip(c.proto.Input[i]), samples(v.shape), errImport, ranks)
	}
	return v, err
}

// movable is input i of a node that moves elements and computes nothing: it may hold integers.
func (c *call) movable(i int) (value, error) {
	if !c.has(i) {
		return value{}, fmt.Errorf("%d inputs, expected at least %d", len(c.in), i+1)
	}
	v := c.in[i]
	switch {
	case v.constant != nil:
		return v, fmt.Errorf("input %q is a constant, which is %w here", clip(c.proto.Input[i]), errImport)
	case v.length != nil:
		return v, fmt.Errorf("input %q is the length of rows, which is %w here: expected a Div by it",
			clip(c.proto.Input[i]), errImport)
	}
	return v, nil
}

// constant is input i, which must not depend on the network's input.
func (c *call) constant(i int) (*constant, error) {
	if !c.has(i) {
		return nil, fmt.Errorf("%d inputs, expected at least %d", len(c.in), i+1)
	}
	if k := c.in[i].constant; k != nil {
		return k, nil
	}
	return nil, fmt.Errorf("input %q is computed from data, which is %w: expected a constant",
		clip(c.proto.Input[i]), errImport)
}

// floats is input i, a constant of floating-point numbers.
func (c *call) floats(i int) (*constant, error) {
	k, err := c.constant(i)
	if err == nil && !k.float {
		err = fmt.Errorf("input %q holds integers, expected floating-point numbers", clip(c.proto.Input[i]))
	}
	return k, err
}

// integers are input i, constant integers that do not depend on the number of samples.
func (c *call) integers(i int) ([]int64, error) {
	k, err := c.constant(i)
	if err != nil {
		return nil, err
	}
	values, err := k.integers()
	if err != nil {
		return nil, fmt.Errorf("input %q: %w", clip(c.proto.Input[i]), err)
	}
	return values, nil
}

func (c *call) attribute(name string) *onnx.AttributeProto {
	for _, a := range c.proto.GetAttribute() {
		if a.GetName() == name {
			return a
		}
	}
	return nil
}

func (c *call) int(name string, def int64) int64 {
	if a := c.attribute(name); a != nil {
		return a.GetI()
	}
	return def
}

func (c *call) float(name string, def float64) float64 {
	if a := c.attribute(name); a != nil {
		return float64(a.GetF())
	}
	return def
}

func (c *call) string(name, def string) string {
	if a := c.attribute(name); a != nil {
		return string(a.GetS())
	}
	return def
}

// list are integers that older operator sets have in an attribute and newer ones in an input. nil: neither is given.
func (c *call) list(attribute string, input int) ([]int64, error) {
	if a := c.attribute(attribute); a != nil {
		return a.GetInts(), nil
	}
	if !c.has(input) {
		return nil, nil
	}
	return c.integers(input)
}

// pair is an attribute of two numbers from least on.
func (c *call) pair(name string, def, least int) ([2]int, error) {
	a := c.attribute(name)
	if a == nil {
		return [2]int{def, def}, nil
	}
	if len(a.GetInts()) != 2 {
		return [2]int{}, fmt.Errorf("%s is %v, which is %w: expected two numbers", name, a.GetInts(), errImport)
	}
	h, err := bounded(name, a.GetInts()[0], least)
	if err != nil {
		return [2]int{}, err
	}
	w, err := bounded(name, a.GetInts()[1], least)
	return [2]int{h, w}, err
}

// bounded is a number from a file, which must be from least to a million, so that sums and products of a few cannot
// overflow.
func bounded(name string, v int64, least int) (int, error) {
	if v < int64(least) || v > 1e6 {
		return 0, fmt.Errorf("%s is %d, expected a number from %d to 1000000", name, v, least)
	}
	return int(v), nil
}

// axis makes an axis of a tensor of the given rank non-negative.
func axis(v int64, rank int) (int, error) {
	if v < -int64(rank) || v >= int64(rank) {
		return 0, fmt.Errorf("axis is %d, expected one of a tensor of %d dimensions", v, rank)
	}
	if v < 0 {
		v += int64(rank)
	}
	return int(v), nil
}

// axes are several of them, sorted.
func axes(list []int64, rank int) ([]int, error) {
	var sorted []int
	for _, v := range list {
		a, err := axis(v, rank)
		if err != nil {
			return nil, err
		}
		if slices.Contains(sorted, a) {
			return nil, fmt.Errorf("axes are %v, expected each once", list)
		}
		sorted = append(sorted, a)
	}
	slices.Sort(sorted)
	return sorted, nil
}

// expect is an error unless an attribute has the one value that is supported.
func (c *call) expect(name string, def, want int64) error {
	if v := c.int(name, def); v != want {
		return fmt.Errorf("%s is %d, which is %w: expected %d", name, v, errImport, want)
	}
	return nil
}
