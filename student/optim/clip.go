package optim

import (
	"math"

	"rkd/student/internal/blas"
)

// Clip scales all gradients by limit/‖g‖ when the L2 norm ‖g‖ over all of them exceeds limit, and returns the norm
// before clipping. A limit of 0 clips nothing. The norm is summed in float64, in an order that is always the same.
//
// Source: Pascanu et al. 2013, algorithm 1. Deviation: as PyTorch, the divisor is ‖g‖ + 1e-6.
func Clip[T blas.Float](grads [][]T, limit float64) (norm float64) {
	for _, g := range grads {
		norm += sumOfSquares(g)
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

// sumOfSquares is Σ g². Four sums side by side keep an addition from waiting for the one before it.
func sumOfSquares[T blas.Float](g []T) float64 {
	var a, b, c, d float64
	for ; len(g) >= 4; g = g[4:] {
		w, x, y, z := float64(g[0]), float64(g[1]), float64(g[2]), float64(g[3])
		a += w * w
		b += x * x
		c += y * y
		d += z * z
	}
	for _, v := range g {
		a += float64(v) * float64(v)
	}
	return (a + b) + (c + d)
}
