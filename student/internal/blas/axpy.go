package blas

import "gonum.org/v1/gonum/blas/gonum"

// Axpy adds alpha·x to y, element by element. Both have the same length.
func Axpy[T Float](alpha T, x, y []T) {
	if len(x) == 0 {
		return
	}
	var impl gonum.Implementation
	switch x := any(x).(type) {
	case []float32:
		impl.Saxpy(len(x), float32(alpha), x, 1, any(y).([]float32), 1)
	case []float64:
		impl.Daxpy(len(x), float64(alpha), x, 1, any(y).([]float64), 1)
	}
}
