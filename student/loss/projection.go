package loss

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"rkd/datasets/memory"
	"rkd/student/internal/blas"
	"rkd/student/internal/parallel"
)

// The kinds of [Projection].
const (
	ProjectionLinear = "linear" // inner products, and a bias if asked for
	ProjectionCosine = "cosine" // cosines times a constant
)

// DefaultProjectionScale is what a [Projection] multiplies cosines by where nothing else is given.
const DefaultProjectionScale = 16

// ProjectionOptions are the settings of [Projection].
type ProjectionOptions struct {
	// Kind is ProjectionLinear or ProjectionCosine; empty means ProjectionLinear.
	Kind string `yaml:"kind,omitempty"`
	// Scale multiplies the cosines; more than 0. 0 means DefaultProjectionScale. Only for ProjectionCosine.
	Scale float64 `yaml:"scale,omitempty" within:"(0,1000000]"`
	// Bias adds a learned offset. Only for ProjectionLinear.
	Bias bool `yaml:"-"`
}

// complete returns the settings with their defaults, the scale of the linear kind being 1, or ErrOption.
func (o ProjectionOptions) complete(name string) (ProjectionOptions, error) {
	switch o.Kind {
	case "", ProjectionLinear:
		if o.Scale != 0 {
			return o, fmt.Errorf("%w: %q of kind %s has the scale %g, expected none", ErrOption, name, ProjectionLinear, o.Scale)
		}
		o.Kind, o.Scale = ProjectionLinear, 1
	case ProjectionCosine:
		if o.Bias {
			return o, fmt.Errorf("%w: %q of kind %s has a bias, expected none", ErrOption, name, o.Kind)
		}
		o.Scale = cmp.Or(o.Scale, DefaultProjectionScale)
		if !(o.Scale > 0) || math.IsInf(o.Scale, 1) {
			return o, fmt.Errorf("%w: scale of %q is %g, expected a number of more than 0", ErrOption, name, o.Scale)
		}
	default:
		return o, fmt.Errorf("%w: kind of %q is %q, expected one of %s, %s", ErrOption, name, o.Kind, ProjectionLinear,
			ProjectionCosine)
	}
	return o, nil
}

// Projection is a learned linear map of the student's rows: a regressor to the teacher's width, or a classifier's head.
//
//	linear: p_ic = ⟨s_i,w_c⟩ + b_c, without b unless Bias
//	cosine: p_ic = scale·⟨s_i,w_c⟩ / (max(‖s_i‖₂, 1e-12)·max(‖w_c‖₂, 1e-12))
//
// The student's rows s are (N,Ds), the weights w (C,Ds), the bias b (C), the result is (N,C). Sums run in float64
// whatever T is. Several losses may share a Projection through [NewProjected], but not one around the other; it keeps
// working memory, so they must not run at once.
//
// A student's row of at most 1e-12 has no direction and gets no gradient from cosine; weights alike.
//
// Source: the linear kind, and the first weights uniform in ±1/√Ds, are PyTorch's Linear; the cosine kind is that of
// Gidaris & Komodakis, Dynamic Few-Shot Visual Learning without Forgetting, CVPR 2018, eq. 2, with the scale a
// constant. Deviation: PyTorch's normalisation gives vanishing rows a gradient of the order of 1e12.
type Projection[T blas.Float] struct {
	name         string
	scale        float64 // of products: 1 unless cosine
	weight, bias *Param[T]
	params       []*Param[T]

	students, weights   *gram[T]
	products            []float64 // (N,C), before the bias
	slope               []float64 // (N,C): dL/dP
	byStudent, byWeight *gramGradient[T]
	output              []T // (N,C): P

	project, pullStudents, pullWeights *parallel.Loop
}

// forwardRows is how many rows [Projection.Forward] holds at once.
const forwardRows = 256

// NewProjection returns a map from in to out columns whose parameters are called name.weight, (out,in), and name.bias,
// (out), with first weights drawn from r. It returns ErrOption for a setting out of range.
func NewProjection[T blas.Float](name string, o ProjectionOptions, in, out int, r *rand.Rand) (*Projection[T], error) {
	o, err := o.complete(name)
	switch {
	case err != nil:
		return nil, err
	case in < 1 || out < 1:
		return nil, fmt.Errorf("%w: %q is from %d to %d columns, expected at least 1 each", ErrOption, name, in, out)
	case r == nil:
		return nil, fmt.Errorf("%w: %q needs a random generator for its first weights", ErrOption, name)
	}
	cosine := o.Kind == ProjectionCosine
	p := &Projection[T]{
		name: name, scale: o.Scale, students: newGram[T]("student", cosine, 0),
		weights:   newGram[T](name+".weight", cosine, 0),
		byStudent: newGramGradient[T](), byWeight: newGramGradient[T](),
	}
	p.students.fewest, p.weights.fewest = 1, 1
	bound := 1 / math.Sqrt(float64(in))
	p.weight = newParam[T](name+".weight", bound, r, out, in)
	p.params = []*Param[T]{p.weight}
	if o.Bias {
		p.bias = newParam[T](name+".bias", bound, r, out)
		p.params = append(p.params, p.bias)
	}
	p.project = parallel.NewLoop(p.projectRow)
	p.pullStudents = parallel.NewLoop(p.pullStudentRows)
	p.pullWeights = parallel.NewLoop(p.pullWeightRows)
	return p, nil
}

// Params returns the weights and, where there is one, the bias. Losses learn them through [Projected].
func (p *Projection[T]) Params() []*Param[T] { return slices.Clone(p.params) }

