package onnx

import (
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/proto"
)

// Fix makes an input of the graph a constant. values are its elements in row-major order, or one for all of them.
//
// Where the file leaves the input's first dimension open it is taken for the batch: values are then those of one
// sample, repeated for every row of the input called batch. Of the other dimensions at most one may be open, whose size
// follows from the number of values; an input whose shape the file does not state has one dimension.
//
// Errors wrap ErrUnknownTensor where the graph has no such input, and say what the shape takes otherwise.
func (m *Model) Fix(name string, values []float64, batch string) error {
	g := m.Proto.GetGraph()
	i := indexOf(g.GetInput(), name)
	if i < 0 || m.initializerNames()[name] {
		return fmt.Errorf("%w %q, expected an input of the model", ErrUnknownTensor, clip(name))
	}
	t := describe(g.Input[i])
	dims, repeated, err := constantShape(t, len(values))
	if err != nil {
		return fmt.Errorf("input %s: %w", t, err)
	}
	if n, err := elements(dims); err != nil || n > maxConstant {
		return fmt.Errorf("input %s: a constant of more than %d numbers", t, maxConstant)
	} else if len(values) == 1 {
		values = slices.Repeat(values, int(n))
	}
	c := constant{g: g, name: name}
	if err := c.store(t.Elem, dims, values); err != nil {
		return fmt.Errorf("input %s: %w", t, err)
	}
	if repeated {
		c.repeat(dims, batch)
	}
	rename(g, name, c.name)
	g.Input = slices.Delete(g.Input, i, i+1)
	g.Node = slices.Concat(c.nodes, g.Node)
	return nil
}

// maxConstant bounds the elements of a constant that a configuration asks for.
const maxConstant = 1 << 24

// constantShape is the shape of an input's constant with so many values, and whether it is repeated for each row of a
// batch; its first dimension is then 1.
func constantShape(t Tensor, values int) (dims []int64, repeated bool, err error) {
	if t.Shape == nil {
		return []int64{int64(values)}, false, nil
	}
	open, n := -1, int64(1)
	for i, d := range t.Shape {
		dims = append(dims, d.Value)
		switch {
		case d.Fixed():
			n *= d.Value
		case i == 0 && len(t.Shape) > 1:
			dims[0], repeated = 1, true
		case open >= 0:
			return nil, false, fmt.Errorf("its shape has more than one open dimension beside the batch")
		default:
			open = i
		}
	}
	switch {
	case open < 0 && values != 1 && int64(values) != n:
		return nil, false, fmt.Errorf("%d numbers, expected %d, or one for all", values, n)
	case open >= 0 && (n == 0 || int64(values)%n != 0):
		return nil, false, fmt.Errorf("%d numbers, expected a multiple of %d", values, n)
	case open >= 0:
		dims[open] = int64(values) / n
	}
	return dims, repeated, nil
}

// constant collects the nodes that make a constant take the place of an input.
type constant struct {
	g     *GraphProto
	name  string // of the tensor so far
	nodes []*NodeProto
}

// store adds the values as an initializer. Types that are neither float32 nor int64 are cast from those.
func (c *constant) store(e ElemType, dims []int64, values []float64) error {
	stored := Float32
	if e.IsInteger() || e == Bool {
		stored = Int64
	} else if !e.IsFloat() {
		return fmt.Errorf("it takes no numbers")
	}
	name := unusedName(c.g, c.name+"_constant")
	var t *TensorProto
	var err error
	if stored == Int64 {
		whole := make([]int64, len(values))
		for i, v := range values {
			if v != math.Trunc(v) || math.Abs(v) > 1<<53 {
				return fmt.Errorf("%v, expected a whole number", v)
			}
			whole[i] = int64(v)
		}
		t, err = newTensor(name, stored, dims, whole)
	} else {
		single := make([]float32, len(values))
		for i, v := range values {
			single[i] = float32(v)
		}
		t, err = newTensor(name, stored, dims, single)
	}
	if err != nil {
		return err
	}
	c.g.Initializer = append(c.g.Initializer, t)
	c.name = name
	if e != stored {
		to := unusedName(c.g, name+"_cast")
		c.nodes = append(c.nodes, castNode(c.g, name, to, e))
		c.name = to
	}
	return nil
}

// repeat expands the constant along its first dimension to the rows of the batch.
func (c *constant) repeat(dims []int64, batch string) {
	node := func(op string, inputs []string, attributes ...Attr) string {
		to := unusedName(c.g, fmt.Sprintf("%s_%s", c.name, op))
		n := &NodeProto{Name: proto.String(to), OpType: proto.String(op), Input: inputs, Output: []string{to}}
		for _, a := range attributes {
			n.Attribute = append(n.Attribute, a.proto)
		}
		c.nodes = append(c.nodes, n)
		return to
	}
	store := func(suffix string, values []int64) string {
		name := unusedName(c.g, c.name+suffix)
		t, _ := newTensor(name, Int64, []int64{int64(len(values))}, values) // integers always encode
		c.g.Initializer = append(c.g.Initializer, t)
		return name
	}
	rows := node("Gather", []string{node("Shape", []string{batch}), store("_first", []int64{0})})
	shape := node("Concat", []string{rows, store("_rest", dims[1:])}, Int("axis", 0))
	c.name = node("Expand", []string{c.name, shape})
}
