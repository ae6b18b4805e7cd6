package importer

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"rkd/models/onnx"
)

// folds reports whether fold knows an operator: those in which exporters write arithmetic on shapes.
func folds(kind string) bool {
	return slices.Contains([]string{
		"Shape", "Size", "Constant", "ConstantOfShape", "Gather", "Concat", "Slice", "Unsqueeze", "Squeeze", "Reshape",
		"Transpose", "Cast", "Identity", "Add", "Sub", "Mul", "Div", "Floor", "Ceil", "Neg",
	}, kind)
}

// most bounds the elements of what folding makes, except weights that are only transposed or reshaped.
const most = 1 << 16

// errSymbolic reports arithmetic with the number of samples that does not stay linear in it.
var errSymbolic = errors.New("arithmetic with the number of samples")

// fold computes a node whose inputs are constants, or of which only the shape matters.
func (c *call) fold() (*constant, error) {
	switch kind := c.proto.GetOpType(); kind {
	case "Constant":
		return c.foldConstant()
	case "Shape", "Size":
		return c.foldShape(kind)
	case "ConstantOfShape":
		return c.foldConstantOfShape()
	case "Concat":
		return c.foldConcat()
	case "Add", "Sub", "Mul", "Div":
		return c.foldArithmetic(kind)
	}
	k, err := c.constant(0)
	if err != nil {
		return nil, err
	}
	switch c.proto.GetOpType() {
	case "Gather":
		return c.foldGather(k)
	case "Slice":
		return c.foldSlice(k)
	case "Unsqueeze":
		return c.foldUnsqueeze(k)
	case "Squeeze":
		return c.foldSqueeze(k)
	case "Reshape":
		return c.foldReshape(k)
	case "Transpose":
		perm, err := c.perm(len(k.shape))
		if err != nil {
			return nil, err
		}
		return k.transposed(perm).named(k.name), nil
	case "Cast":
		return c.foldCast(k)
	case "Floor", "Ceil", "Neg":
		return c.foldFunction(k)
	}
	return k.reshaped(k.shape).named(""), nil // Identity: a weight of its own, see Import
}

// named gives k a name; without one it is given that of the tensor that it becomes.
func (k *constant) named(name string) *constant {
	k.name = name
	return k
}

func (c *call) foldConstant() (*constant, error) {
	for _, a := range c.proto.GetAttribute() {
		switch {
		case a.GetName() == "value" && a.T != nil:
			return c.decode(a.T)
		case a.GetName() == "value_int":
			return &constant{ints: fixed([]int64{a.GetI()})}, nil
		case a.GetName() == "value_ints":
			return &constant{shape: []int{len(a.Ints)}, ints: fixed(a.Ints)}, nil
		case a.GetName() == "value_float":
			return &constant{float: true, floats: []float32{a.GetF()}}, nil
		case a.GetName() == "value_floats":
			return &constant{shape: []int{len(a.Floats)}, float: true, floats: a.Floats}, nil
		}
	}
	return nil, fmt.Errorf("a constant without numbers is %w", errImport)
}

func (c *call) foldShape(kind string) (*constant, error) {
	if !c.has(0) {
		return nil, errors.New("no input, expected one")
	}
	var dims []count
	if k := c.in[0].constant; k != nil {
		for _, d := range k.shape {
			dims = append(dims, count{fixed: int64(d)})
		}
	} else {
		dims = []count{{perSample: 1}}
		for _, d := range c.in[0].shape {
			dims = append(dims, count{fixed: int64(d)})
		}
	}
	if kind == "Size" {
		total := count{fixed: 1}
		for _, d := range dims {
			var err error
			if total, err = arithmetic("Mul", total, d); err != nil {
				return nil, err
			}
		}
		return &constant{ints: []count{total}}, nil
	}
	from, to := c.int("start", 0), c.int("end", int64(len(dims)))
	dims = dims[clamp(from, len(dims)):max(clamp(from, len(dims)), clamp(to, len(dims)))]
	return &constant{shape: []int{len(dims)}, ints: dims}, nil
}

