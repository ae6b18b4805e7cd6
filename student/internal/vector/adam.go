package vector

import (
	"math"

	"rkd/student/internal/blas"
)

// AdamStep are the numbers of one step of Adam, the same for all elements.
type AdamStep[T blas.Float] struct {
	Beta1, Rest1 T // β₁, 1 − β₁
	Beta2, Rest2 T // β₂, 1 − β₂
	Rate, Root   T // of a step, and √ of the second moment's correction
	Epsilon      T
	Decay        T // of the weights, added to their gradients
	Shrink       T // what is left of the weights
}

// Adam is, of a weight, its moments and its gradient,
//
//	g ← g + decay·w,  m ← β₁·m + (1−β₁)·g,  v ← β₂·v + (1−β₂)·g²,  w ← shrink·w − rate·m/(√v/root + ε)
//
// g itself stays.
func Adam[T blas.Float](w, m, v, g []T, s *AdamStep[T]) {
	m, v, g = m[:len(w)], v[:len(w)], g[:len(w)]
	if adamFast(w, m, v, g, s) {
		return
	}
	for i, gi := range g { // converted products are not contracted to fused additions
		gi += T(s.Decay * w[i])
		m[i] = T(s.Beta1*m[i]) + T(s.Rest1*gi)
		v[i] = T(s.Beta2*v[i]) + T(T(s.Rest2*gi)*gi)
		w[i] = T(s.Shrink*w[i]) - T(s.Rate*m[i])/(T(math.Sqrt(float64(v[i])))/s.Root+s.Epsilon)
	}
}
