package loss

import (
	"math/rand/v2"
	"slices"

	"rkd/datasets/memory"
	"rkd/student/internal/blas"
)

// Param is a tensor of weights that a loss learns along with the student.
type Param[T blas.Float] struct {
	Name  string // as in a checkpoint: head.weight
	Shape []int
	Value []T // row-major; an optimiser writes here
	Grad  []T // as many, dL/dValue
}

// Learner is a [Loss] with weights of its own. Where its Eval adds a gradient for the student, it adds weight·dL/dValue
// to the Grad of each of its parameters too; the caller clears them first, as [Sum] does.
type Learner[T blas.Float] interface {
	// Params returns the same parameters at each call.
	Params() []*Param[T]
}

// newParam returns a parameter with values uniform in ±bound.
func newParam[T blas.Float](name string, bound float64, r *rand.Rand, shape ...int) *Param[T] {
	size := 1
	for _, s := range shape {
		size *= s
	}
	p := &Param[T]{Name: name, Shape: shape, Value: memory.Make[T](size), Grad: memory.Make[T](size)}
	for i := range p.Value {
		p.Value[i] = T((2*r.Float64() - 1) * bound)
	}
	return p
}

// matrix is a view of the values of a parameter of two dimensions.
func (p *Param[T]) matrix() Matrix[T] {
	return Matrix[T]{Rows: p.Shape[0], Cols: p.Shape[1], Data: p.Value}
}

// params returns the parameters of l, none unless it is a [Learner].
func params[T blas.Float](l Loss[T]) []*Param[T] {
	if learner, ok := l.(Learner[T]); ok {
		return learner.Params()
	}
	return nil
}

// appendParams appends those of more that are not among all.
func appendParams[T blas.Float](all, more []*Param[T]) []*Param[T] {
	for _, p := range more {
		if !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	return all
}
