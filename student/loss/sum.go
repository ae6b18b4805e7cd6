package loss

import "rkd/student/internal/blas"

// Sum is a weighted sum of losses; its zero value is the empty sum. Like a [Loss] it keeps working memory and is not for
// concurrent use.
type Sum[T blas.Float] struct {
	losses  []Loss[T]
	weights []float64
	terms   []Term
}

// Add adds weight·l to the sum.
func (s *Sum[T]) Add(weight float64, l Loss[T]) {
	s.losses = append(s.losses, l)
	s.weights = append(s.weights, weight)
}

// Eval returns the sum's value with the terms of all its losses, and overwrites grad, (N,Ds), with its gradient. Losses
// with weight 0 are not computed and give no term. A grad without data is left out. Terms stay valid until the next call.
//
// It returns ErrShape when grad does not have the student's shape, and the first error of a loss.
func (s *Sum[T]) Eval(b Batch[T], grad Matrix[T]) (Value, error) {
	if err := validateGrad(grad, b.Student); err != nil {
		return Value{}, err
	}
	clear(grad.Data)
	s.terms = s.terms[:0]
	total := 0.0
	for i, l := range s.losses {
		weight := s.weights[i]
		if weight == 0 {
			continue
		}
		v, err := l.Eval(b, weight, grad)
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
