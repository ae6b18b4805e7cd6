package importer

import (
	"fmt"
	"math"
	"slices"

	"gorgonia.org/gorgonia"

	"rkd/student/op"
)

// L2 normalisation of rows, which exporters write as x/max(‖x‖₂, ε): ReduceL2, then Max or Clip, sometimes Expand, then
// Div.

// length stands for the L2 norms of the rows of a value, bounded below by epsilon.
type length struct {
	of      value
	epsilon float64
}

// smallest keeps a row of zeros finite where the file has no epsilon.
const smallest = 1e-30

// length begins the pattern: ReduceL2 of a matrix along its rows.
func (c *call) length() ([]value, error) {
	x, err := c.variable(0, 2)
	if err != nil {
		return nil, err
	}
	list, err := c.list("axes", 1)
	if err != nil {
		return nil, err
	}
	if sorted, err := axes(list, 2); err != nil || !slices.Equal(sorted, []int{1}) || c.int("keepdims", 1) == 0 {
		return nil, fmt.Errorf("axes %v with keepdims %d are %w: expected axis 1 and keepdims 1", list,
			c.int("keepdims", 1), errImport)
	}
	return []value{{shape: []int{1}, sourceShape: []int{1}, length: &length{of: x, epsilon: smallest}}}, nil
}

// measured is input i, which must be the lengths of rows.
func (c *call) measured(i int) (*length, error) {
	if i < len(c.in) && c.in[i].length != nil {
		return c.in[i].length, nil
	}
	return nil, fmt.Errorf("the operator is %w except behind ReduceL2, as part of an L2 normalisation", errImport)
}

// bounded is the value with a lower bound of its lengths.
func (l *length) bounded(epsilon float64) ([]value, error) {
	if !(epsilon > 0) || math.IsInf(epsilon, 0) {
		return nil, fmt.Errorf("a lower bound of %g is %w: expected a number above 0", epsilon, errImport)
	}
	return []value{{
		shape: []int{1}, sourceShape: []int{1}, length: &length{of: l.of, epsilon: max(l.epsilon, epsilon)},
	}}, nil
}

// boundedLength is Max of lengths and a constant.
func (c *call) boundedLength() ([]value, error) {
	if len(c.in) != 2 {
		return nil, fmt.Errorf("the largest of %d inputs is %w: expected the lengths of rows and a constant",
			len(c.in), errImport)
	}
	at := 0
	if c.in[0].constant != nil {
		at = 1
	}
	l, err := c.measured(at)
	if err != nil {
		return nil, err
	}
	k, err := c.floats(1 - at)
	if err != nil {
		return nil, err
	}
	epsilon, err := k.scalar()
	if err != nil {
		return nil, err
	}
	return l.bounded(epsilon)
}

// expand repeats lengths along their rows, which Div would do by itself.
func (c *call) expand() ([]value, error) {
	_, err := c.measured(0)
	if err != nil {
		return nil, err
	}
	return c.in[:1], nil
}

// unitRows is Div of a value by the lengths of its rows.
func (c *call) unitRows() ([]value, error) {
	x, err := c.variable(0, 2)
	if err != nil {
		return nil, err
	}
	l, err := c.measured(1)
	if err != nil {
		return nil, err
	}
	if x.place != l.of.place {
		return nil, fmt.Errorf("dividing by the lengths of other rows is %w", errImport)
	}
	return c.normalized(x, l.epsilon)
}

func (c *call) normalized(x value, epsilon float64) ([]value, error) {
	return c.one(func(in gorgonia.Nodes) (*gorgonia.Node, error) { return op.L2Normalize(in[0], epsilon) }, x)
}

// normalize is LpNormalization.
func (c *call) normalize() ([]value, error) {
	x, err := c.variable(0, 2)
	if err != nil {
		return nil, err
	}
	if err := c.expect("p", 2, 2); err != nil {
		return nil, err
	}
	if a, err := axis(c.int("axis", -1), 2); err != nil || a != 1 {
		return nil, fmt.Errorf("axis is %d, which is %w: expected 1", c.int("axis", -1), errImport)
	}
	return c.normalized(x, smallest)
}
