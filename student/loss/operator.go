package loss

import (
	"errors"
	"fmt"
	"hash"
	"hash/fnv"
	"io"
	"sync"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/student/internal/blas"
)

// ErrType reports element types that an operator does not compute in.
var ErrType = errors.New("element types do not fit")

// RelationalDistance adds the distance-wise loss of [Relational] to a graph: a scalar node that Gorgonia can
// differentiate with respect to student, (N,Ds); teacher, (N,Dt), is a constant to it. Both are float32 or both
// float64.
//
// It returns ErrShape when an input is nil or not a matrix, N < 2 or the numbers of rows differ, and ErrType for other
// or unequal element types. Errors that depend on values come from the tape machine that runs the graph.
func RelationalDistance(student, teacher *gorgonia.Node) (*gorgonia.Node, error) {
	return relationalNode(student, teacher, 1, 0)
}

// RelationalAngle is [RelationalDistance] for the angle-wise loss.
func RelationalAngle(student, teacher *gorgonia.Node) (*gorgonia.Node, error) {
	return relationalNode(student, teacher, 0, 1)
}

func relationalNode(student, teacher *gorgonia.Node, distance, angle float64) (*gorgonia.Node, error) {
	if student == nil || teacher == nil {
		return nil, fmt.Errorf("%w: student or teacher is nil, expected two matrices", ErrShape)
	}
	if dt := student.Dtype(); dt != teacher.Dtype() || dt != tensor.Float32 && dt != tensor.Float64 {
		return nil, fmt.Errorf("%w: student is %v, teacher is %v, expected both float32 or both float64", ErrType, dt,
			teacher.Dtype())
	}
	if err := checkRelational(student.Shape(), teacher.Shape()); err != nil {
		return nil, err
	}
	name := attributes(fmt.Sprintf("RelationalLoss{distance=%v, angle=%v}", distance, angle))
	op := &relationalOp{name, &relationalKernel{distance: distance, angle: angle}}
	n, err := gorgonia.ApplyOp(op, student, teacher)
	if err != nil {
		return nil, fmt.Errorf("adding %v to the graph: %w", op, err)
	}
	return n, nil
}

func checkRelational(student, teacher tensor.Shape) error {
	if student.Dims() != 2 || teacher.Dims() != 2 || student[0] != teacher[0] || student[0] < 2 {
		return fmt.Errorf("%w: student is %v, teacher is %v, expected (N,Ds) and (N,Dt) with N at least 2",
			ErrShape, student, teacher)
	}
	return nil
}

// relationalKernel is what an operator and its gradient have in common. The losses keep working memory, so one run at a
// time has them: two machines may run one graph.
type relationalKernel struct {
	distance, angle float64
	mu              sync.Mutex
	float32         *Relational[float32]
	float64         *Relational[float64]
}

// eval returns the value and, into a grad that is not nil, weight times the gradient.
func (k *relationalKernel) eval(student, teacher gorgonia.Value, weight float64, grad gorgonia.Value) (float64, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch student.Data().(type) {
	case []float32:
		if k.float32 == nil {
			k.float32 = NewRelational[float32](k.distance, k.angle)
		}
		return evalValues(k.float32, student, teacher, weight, grad)
	case []float64:
		if k.float64 == nil {
			k.float64 = NewRelational[float64](k.distance, k.angle)
		}
		return evalValues(k.float64, student, teacher, weight, grad)
	}
	return 0, fmt.Errorf("%w: student is %v, expected float32 or float64", ErrType, student.Dtype())
}

func evalValues[T blas.Float](
	r *Relational[T], student, teacher gorgonia.Value, weight float64, grad gorgonia.Value,
) (float64, error) {
	s, err := view[T](student)
	if err != nil {
		return 0, err
	}
	t, err := view[T](teacher)
	if err != nil {
		return 0, err
	}
	var g Matrix[T]
	if grad != nil {
		if g, err = view[T](grad); err != nil {
			return 0, err
		}
		clear(g.Data)
	}
	v, err := r.Eval(Batch[T]{Student: s, Teacher: t}, weight, g)
	return v.Total, err
}

func view[T blas.Float](v gorgonia.Value) (Matrix[T], error) {
	data, ok := v.Data().([]T)
	if !ok || v.Shape().Dims() != 2 {
		return Matrix[T]{}, fmt.Errorf("%w: value is %v %v, expected a matrix of the student's element type",
			ErrType, v.Dtype(), v.Shape())
	}
	if d, ok := v.(tensor.DenseTensor); ok && (d.RequiresIterator() || d.DataOrder().IsColMajor()) {
		return Matrix[T]{}, fmt.Errorf("%w: value of shape %v is a transposed or sliced view, expected row-major", ErrShape,
			v.Shape())
	}
	return Matrix[T]{Rows: v.Shape()[0], Cols: v.Shape()[1], Data: data}, nil
}

