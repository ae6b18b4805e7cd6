package importer

import (
	"fmt"
	"math"

	"gorgonia.org/gorgonia"

	"rkd/student/op"
)

// Operators that cut tensors apart along their channels and join them.

func (c *call) concatNode() ([]value, error) {
	x, err := c.variable(0)
	if err != nil {
		return nil, err
	}
	if a, err := axis(c.int("axis", 1), len(x.shape)+1); err != nil || a != 1 {
		return nil, fmt.Errorf("axis is %d, which is %w: expected 1", c.int("axis", 1), errImport)
	}
	var others []argument
	for i := range c.in[1:] {
		v, err := c.variable(i+1, len(x.shape)+1)
		if err != nil {
			return nil, err
		}
		if v.channelLast {
			return nil, fmt.Errorf("joining an input (N,H,W,C) is %w", errImport)
		}
		others = append(others, c.argument(v))
		x.learned = x.learned || v.learned
	}
	return c.one(func(in gorgonia.Nodes) (*gorgonia.Node, error) { return op.Concat(in...) }, x, others...)
}

// span is the part of an axis that a Slice takes: size elements from index from on, step apart.
type span struct{ from, size, step int }

// ranges reads starts, ends, axes and steps.
func (c *call) ranges(shape []int) ([]span, error) {
	r := make([]span, len(shape))
	for i, d := range shape {
		r[i] = span{0, d, 1}
	}
	var lists [4][]int64 // starts, ends, axes, steps
	for i, name := range []string{"starts", "ends", "axes", "steps"} {
		var err error
		if lists[i], err = c.list(name, i+1); err != nil {
			return nil, err
		}
	}
	starts, ends, along, steps := lists[0], lists[1], lists[2], lists[3]
	if along == nil {
		for i := range starts {
			along = append(along, int64(i))
		}
	}
	if len(starts) != len(ends) || len(along) != len(starts) || steps != nil && len(steps) != len(starts) {
		return nil, fmt.Errorf("%d starts, %d ends and %d axes, expected as many of each", len(starts), len(ends), len(along))
	}
	for i, v := range along {
		a, err := axis(v, len(shape))
		if err != nil {
			return nil, err
		}
		step := int64(1)
		if steps != nil {
			step = steps[i]
		}
		from, to := clamp(starts[i], shape[a]), clamp(ends[i], shape[a])
		switch step {
		case 1:
			r[a] = span{from, max(0, to-from), 1}
		case -1: // from the start down to above the end, both of them on the axis
			from = min(from, shape[a]-1)
			if ends[i] < -int64(shape[a]) {
				to = -1
			}
			r[a] = span{from, max(0, from-to), -1}
		default:
			return nil, fmt.Errorf("a step of %d is %w: expected 1", step, errImport)
		}
	}
	return r, nil
}

func (c *call) sliceNode() ([]value, error) {
	v, err := c.variable(0)
	if err != nil {
		return nil, err
	}
	whole := append([]int{math.MaxInt32}, v.shape...) // any number of samples
	r, err := c.ranges(whole)
	if err != nil {
		return nil, err
	}
	for i := range r {
		if i != 1 && r[i] != (span{0, whole[i], 1}) || r[i].step != 1 {
			return nil, fmt.Errorf("cutting axis %d with a step of %d is %w: expected axis 1 and a step of 1", i,
				r[i].step, errImport)
		}
	}
	return c.channels(v, r[1:2])
}

// channels cuts ranges of channels out of v.
func (c *call) channels(v value, ranges []span) ([]value, error) {
	var outputs []value
	for _, r := range ranges {
		if r.size == v.shape[0] {
			outputs = append(outputs, v)
			continue
		}
		y, err := c.add(c, func(in gorgonia.Nodes) (*gorgonia.Node,
			error,
		) {
			return op.SliceChannels(in[0], r.from, r.from+r.size)
		}, v)
		if err != nil {
			return nil, err
		}
		outputs = append(outputs, y)
	}
	return outputs, nil
}

func (c *call) split() ([]value, error) {
	v, err := c.variable(0)
	if err != nil {
		return nil, err
	}
	if a, err := axis(c.int("axis", 0), len(v.shape)+1); err != nil || a != 1 {
		return nil, fmt.Errorf("axis is %d, which is %w: expected 1", c.int("axis", 0), errImport)
	}
	sizes, err := c.list("split", 1)
	if err != nil {
		return nil, err
	}
	if sizes == nil { // equal parts, the last one smaller
		n := len(c.proto.Output)
		part := (v.shape[0] + n - 1) / max(n, 1)
		for left := v.shape[0]; left > 0; left -= part {
			sizes = append(sizes, int64(min(part, left)))
		}
	}
	var ranges []span
	from := 0
	for _, s := range sizes {
		if s < 1 || s > int64(v.shape[0]-from) {
			return nil, fmt.Errorf("parts of %v channels, expected parts of the %d of the input", sizes, v.shape[0])
		}
		ranges = append(ranges, span{from, int(s), 1})
		from += int(s)
	}
	if from != v.shape[0] || len(ranges) != len(c.proto.Output) {
		return nil, fmt.Errorf("parts of %v channels for %d outputs, expected all %d of the input",
			sizes, len(c.proto.Output), v.shape[0])
	}
	return c.channels(v, ranges)
}