// Directions returns what an export needs in place of the weights, (C,Ds): the matrix whose inner products with the
// student's rows, for the cosine kind with those rows at unit length, are the map before the bias.
//
//	linear: w_c
//	cosine: scale·w_c / max(‖w_c‖₂, 1e-12)
func (p *Projection[T]) Directions() []T {
	if !p.weights.unit {
		return slices.Clone(p.weight.Value)
	}
	directions := memory.Make[T](len(p.weight.Value))
	unitRows(directions, nil, p.weight.matrix())
	for i := range directions {
		directions[i] *= T(p.scale)
	}
	return directions
}

// Forward returns the map of the student's rows, (N,C) with N ≥ 1, in dst where that is large enough. Working memory
// does not grow with N. It returns ErrShape for rows of another width than the weights', and ErrNotFinite for rows or
// weights that hold NaN or an infinity or are too large for T to hold 4·N²·‖x‖⁴ (linear) or 16·‖x‖² (cosine).
func (p *Projection[T]) Forward(dst []T, student Matrix[T]) ([]T, error) {
	if err := p.validate(student); err != nil {
		return nil, err
	}
	in, out := p.weight.Shape[1], p.weight.Shape[0]
	dst = resize(dst, student.Rows*out)
	for first := 0; first < student.Rows; first += forwardRows {
		rows := min(forwardRows, student.Rows-first)
		block := Matrix[T]{Rows: rows, Cols: in, Data: student.Data[first*in:][:rows*in]}
		if err := p.load(block); err != nil {
			if row, ok := errors.AsType[*RowError](err); ok {
				row.Row += first
			}
			return nil, err
		}
		p.forward(dst[first*out:][:rows*out])
	}
	return dst, nil
}

// validate returns ErrShape unless the student's rows are as wide as the weights.
func (p *Projection[T]) validate(student Matrix[T]) error {
	if err := student.validate("student", 1); err != nil {
		return err
	}
	if in := p.weight.Shape[1]; student.Cols != in {
		return fmt.Errorf("%w: student is (%d,%d), expected %d columns for %q", ErrShape, student.Rows,
			student.Cols, in, p.name)
	}
	return nil
}

// load reads the student's rows and the parameters, or returns ErrNotFinite: as a *RowError for a row of the student.
func (p *Projection[T]) load(student Matrix[T]) error {
	if err := p.students.loadRows(student); err != nil {
		return err
	}
	if err := p.weights.loadRows(p.weight.matrix()); err != nil {
		if row, ok := errors.AsType[*RowError](err); ok {
			return fmt.Errorf("%w: %s", ErrNotFinite, row.Error()) // as a RowError it would name a row of the batch
		}
		return err
	}
	if p.bias != nil {
		for c, v := range p.bias.Value {
			if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
				return fmt.Errorf("%w: %s has %g at %d", ErrNotFinite, p.bias.Name, f, c)
			}
		}
	}
	return nil
}

// forward writes the map of the loaded rows to output, (N,C).
func (p *Projection[T]) forward(output []T) {
	p.products = resize(p.products, len(output))
	p.output = output
	p.project.Run(p.students.n)
	p.output = nil
}

func (p *Projection[T]) projectRow(i int) {
	out := p.weights.n
	products := p.products[i*out:][:out]
	blas.Gemv(out, p.weights.stride, p.scale, p.weights.rows, p.weights.stride, p.students.padded(i), 0, products)
	for c, v := range products {
		if p.bias != nil {
			v += float64(p.bias.Value[c])
		}
		p.output[i*out+c] = T(v)
	}
}

// backward adds the gradient of a loss whose derivative by the map of the loaded rows is slope, (N,C): to grad, (N,Ds),
// and to the parameters' own.
func (p *Projection[T]) backward(slope []T, grad Matrix[T]) {
	n, out, in := p.students.n, p.weights.n, p.students.dim
	p.slope = resize(p.slope, n*out)
	for i, v := range slope {
		p.slope[i] = float64(v)
	}
	p.byStudent.product, p.byWeight.product = resize(p.byStudent.product, n*in), resize(p.byWeight.product, out*in)
	p.pullStudents.Run((n + gradRows - 1) / gradRows)
	p.pullWeights.Run((out + gradRows - 1) / gradRows)
	p.byStudent.addProduct(p.students, p.scale, grad)
	p.byWeight.addProduct(p.weights, p.scale, Matrix[T]{Rows: out, Cols: in, Data: p.weight.Grad})
	if p.bias == nil {
		return
	}
	for c := range p.bias.Grad {
		sum := 0.0
		for i := range n {
			sum += p.slope[i*out+c]
		}
		p.bias.Grad[c] += T(sum)
	}
}

// pullStudentRows computes rows of the derivative by the students' rows, slope·W.
func (p *Projection[T]) pullStudentRows(block int) {
	n, out, in, first := p.students.n, p.weights.n, p.students.dim, block*gradRows
	for c := 0; c < in; c += gradCols {
		blas.Gemm(false, false, min(gradRows, n-first), min(gradCols, in-c), out, 1, p.slope[first*out:], out,
			p.weights.rows[c:], p.weights.stride, 0, p.byStudent.product[first*in+c:], in)
	}
}

// pullWeightRows computes rows of the derivative by the weights' rows, slopeᵀ·S.
func (p *Projection[T]) pullWeightRows(block int) {
	n, out, in, first := p.students.n, p.weights.n, p.students.dim, block*gradRows
	for c := 0; c < in; c += gradCols {
		blas.Gemm(true, false, min(gradRows, out-first), min(gradCols, in-c), n, 1, p.slope[first:], out,
			p.students.rows[c:], p.students.stride, 0, p.byWeight.product[first*in+c:], in)
	}
}