// attributes is the name of an operator with all its attributes: Gorgonia merges nodes of equal hashes.
type attributes string

func (a attributes) String() string        { return string(a) }
func (a attributes) WriteHash(h hash.Hash) { _, _ = io.WriteString(h, string(a)) } // a hash's Write never fails
func (a attributes) Hashcode() uint32 {
	h := fnv.New32a()
	a.WriteHash(h)
	return h.Sum32()
}

// ReturnsPtr, CallsExtern and OverwritesInput: outputs are made in Go and share no memory with inputs.
func (attributes) ReturnsPtr() bool     { return false }
func (attributes) CallsExtern() bool    { return false }
func (attributes) OverwritesInput() int { return -1 }

// relationalOp is student → teacher → loss.
type relationalOp struct {
	attributes
	kernel *relationalKernel
}

func (*relationalOp) Arity() int { return 2 }

func (*relationalOp) Type() hm.Type { return hm.NewFnType(matrixType(), matrixType(), element) }

func (*relationalOp) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) {
	shapes, err := gorgonia.DimSizersToShapes(in)
	if err != nil {
		return nil, err
	}
	return tensor.ScalarShape(), checkRelational(shapes[0], shapes[1])
}

func (o *relationalOp) Do(in ...gorgonia.Value) (gorgonia.Value, error) {
	v, err := o.kernel.eval(in[0], in[1], 1, nil)
	if err != nil {
		return nil, err
	}
	if in[0].Dtype() == tensor.Float32 {
		return gorgonia.NewF32(float32(v)), nil
	}
	return gorgonia.NewF64(v), nil
}

func (*relationalOp) DiffWRT(int) []bool { return []bool{true, false} }

func (o *relationalOp) SymDiff(in gorgonia.Nodes, _, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	op := &relationalGradOp{"gradient of " + o.attributes, o.kernel}
	n, err := gorgonia.ApplyOp(op, in[0], in[1], grad)
	if err != nil {
		return nil, fmt.Errorf("adding the %v to the graph: %w", op, err)
	}
	return gorgonia.Nodes{n, nil}, nil
}

// relationalGradOp is student → teacher → dOut/dLoss → dOut/dStudent.
type relationalGradOp struct {
	attributes
	kernel *relationalKernel
}

func (*relationalGradOp) Arity() int { return 3 }

func (*relationalGradOp) Type() hm.Type {
	return hm.NewFnType(matrixType(), matrixType(), element, matrixType())
}

func (*relationalGradOp) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) {
	shapes, err := gorgonia.DimSizersToShapes(in)
	if err != nil {
		return nil, err
	}
	return shapes[0].Clone(), checkRelational(shapes[0], shapes[1])
}

func (o *relationalGradOp) Do(in ...gorgonia.Value) (gorgonia.Value, error) {
	return o.UsePreallocDo(tensor.New(tensor.Of(in[0].Dtype()), tensor.WithShape(in[0].Shape()...)), in...)
}

func (o *relationalGradOp) UsePreallocDo(out gorgonia.Value, in ...gorgonia.Value) (gorgonia.Value, error) {
	weight, err := scalar(in[2])
	if err != nil {
		return nil, err
	}
	_, err = o.kernel.eval(in[0], in[1], weight, out)
	return out, err
}

// DiffWRT says that there is no second derivative.
func (*relationalGradOp) DiffWRT(inputs int) []bool { return make([]bool, inputs) }

func (o *relationalGradOp) SymDiff(gorgonia.Nodes, *gorgonia.Node, *gorgonia.Node) (gorgonia.Nodes, error) {
	return nil, fmt.Errorf("the %v has no gradient", o)
}

// element is the type variable that all inputs and outputs share.
const element = hm.TypeVariable('a')

func matrixType() gorgonia.TensorType { return gorgonia.TensorType{Dims: 2, Of: element} }

// scalar is the number in a value of one element.
func scalar(v gorgonia.Value) (float64, error) {
	switch x := v.Data().(type) {
	case float32:
		return float64(x), nil
	case float64:
		return x, nil
	case []float32:
		if len(x) == 1 {
			return float64(x[0]), nil
		}
	case []float64:
		if len(x) == 1 {
			return x[0], nil
		}
	}
	return 0, fmt.Errorf("%w: incoming gradient is %v %v, expected a scalar", ErrShape, v.Dtype(), v.Shape())
}
