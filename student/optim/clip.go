package optim

import (
	"math"

	"rkd/student/internal/blas"
)

// Clip scales all gradients by limit/‖g‖ when the L2 norm ‖g‖ over all of them exceeds limit, and returns the norm
// before clipping. A limit of 0 clips nothing. The norm is summed in float64.
//
// Source: Pascanu et al. 2013, algorithm 1. Deviation: as PyTorch, the divisor is ‖g‖ + 1e-6.
func Clip[T blas.Float](grads [][]T, limit float64) (norm float64) {
	for _, g := range grads {
		for _, v := range g {
			norm += float64(v) * float64(v)
		}
	}
	norm = math.Sqrt(norm)
	if limit <= 0 || norm <= limit {
		return norm
	}
	scale := T(limit / (norm + 1e-6))
	for _, g := range grads {
		for j := range g {
			g[j] *= scale
		}
	}
	return norm
}
