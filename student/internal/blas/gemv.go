package blas

import (
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"
)

// Gemv computes y = alpha·A·x + beta·y, where A is a row-major (m,n) matrix with row stride lda, x has n elements and y
// has m. Callers that want several cores split the rows.
func Gemv[T Float](m, n int, alpha T, a []T, lda int, x []T, beta T, y []T) {
	var impl gonum.Implementation
	switch a := any(a).(type) {
	case []float32:
		impl.Sgemv(blas.NoTrans, m, n, float32(alpha), a, lda, any(x).([]float32), 1, float32(beta), any(y).([]float32), 1)
	case []float64:
		impl.Dgemv(blas.NoTrans, m, n, float64(alpha), a, lda, any(x).([]float64), 1, float64(beta), any(y).([]float64), 1)
	}
}
