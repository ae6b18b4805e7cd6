package op

import (
	"errors"
	"fmt"
	"hash"
	"hash/fnv"
	"io"
	"slices"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/student/internal/blas"
	"rkd/student/internal/parallel"
)

var (
	// ErrShape is returned for inputs whose shapes do not fit an operator or each other.
	ErrShape = errors.New("shapes do not fit")
	// ErrType is returned for inputs that are not all float32 or all float64.
	ErrType = errors.New("element types do not fit")
	// ErrOption is returned for an attribute out of its range.
	ErrOption = errors.New("attribute out of range")
)

// operator is what all operators share: everything of gorgonia.Op, gorgonia.SDOp and gorgonia.UsePreallocDoer. An operator
// with a gradient embeds it and has its own DiffWRT and SymDiff; a gradient operator is one as it stands.
type operator struct {
	name  string // names every attribute: it is the hash, and Gorgonia merges nodes whose hashes are equal
	ranks []int  // of the inputs, then of the output
	// infer checks the shapes of the inputs, whose ranks are right, and returns the output's.
	infer func(in []tensor.Shape) (tensor.Shape, error)
	// exec overwrites every element of out, which has the inferred shape and holds anything.
	exec kernel
	// native says that exec is faster than the ONNX form on a processor.
	native bool
}

// kernel computes out on a team, which may be nil.
type kernel func(team *parallel.Team, out gorgonia.Value, in []gorgonia.Value) error

// args are one execution's arrays, row-major, with their shapes.
type args[T blas.Float] struct {
	team     *parallel.Team
	out      []T
	in       [][]T
	outShape tensor.Shape
	inShape  []tensor.Shape
}

// rows calls body with the range of elements of each entry of the output's first dimension.
func (a args[T]) rows(body func(from, to int)) {
	n := a.outShape[0]
	width := a.outShape.TotalSize() / n
	a.team.For(n, func(i int) { body(i*width, (i+1)*width) })
}

// kernels picks the kernel of the output's element type.
func kernels(f32 func(args[float32]), f64 func(args[float64])) kernel {
	return func(team *parallel.Team, out gorgonia.Value, in []gorgonia.Value) error {
		switch out.Dtype() {
		case tensor.Float32:
			return call(f32, team, out, in)
		case tensor.Float64:
			return call(f64, team, out, in)
		default:
			return fmt.Errorf("%w: output is %v, expected float32 or float64", ErrType, out.Dtype())
		}
	}
}

func call[T blas.Float](f func(args[T]), team *parallel.Team, out gorgonia.Value, in []gorgonia.Value) error {
	a := args[T]{team: team, outShape: out.Shape(), in: make([][]T, len(in)), inShape: make([]tensor.Shape, len(in))}
	var err error
	if a.out, err = elements[T](out); err != nil {
		return fmt.Errorf("output: %w", err)
	}
	for i, v := range in {
		if a.in[i], err = elements[T](v); err != nil {
			return fmt.Errorf("input %d: %w", i, err)
		}
		a.inShape[i] = v.Shape()
	}
	f(a)
	return nil
}

// elements is a tensor's own array, row-major.
func elements[T blas.Float](v gorgonia.Value) ([]T, error) {
	d, ok := v.(*tensor.Dense)
	if !ok {
		return nil, fmt.Errorf("%w: value is a %T, expected a dense tensor", ErrType, v)
	}
	if d.RequiresIterator() || d.DataOrder().IsColMajor() {
		return nil, fmt.Errorf("%w: tensor of shape %v is a view or column-major, expected contiguous rows", ErrType, d.Shape())
	}
	data, ok := d.Data().([]T)
	if !ok {
		return nil, fmt.Errorf("%w: tensor is %v, expected %T elements", ErrType, d.Dtype(), *new(T))
	}
	return data, nil
}

// apply adds the operator to the graph of its inputs. Shapes and types are checked before Gorgonia sees them, so that the
// error is one of ours.
func apply(op interface {
	gorgonia.Op
	check(shapes []tensor.Shape) (tensor.Shape, error)
}, inputs ...*gorgonia.Node,
) (*gorgonia.Node, error) {
	shapes := make([]tensor.Shape, len(inputs))
	for i, n := range inputs {
		if n == nil {
			return nil, fmt.Errorf("%v: %w: input %d is nil", op, ErrShape, i)
		}
		shapes[i] = n.Shape()
	}
	if _, err := op.check(shapes); err != nil {
		return nil, err
	}
	for i, n := range inputs {
		if dt := n.Dtype(); dt != inputs[0].Dtype() || dt != tensor.Float32 && dt != tensor.Float64 {
			return nil, fmt.Errorf("%v: %w: input %d is %v, input 0 is %v, expected all float32 or all float64",
				op, ErrType, i, dt, inputs[0].Dtype())
		}
	}
	n, err := gorgonia.ApplyOp(op, inputs...)
	if err != nil {
		return nil, fmt.Errorf("adding %v to the graph: %w", op, err)
	}
	return n, nil
}