// clamp is an index between 0 and size; a negative one counts from the end.
func clamp(v int64, size int) int {
	if v < 0 {
		v += int64(size)
	}
	return int(max(0, min(v, int64(size))))
}

func (c *call) foldConstantOfShape() (*constant, error) {
	dims, err := c.integers(0)
	if err != nil {
		return nil, err
	}
	shape := make([]int, len(dims))
	for i, d := range dims {
		shape[i] = clamp(d, most+1)
	}
	n := size(shape)
	if n < 0 || n > most {
		return nil, fmt.Errorf("a constant of shape %v is %w: too large", dims, errImport)
	}
	k := &constant{float: true, floats: []float32{0}}
	if a := c.attribute("value"); a != nil && a.T != nil {
		if k, err = c.decode(a.T); err != nil {
			return nil, err
		}
	}
	if k.size() != 1 {
		return nil, fmt.Errorf("value has %d elements, expected one", k.size())
	}
	return k.gather(shape, make([]int, n)), nil
}

func (c *call) foldConcat() (*constant, error) {
	joined := &constant{shape: []int{0}}
	for i := range c.in {
		k, err := c.constant(i)
		if err != nil {
			return nil, err
		}
		if len(k.shape) != 1 || i > 0 && k.float != joined.float {
			return nil, fmt.Errorf("joining constants of shape %v is %w: expected vectors of one type", k.shape, errImport)
		}
		joined.float = k.float
		joined.floats = append(joined.floats, k.floats...)
		joined.ints = append(joined.ints, k.ints...)
		if joined.shape[0] = joined.size(); joined.shape[0] > most {
			return nil, fmt.Errorf("a constant of %d elements is %w: too large", joined.shape[0], errImport)
		}
	}
	return joined, nil
}

func (c *call) foldArithmetic(kind string) (*constant, error) {
	a, err := c.constant(0)
	if err != nil {
		return nil, err
	}
	b, err := c.constant(1)
	if err != nil {
		return nil, err
	}
	if a.float != b.float {
		return nil, errors.New("one input holds integers and one floating-point numbers, expected the same")
	}
	shape := a.shape
	if b.size() > a.size() || b.size() == a.size() && len(b.shape) > len(a.shape) {
		shape = b.shape
	}
	n := max(a.size(), b.size())
	if min(a.size(), b.size()) == 0 || min(a.size(), b.size()) != 1 && !slices.Equal(a.shape, b.shape) {
		return nil, fmt.Errorf("constants of shape %v and %v are %w: expected equal shapes or a single number",
			a.shape, b.shape, errImport)
	}
	y := &constant{shape: shape, float: a.float}
	for i := range n {
		if !a.float {
			v, err := arithmetic(kind, a.ints[i%len(a.ints)], b.ints[i%len(b.ints)])
			if err != nil {
				return nil, err
			}
			y.ints = append(y.ints, v)
			continue
		}
		u, v := a.floats[i%len(a.floats)], b.floats[i%len(b.floats)]
		switch kind {
		case "Add":
			u += v
		case "Sub":
			u -= v
		case "Mul":
			u *= v
		case "Div":
			u /= v
		}
		y.floats = append(y.floats, u)
	}
	return y, nil
}

// arithmetic computes with counts as far as the result is one.
func arithmetic(kind string, a, b count) (count, error) {
	const limit = 1 << 40
	var y count
	switch {
	case kind == "Add":
		y = count{a.perSample + b.perSample, a.fixed + b.fixed}
	case kind == "Sub":
		y = count{a.perSample - b.perSample, a.fixed - b.fixed}
	case kind == "Mul" && a.perSample == 0:
		return times(b, a.fixed)
	case kind == "Mul" && b.perSample == 0:
		return times(a, b.fixed)
	case kind == "Div" && b == count{}:
		return y, errors.New("division by 0")
	case kind == "Div" && b.perSample == 0 && (a.perSample == 0 || a.perSample%b.fixed == 0 && a.fixed%b.fixed == 0):
		y = count{a.perSample / b.fixed, a.fixed / b.fixed}
	default:
		return y, fmt.Errorf("%w is %w here", errSymbolic, errImport)
	}
	if max(y.perSample, -y.perSample, y.fixed, -y.fixed) > limit {
		return y, fmt.Errorf("%d is too large for a shape", y.fixed)
	}
	return y, nil
}

