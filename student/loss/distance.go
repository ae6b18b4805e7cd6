package loss

import (
	"math"

	"rkd/student/internal/blas"
	"rkd/student/internal/parallel"
)

// distance is the distance-wise term of [Relational].
type distance[T blas.Float] struct {
	student, teacher *pairs[T]
	gradient         *pairGradient[T]

	rowLoss, rowPull    []float64 // (N): Σ_{j>i} huber, and Σ_{j>i} huber'·ds_ij
	meanPull, factor    float64
	compare, accumulate *parallel.Loop
}

func newDistance[T blas.Float](student, teacher *pairs[T], gradient *pairGradient[T]) *distance[T] {
	d := &distance[T]{student: student, teacher: teacher, gradient: gradient}
	d.compare = parallel.NewLoop(d.compareRow)
	d.accumulate = parallel.NewLoop(d.accumulateRow)
	return d
}

// eval returns the value and sets the gradient, which must be zero, to weight times the derivative:
//
//	dL/d‖x_i − x_j‖ = 2/(N²·μ)·(g_ij − Σ_{k<l} g_kl·ds_kl / P),  g = huber',  P = N(N−1)/2 pairs
//
// where the subtracted term comes from μ.
func (d *distance[T]) eval(weight float64) float64 {
	n := d.student.n
	d.rowLoss, d.rowPull = resize(d.rowLoss, n), resize(d.rowPull, n)
	d.compare.Run(n)
	loss, pull := 0.0, 0.0
	for i := range n {
		loss += d.rowLoss[i]
		pull += d.rowPull[i]
	}
	square := float64(n) * float64(n)
	d.meanPull = pull / float64(n*(n-1)/2)
	d.factor = weight * 2 / (square * d.student.mean)
	d.accumulate.Run(n)
	return 2 * loss / square
}

// compareRow leaves g_ij in the gradient's matrix.
func (d *distance[T]) compareRow(i int) {
	n, s, t := d.student.n, d.student, d.teacher
	loss, pull := 0.0, 0.0
	for j := i + 1; j < n; j++ {
		ds := s.distance(i, j) / s.mean
		value, g := huber(ds - t.distance(i, j)/t.mean)
		loss += value
		pull += g * ds
		d.gradient.h[i*n+j] = T(g)
	}
	d.rowLoss[i], d.rowPull[i] = loss, pull
}

// accumulateRow goes from the derivative by the distance to that by its square, 1/(2·‖x_i − x_j‖) times as large.
func (d *distance[T]) accumulateRow(i int) {
	n := d.student.n
	h, inverse := d.gradient.h[i*n:][:n], d.student.inverse[i*n:][:n]
	for j := i + 1; j < n; j++ {
		h[j] = T(d.factor * (float64(h[j]) - d.meanPull) * float64(inverse[j]) * (math.Sqrt2 / 2))
	}
}