// check returns the output's shape, or ErrShape.
func (o *operator) check(shapes []tensor.Shape) (tensor.Shape, error) {
	if len(shapes) != o.Arity() {
		return nil, fmt.Errorf("%s: %w: %d inputs, expected %d", o.name, ErrShape, len(shapes), o.Arity())
	}
	for i, s := range shapes {
		if s.Dims() == 0 || s.Dims() != o.ranks[i] || slices.ContainsFunc(s, func(d int) bool { return d < 1 }) {
			return nil, fmt.Errorf("%s: %w: input %d is %v, expected %d positive dimensions", o.name, ErrShape, i, s, o.ranks[i])
		}
	}
	out, err := o.infer(shapes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.name, err)
	}
	return out, nil
}

// Arity is the number of inputs.
func (o *operator) Arity() int { return len(o.ranks) - 1 }

// Type is Tensor-r₁ a → … → Tensor-r a: one element type, ranks as given.
func (o *operator) Type() hm.Type {
	types := make([]hm.Type, len(o.ranks))
	for i, r := range o.ranks {
		types[i] = gorgonia.TensorType{Dims: r, Of: hm.TypeVariable('a')}
	}
	return hm.NewFnType(types...)
}

// InferShape returns the output's shape, or ErrShape.
func (o *operator) InferShape(dims ...gorgonia.DimSizer) (tensor.Shape, error) {
	shapes, err := gorgonia.DimSizersToShapes(dims)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.name, err)
	}
	return o.check(shapes)
}

// Do computes into a new tensor.
func (o *operator) Do(in ...gorgonia.Value) (gorgonia.Value, error) {
	shape, err := o.inferValues(in)
	if err != nil {
		return nil, err
	}
	out := tensor.New(tensor.Of(in[0].Dtype()), tensor.WithShape(shape...))
	if err := o.exec(nil, out, in); err != nil {
		return nil, fmt.Errorf("%s: %w", o.name, err)
	}
	return out, nil
}

// UsePreallocDo computes into out, whose shape and type must be those that Do would return. out must not share memory with
// an input.
func (o *operator) UsePreallocDo(out gorgonia.Value, in ...gorgonia.Value) (gorgonia.Value, error) {
	return o.UseTeamDo(nil, out, in...)
}

// Native says that the kernel is faster than the ONNX form, if there is one, on a processor.
func (o *operator) Native() bool { return o.native }

// UseTeamDo is UsePreallocDo on a team.
func (o *operator) UseTeamDo(team *parallel.Team, out gorgonia.Value, in ...gorgonia.Value) (gorgonia.Value, error) {
	shape, err := o.inferValues(in)
	if err != nil {
		return nil, err
	}
	if !shape.Eq(out.Shape()) || out.Dtype() != in[0].Dtype() {
		return nil, fmt.Errorf("%s: %w: preallocated output is %v %v, expected %v %v",
			o.name, ErrShape, out.Dtype(), out.Shape(), in[0].Dtype(), shape)
	}
	if err := o.exec(team, out, in); err != nil {
		return nil, fmt.Errorf("%s: %w", o.name, err)
	}
	return out, nil
}

func (o *operator) inferValues(in []gorgonia.Value) (tensor.Shape, error) {
	shapes := make([]tensor.Shape, len(in))
	for i, v := range in {
		shapes[i] = v.Shape()
	}
	return o.check(shapes)
}

// ReturnsPtr is true: outputs are tensors.
func (o *operator) ReturnsPtr() bool { return true }

// CallsExtern is false: all of it is Go.
func (o *operator) CallsExtern() bool { return false }

// OverwritesInput is −1: outputs never share memory with inputs.
func (o *operator) OverwritesInput() int { return -1 }

// WriteHash writes the name with all attributes.
func (o *operator) WriteHash(h hash.Hash) {
	_, _ = io.WriteString(h, o.name) // a hash's Write never fails
}

// Hashcode is the FNV-1a hash of the name.
func (o *operator) Hashcode() uint32 {
	h := fnv.New32a()
	o.WriteHash(h)
	return h.Sum32()
}

// String is the name with all attributes.
func (o *operator) String() string { return o.name }

// DiffWRT says that no input has a gradient. It is never empty: Gorgonia refuses a graph with such an operator in it.
func (o *operator) DiffWRT(inputs int) []bool { return make([]bool, inputs) }

// SymDiff fails: DiffWRT says so.
func (o *operator) SymDiff(gorgonia.Nodes, *gorgonia.Node, *gorgonia.Node) (gorgonia.Nodes, error) {
	return nil, fmt.Errorf("%s has no gradient", o.name)
}

// all is the DiffWRT of an operator that has a gradient for each of its inputs.
func all(inputs int) []bool { return slices.Repeat([]bool{true}, inputs) }

// rank is the rank of a node that may be nil; apply refuses a nil later.
func rank(n *gorgonia.Node) int {
	if n == nil {
		return 0
	}
	return n.Shape().Dims()
}

// sameShape is the infer of an operator whose inputs all have its output's shape.
func sameShape(in []tensor.Shape) (tensor.Shape, error) {
	for i, s := range in {
		if !s.Eq(in[0]) {
			return nil, fmt.Errorf("%w: input %d is %v, input 0 is %v, expected the same", ErrShape, i, s, in[0])
		}
	}
	return in[0].Clone(), nil
}

// expectShape is an error unless input i has the shape want.
func expectShape(in []tensor.Shape, i int, want ...int) error {
	if !in[i].Eq(tensor.Shape(want)) {
		return fmt.Errorf("%w: input %d is %v, expected %v (inputs %v)", ErrShape, i, in[i], tensor.Shape(want), in)
	}
	return nil
}
