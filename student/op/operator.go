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

	"rkd/models/onnx"
	"rkd/student/internal/conv"
	"rkd/student/internal/parallel"
)

var (
	// ErrShape is returned for inputs whose shapes do not fit an operator or each other.
	ErrShape = errors.New("shapes do not fit")
	// ErrType is returned for inputs that are not all float32 or all float64.
	ErrType = errors.New("element types do not fit")
	// ErrOption is returned for an attribute out of its range.
	ErrOption = errors.New("attribute out of range")
	// errLower is returned for an operator without an ONNX form, or with the wrong number of inputs.
	errLower = errors.New("cannot be lowered to ONNX")
)

// Operator is all that an engine or an exporter may ask of an operator, besides what gorgonia.Op answers. Every
// operator of this package is one; [Of] gives that of a node.
type Operator interface {
	gorgonia.Op

	// Compute overwrites out, which has the inferred shape and shares no memory with an input. nil is a team of all cores.
	Compute(team *parallel.Team, out gorgonia.Value, in ...gorgonia.Value) error
	// Native reports whether Compute is faster on a processor than the ONNX form.
	Native() bool
	// IsView reports whether the output is input 0 in another shape, with all elements in their order: an engine need not
	// copy.
	IsView() bool

	// Lowers reports whether the operator has an ONNX form.
	Lowers() bool
	// Lower adds the ONNX nodes (operator set 17, float32) that compute the same as Compute. inputs names the tensors of
	// the inputs, in the operator's order; Lower returns the name of the output. Errors wrap errLower.
	Lower(b *onnx.Builder, inputs []string) (string, error)

	// Plans reports whether Plan is the fastest way to compute on a processor, for inputs of these shapes.
	Plans(in []tensor.Shape) bool
	// Plan prepares the operator on fixed memory, in float32: each run computes out, all of it, from what in then holds.
	Plan(m Multiplier, team *parallel.Team, out *tensor.Dense, in []*tensor.Dense) (run func() error, err error)

	// Fuse merges this operator with the producer of one of its inputs into one that makes fewer passes over memory. It
	// returns that operator and its inputs, or nil if no rule (fuse.go) applies.
	Fuse(s Site) (Operator, []*gorgonia.Node)
}

// Multiplier prepares matrix products for Plan.
type Multiplier = conv.Multiplier

// planning is a Plan.
type planning func(m Multiplier, team *parallel.Team, out *tensor.Dense, in []*tensor.Dense) (func() error, error)

// Of returns the operator of a node, or nil if it is none of this package. The sum that gorgonia.Backpropagate makes
// where a value is used twice counts as Add.
func Of(n *gorgonia.Node) Operator {
	if o, ok := n.Op().(Operator); ok {
		return o
	}
	if isGorgoniaSum(n) {
		return newAdd(n.Dims())
	}
	return nil
}

// operator implements Operator, gorgonia.SDOp and gorgonia.UsePreallocDoer. An operator with a gradient embeds it and
// overrides DiffWRT and SymDiff; the operator of a gradient is one as it stands.
type operator struct {
	name  string // with all attributes: it is the hash, and Gorgonia merges nodes whose hashes are equal
	ranks []int  // of the inputs, then of the output
	// infer checks the shapes of the inputs, whose ranks are right, and returns the output's.
	infer func(in []tensor.Shape) (tensor.Shape, error)
	// exec overwrites every element of out, which has the inferred shape and any contents.
	exec   kernel
	native bool
	view   bool
	lower  lowering // nil: none
	plans  func(in []tensor.Shape) bool
	plan   planning // nil: none
}

// apply adds the operator to the graph of its inputs. Shapes and types are checked before Gorgonia sees them, so that
// the error is one of ours.
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

// UsePreallocDo is Compute on all cores; it returns out.
func (o *operator) UsePreallocDo(out gorgonia.Value, in ...gorgonia.Value) (gorgonia.Value, error) {
	if err := o.Compute(nil, out, in...); err != nil {
		return nil, err
	}
	return out, nil
}

func (o *operator) Compute(team *parallel.Team, out gorgonia.Value, in ...gorgonia.Value) error {
	shape, err := o.inferValues(in)
	if err != nil {
		return err
	}
	if !shape.Eq(out.Shape()) || out.Dtype() != in[0].Dtype() {
		return fmt.Errorf("%s: %w: preallocated output is %v %v, expected %v %v",
			o.name, ErrShape, out.Dtype(), out.Shape(), in[0].Dtype(), shape)
	}
	if err := o.exec(team, out, in); err != nil {
		return fmt.Errorf("%s: %w", o.name, err)
	}
	return nil
}

func (o *operator) Native() bool { return o.native }

func (o *operator) IsView() bool { return o.view }

func (o *operator) Lowers() bool { return o.lower != nil }

func (o *operator) Lower(b *onnx.Builder, inputs []string) (string, error) {
	if o.lower == nil {
		return "", fmt.Errorf("%s %w", o.name, errLower)
	}
	if len(inputs) != o.Arity() {
		return "", fmt.Errorf("%s %w: %d inputs, expected %d", o.name, errLower, len(inputs), o.Arity())
	}
	return o.lower(b, inputs), nil
}

func (o *operator) Plans(in []tensor.Shape) bool { return o.plan != nil && o.plans(in) }

func (o *operator) Plan(
	m Multiplier, team *parallel.Team, out *tensor.Dense, in []*tensor.Dense,
) (func() error, error) {
	if o.plan == nil {
		return nil, fmt.Errorf("%s: %w: it cannot be planned", o.name, ErrOption)
	}
	return o.plan(m, team, out, in)
}

func (o *operator) Fuse(s Site) (Operator, []*gorgonia.Node) { return fuse(s) }

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
