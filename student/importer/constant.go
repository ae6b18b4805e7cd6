package importer

import (
	"fmt"
	"slices"

	"rkd/models/onnx"
)

// constant is a tensor that does not depend on the network's input: floating-point numbers, or integers that may
// contain the number of samples.
type constant struct {
	name        string
	shape       []int
	float       bool
	floats      []float32
	ints        []count
	unavailable bool // an optional output of a node that nothing here computes
}

// count is perSample·N + fixed with N the number of samples: a dimension of a shape.
type count struct{ perSample, fixed int64 }

func (tr *translator) decode(t *onnx.TensorProto) (*constant, error) {
	k := &constant{shape: make([]int, len(t.GetDims()))}
	for i, d := range t.GetDims() {
		k.shape[i] = int(d)
	}
	var err error
	if onnx.ElemType(t.GetDataType()).IsFloat() {
		k.float = true
		k.floats, err = tr.model.Float32s(t)
		return k, err
	}
	values, err := tr.model.Int64s(t)
	k.ints = fixed(values)
	return k, err
}

func fixed(values []int64) []count {
	counts := make([]count, len(values))
	for i, v := range values {
		counts[i].fixed = v
	}
	return counts
}

func (k *constant) size() int { return len(k.floats) + len(k.ints) }

// integers are the elements, none of which may depend on the number of samples.
func (k *constant) integers() ([]int64, error) {
	if k.float {
		return nil, fmt.Errorf("floating-point numbers, expected integers")
	}
	values := make([]int64, len(k.ints))
	for i, v := range k.ints {
		if v.perSample != 0 {
			return nil, fmt.Errorf("it depends on the number of samples, which is %w", errImport)
		}
		values[i] = v.fixed
	}
	return values, nil
}

// scalar is the only element.
func (k *constant) scalar() (float64, error) {
	if !k.float || len(k.floats) != 1 {
		return 0, fmt.Errorf("constant %q has %d elements, expected one floating-point number", clip(k.name), k.size())
	}
	return float64(k.floats[0]), nil
}

// number is the only element, an integer or not.
func (k *constant) number() (float64, error) {
	if k.float || k.size() != 1 {
		return k.scalar()
	}
	values, err := k.integers()
	if err != nil {
		return 0, err
	}
	return float64(values[0]), nil
}

// gather makes a constant of the given shape of elements of k.
func (k *constant) gather(shape, places []int) *constant {
	g := &constant{shape: shape, float: k.float}
	for _, p := range places {
		if k.float {
			g.floats = append(g.floats, k.floats[p])
		} else {
			g.ints = append(g.ints, k.ints[p])
		}
	}
	return g
}

// reshaped is k with another shape of as many elements.
func (k *constant) reshaped(shape []int) *constant {
	return &constant{name: k.name, shape: shape, float: k.float, floats: k.floats, ints: k.ints}
}

// transposed is k with its axes permuted: axis i of it is axis perm[i] of k.
func (k *constant) transposed(perm []int) *constant {
	shape := make([]int, len(perm))
	for i, a := range perm {
		shape[i] = k.shape[a]
	}
	strides := strides(k.shape)
	places := make([]int, 0, k.size())
	each(shape, func(index []int) {
		p := 0
		for i, a := range perm {
			p += index[i] * strides[a]
		}
		places = append(places, p)
	})
	return k.gather(shape, places)
}

// strides are the distances between neighbours along each axis.
func strides(shape []int) []int {
	s := make([]int, len(shape))
	step := 1
	for i, d := range slices.Backward(shape) {
		s[i] = step
		step *= d
	}
	return s
}

// each calls body with every index of a shape, in row-major order.
func each(shape []int, body func(index []int)) {
	if slices.Contains(shape, 0) {
		return
	}
	index := make([]int, len(shape))
	for {
		body(index)
		axis := len(shape) - 1
		for ; axis >= 0; axis-- {
			if index[axis]++; index[axis] < shape[axis] {
				break
			}
			index[axis] = 0
		}
		if axis < 0 {
			return
		}
	}
}

// channels are the elements as one number a channel of samples of shape (C,…), where broadcasting makes them that.
func (k *constant) channels(sample []int) ([]float32, bool) {
	if !k.float || len(k.shape) > len(sample)+1 {
		return nil, false
	}
	c := sample[0]
	if len(k.floats) == 1 {
		return slices.Repeat(k.floats, c), true
	}
	// Axis 1 of (N,C,…) is axis len(k.shape)−len(sample) of the constant: shapes are aligned at their ends.
	for i, d := range k.shape {
		if i == len(k.shape)-len(sample) {
			if d != c {
				return nil, false
			}
		} else if d != 1 {
			return nil, false
		}
	}
	return k.floats, len(k.floats) == c
}
