package vector

import "rkd/student/internal/blas"

// adamStep is AdamStep[float32], whose offsets the assembly cannot name because it is generic.
type adamStep struct {
	beta1, rest1, beta2, rest2, rate, root, epsilon, decay, shrink float32
}

//go:noescape
func adamAVX2(w, m, v, g []float32, s *adamStep)

func adamFast[T blas.Float](w, m, v, g []T, s *AdamStep[T]) bool {
	w32 := fast(w)
	if w32 == nil {
		return false
	}
	n := any(s).(*AdamStep[float32])
	numbers := adamStep{n.Beta1, n.Rest1, n.Beta2, n.Rest2, n.Rate, n.Root, n.Epsilon, n.Decay, n.Shrink}
	adamAVX2(w32, fast(m), fast(v), fast(g), &numbers)
	return true
}