func times(a count, factor int64) (count, error) {
	const limit = 1 << 31
	if max(a.perSample, -a.perSample, a.fixed, -a.fixed) > limit || max(factor, -factor) > limit {
		return a, fmt.Errorf("%d times %d is too large for a shape", a.fixed, factor)
	}
	return count{a.perSample * factor, a.fixed * factor}, nil
}

func (c *call) foldGather(k *constant) (*constant, error) {
	indices, err := c.constant(1)
	if err != nil {
		return nil, err
	}
	list, err := indices.integers()
	if err != nil {
		return nil, err
	}
	if a := c.int("axis", 0); a != 0 && a != -1 || len(k.shape) != 1 {
		return nil, fmt.Errorf("gathering along axis %d of a constant of shape %v is %w: expected a vector", a,
			k.shape, errImport)
	}
	places := make([]int, len(list))
	for i, v := range list {
		if places[i], err = axis(v, k.shape[0]); err != nil {
			return nil, fmt.Errorf("index %d of a vector of %d elements", v, k.shape[0])
		}
	}
	return k.gather(indices.shape, places), nil
}

func (c *call) foldSlice(k *constant) (*constant, error) {
	r, err := c.ranges(k.shape)
	if err != nil {
		return nil, err
	}
	shape, strides := make([]int, len(r)), strides(k.shape)
	for i := range r {
		shape[i] = r[i].size
	}
	var places []int
	each(shape, func(index []int) {
		p := 0
		for i, v := range index {
			p += (r[i].from + r[i].step*v) * strides[i]
		}
		places = append(places, p)
	})
	return k.gather(shape, places), nil
}

func (c *call) foldUnsqueeze(k *constant) (*constant, error) {
	shape, err := c.unsqueezed(k.shape)
	return k.reshaped(shape), err
}

func (c *call) foldSqueeze(k *constant) (*constant, error) {
	shape, err := c.squeezed(k.shape)
	return k.reshaped(shape), err
}

func (c *call) foldReshape(k *constant) (*constant, error) {
	target, err := c.integers(1)
	if err != nil {
		return nil, err
	}
	shape, err := resolve(target, k.shape, c.int("allowzero", 0) != 0)
	if err != nil {
		return nil, err
	}
	return k.reshaped(shape), nil
}

func (c *call) foldCast(k *constant) (*constant, error) {
	to := onnx.ElemType(c.int("to", 0))
	switch {
	case to.IsFloat() == k.float:
		return k, nil
	case k.float:
		y := &constant{shape: k.shape}
		for _, v := range k.floats {
			if math.IsNaN(float64(v)) || math.Abs(float64(v)) > 1<<40 {
				return nil, fmt.Errorf("%g is too large for a shape", v)
			}
			y.ints = append(y.ints, count{fixed: int64(v)})
		}
		return y, nil
	}
	values, err := k.integers()
	y := &constant{shape: k.shape, float: true}
	for _, v := range values {
		y.floats = append(y.floats, float32(v))
	}
	return y, err
}

func (c *call) foldFunction(k *constant) (*constant, error) {
	kind := c.proto.GetOpType()
	y := &constant{shape: k.shape, float: k.float}
	for _, v := range k.floats {
		switch kind {
		case "Floor":
			v = float32(math.Floor(float64(v)))
		case "Ceil":
			v = float32(math.Ceil(float64(v)))
		case "Neg":
			v = -v
		}
		y.floats = append(y.floats, v)
	}
	for _, v := range k.ints {
		if kind == "Neg" {
			v = count{-v.perSample, -v.fixed}
		}
		y.ints = append(y.ints, v)
	}
	return y, nil
}
