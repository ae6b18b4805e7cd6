package vector

import "rkd/student/internal/blas"

//go:noescape
func adamAVX2(w, m, v, g []float32, s *AdamStep[float32])

func adamFast[T blas.Float](w, m, v, g []T, s *AdamStep[T]) bool {
	w32 := fast(w)
	if w32 == nil {
		return false
	}
	adamAVX2(w32, fast(m), fast(v), fast(g), any(s).(*AdamStep[float32]))
	return true
}
