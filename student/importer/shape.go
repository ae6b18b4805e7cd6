package importer

import (
	"fmt"
	"math"
	"slices"

	"gorgonia.org/gorgonia"

	"rkd/student/op"
)

// Operators that move elements and compute nothing.

func (c *call) identity() ([]value, error) {
	v, err := c.movable(0)
	return []value{v}, err
}

func (c *call) flatten() ([]value, error) {
	v, err := c.movable(0)
	if err != nil {
		return nil, err
	}
	a, err := axis(c.int("axis", 1), len(v.shape)+1)
	if err != nil {
		return nil, err
	}
	if a != 1 {
		return nil, fmt.Errorf("axis is %d, which is %w: expected 1", a, errImport)
	}
	return c.reshaped(v, []int{size(v.shape)})
}

func (c *call) reshaped(v value, shape []int) ([]value, error) {
	y, err := c.reshape(c, v, shape)
	return []value{y}, err
}

func (c *call) reshapeNode() ([]value, error) {
	v, err := c.movable(0)
	if err != nil {
		return nil, err
	}
	k, err := c.constant(1)
	if err != nil {
		return nil, err
	}
	if k.float || len(k.ints) == 0 {
		return nil, fmt.Errorf("the shape has %d integers, expected some", len(k.ints))
	}
	// The first dimension stays that of the samples, in whatever way the file says so.
	allowZero := c.int("allowzero", 0) != 0
	first, rest := k.ints[0], k.ints[1:]
	inferred := first == count{fixed: -1}
	if !inferred && first != (count{perSample: 1}) && (first != count{} || allowZero) &&
		(c.batch == 0 || first != count{fixed: c.batch}) {
		return nil, fmt.Errorf("the shape begins with %v, which is %w: expected the number of samples", first, errImport)
	}
	target := make([]int64, len(rest))
	for i, d := range rest {
		if d.perSample != 0 || inferred && d.fixed < 0 {
			return nil, fmt.Errorf("the shape %v is %w: expected the number of samples first and only there", k.ints, errImport)
		}
		target[i] = d.fixed
	}
	if len(target) == 0 {
		return nil, fmt.Errorf("the shape %v is %w: expected (N,…)", k.ints, errImport)
	}
	shape, err := resolve(target, v.shape, allowZero)
	if err != nil {
		return nil, err
	}
	return c.reshaped(v, shape)
}

// String writes the number of samples as N.
func (n count) String() string {
	switch {
	case n.perSample == 0:
		return fmt.Sprint(n.fixed)
	case n.fixed == 0:
		return fmt.Sprintf("%d·N", n.perSample)
	}
	return fmt.Sprintf("%d·N%+d", n.perSample, n.fixed)
}

// resolve fills in the target of a Reshape: 0 keeps a dimension, −1 is inferred.
func resolve(target []int64, from []int, allowZero bool) ([]int, error) {
	shape, left := make([]int, len(target)), -1
	known, total := 1, size(from)
	for i, d := range target {
		switch {
		case d == -1 && left < 0:
			left = i
			continue
		case d == 0 && !allowZero && i < len(from):
			shape[i] = from[i]
		case d > 0 && d <= largest:
			shape[i] = int(d)
		default:
			return nil, fmt.Errorf("the shape %v does not fit %v", target, from)
		}
		if shape[i] == 0 || known > math.MaxInt/shape[i] {
			return nil, fmt.Errorf("the shape %v does not fit %v", target, from)
		}
		known *= shape[i]
	}
	if left >= 0 {
		if known == 0 || total%known != 0 {
			return nil, fmt.Errorf("the shape %v does not fit %v", target, from)
		}
		shape[left] = total / known
		known *= shape[left]
	}
	if known != total || total < 1 {
		return nil, fmt.Errorf("the shape %v does not fit %v", target, from)
	}
	return shape, nil
}

func (c *call) unsqueezeNode() ([]value, error) {
	v, err := c.movable(0)
	if err != nil {
		return nil, err
	}
	shape, err := c.unsqueezed(append([]int{0}, v.shape...))
	if err != nil {
		return nil, err
	}
	return c.keepingSamples(v, shape)
}

