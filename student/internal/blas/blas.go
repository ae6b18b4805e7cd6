// Package blas gives the student's kernels gonum's products of matrices and vectors over float32 and float64 alike. It
// holds no arithmetic of its own, and computes on the calling goroutine.
package blas

import (
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"
)

// Float is an element type that kernels compute in.
type Float interface{ float32 | float64 }

// Gemm computes C = alpha·op(A)·op(B) + beta·C on row-major matrices, where op(A) is (m,k), op(B) is (k,n), C is (m,n)
// and op transposes when its flag is set. lda, ldb and ldc are the row strides of A, B and C as stored.
func Gemm[T Float](transA, transB bool, m, n, k int, alpha T, a []T, lda int, b []T, ldb int, beta T, c []T, ldc int) {
	ta, tb := transposed(transA), transposed(transB)
	var impl gonum.Implementation
	switch a := any(a).(type) {
	case []float32:
		impl.Sgemm(ta, tb, m, n, k, float32(alpha), a, lda, any(b).([]float32), ldb, float32(beta), any(c).([]float32), ldc)
	case []float64:
		impl.Dgemm(ta, tb, m, n, k, float64(alpha), a, lda, any(b).([]float64), ldb, float64(beta), any(c).([]float64), ldc)
	}
}

func transposed(set bool) blas.Transpose {
	if set {
		return blas.Trans
	}
	return blas.NoTrans
}
