package loss

import (
	"slices"

	"rkd/student/internal/blas"
)

// Sum is a weighted sum of losses; its zero value is the empty sum. Like a [Loss] it keeps working memory and is not
// for concurrent use.
type Sum[T blas.Float] struct {
	addends []addend[T]
	params  []*Param[T]
	terms   []Term
}

type addend[T blas.Float] struct {
	loss     Loss[T]
	weight   float64
	schedule Schedule
}

// Add adds weight·l to the sum.
func (s *Sum[T]) Add(weight float64, l Loss[T]) { s.AddScheduled(weight, Schedule{}, l) }

// AddScheduled adds weight·schedule.At(epoch)·l to the sum, where the epoch is the batch's. The schedule is one that
// [Schedule.Validate] accepts.
func (s *Sum[T]) AddScheduled(weight float64, schedule Schedule, l Loss[T]) {
	s.addends = append(s.addends, addend[T]{l, weight, schedule})
	s.params = appendParams(s.params, params(l))
}

// Params returns the parameters of all losses in the order in which they were added, each once. They include those of
// losses with weight 0, whose gradients stay 0.
func (s *Sum[T]) Params() []*Param[T] { return slices.Clone(s.params) }

// Eval returns the sum's value with the terms of all its losses, and overwrites grad, (N,Ds), and the Grad of all
// parameters with its gradient. Losses whose weight is 0 at the batch's epoch are not computed and give no term, so the
// number of terms may change as schedules proceed. A grad without data is left out, and with it the gradient by the
// parameters, which is cleared all the same. Terms stay valid until the next call.
//
// It returns ErrShape when grad does not have the student's shape, and the first error of a loss.
func (s *Sum[T]) Eval(b Batch[T], grad Matrix[T]) (Value, error) {
	if err := validateGrad(grad, b.Student); err != nil {
		return Value{}, err
	}
	clear(grad.Data)
	for _, p := range s.params {
		clear(p.Grad)
	}
	s.terms = s.terms[:0]
	total := 0.0
	for _, a := range s.addends {
		weight := a.weight * a.schedule.At(b.Epoch)
		if weight == 0 {
			continue
		}
		v, err := a.loss.Eval(b, weight, grad)
		if err != nil {
			return Value{}, err
		}
		for _, term := range v.Terms {
			term.Weight *= weight
			s.terms = append(s.terms, term)
		}
		total += weight * v.Total
	}
	return Value{Total: total, Terms: s.terms}, nil
}