func (c *call) squeezeNode() ([]value, error) {
	v, err := c.movable(0)
	if err != nil {
		return nil, err
	}
	shape, err := c.squeezed(append([]int{0}, v.shape...))
	if err != nil {
		return nil, err
	}
	return c.keepingSamples(v, shape)
}

// keepingSamples reshapes v. The batch dimension, written as 0, must stay the first.
func (c *call) keepingSamples(v value, shape []int) ([]value, error) {
	if len(shape) < 2 || shape[0] != 0 {
		return nil, fmt.Errorf("the result is %v, which is %w: expected (N,…)", shape, errImport)
	}
	return c.reshaped(v, shape[1:])
}

func (c *call) unsqueezed(shape []int) ([]int, error) {
	list, err := c.list("axes", 1)
	if err != nil {
		return nil, err
	}
	sorted, err := axes(list, len(shape)+len(list))
	if err != nil {
		return nil, err
	}
	shape = slices.Clone(shape)
	for _, a := range sorted {
		shape = slices.Insert(shape, a, 1)
	}
	return shape, nil
}

func (c *call) squeezed(shape []int) ([]int, error) {
	list, err := c.list("axes", 1)
	if err != nil {
		return nil, err
	}
	remove, err := axes(list, len(shape))
	if err != nil {
		return nil, err
	}
	if list == nil {
		for i, d := range shape {
			if d == 1 {
				remove = append(remove, i)
			}
		}
	}
	var rest []int
	for i, d := range shape {
		if !slices.Contains(remove, i) {
			rest = append(rest, d)
		} else if d != 1 {
			return nil, fmt.Errorf("axis %d of %v is not 1", i, shape)
		}
	}
	return rest, nil
}

// perm is the permutation of a Transpose; without one the axes are reversed.
func (c *call) perm(rank int) ([]int, error) {
	a := c.attribute("perm")
	if a == nil {
		perm := make([]int, rank)
		for i := range perm {
			perm[i] = rank - 1 - i
		}
		return perm, nil
	}
	perm := make([]int, len(a.GetInts()))
	for i, v := range a.GetInts() {
		if v < 0 || v >= int64(rank) || slices.Contains(perm[:i], int(v)) || len(perm) != rank {
			return nil, fmt.Errorf("perm is %v, expected a permutation of %d axes", a.GetInts(), rank)
		}
		perm[i] = int(v)
	}
	if len(perm) != rank {
		return nil, fmt.Errorf("perm is %v, expected a permutation of %d axes", a.GetInts(), rank)
	}
	return perm, nil
}

func (c *call) transposeNode() ([]value, error) {
	v, err := c.movable(0)
	if err != nil {
		return nil, err
	}
	perm, err := c.perm(len(v.shape) + 1)
	if err != nil {
		return nil, err
	}
	if perm[0] != 0 {
		return nil, fmt.Errorf("perm is %v, which is %w: expected the samples to stay first", perm, errImport)
	}
	if v.channelLast {
		if !slices.Equal(perm, []int{0, 3, 1, 2}) {
			return nil, fmt.Errorf("perm is %v, which is %w of an input (N,H,W,C): expected [0 3 1 2]", perm, errImport)
		}
		return []value{{shape: v.sourceShape, sourceShape: v.sourceShape, integer: v.integer}}, nil
	}
	shape := make([]int, len(v.shape))
	var moved []int // the axes longer than 1, where they come to stand
	for i, a := range perm[1:] {
		shape[i] = v.shape[a-1]
		if shape[i] > 1 {
			moved = append(moved, a)
		}
	}
	if slices.IsSorted(moved) { // only axes of one element pass others
		return c.reshaped(v, shape)
	}
	return c.one(func(in gorgonia.Nodes) (*gorgonia.Node, error) { return op.Transpose(in[0], perm...) }, v)
}

// one adds a step whose output is all that the node makes.
func (c *call) one(f apply, x value, others ...argument) ([]value, error) {
	y, err := c.add(c, f, x, others...)
	return []value{y}, err
}
