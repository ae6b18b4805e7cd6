package op

import (
	"math"

	"rkd/student/internal/blas"
	"rkd/student/internal/vector"
)

// rectifier is what a convolution that takes a rectifier in does to its results, and its gradient in x to its own.
type rectifier int

const (
	notRectified rectifier = iota
	byReLU
	byReLU6
)

// String is empty without one.
func (r rectifier) String() string { return [...]string{"", "ReLU", "ReLU6"}[r] }

// limits are where results are cut off.
type limits struct{ low, high float32 }

func (r rectifier) limits() limits {
	inf := float32(math.Inf(1))
	return [...]limits{{-inf, inf}, {0, inf}, {0, 6}}[r]
}

// rectify cuts x off in place. NaN stays NaN.
func rectify[T blas.Float](r rectifier, x []T) {
	if r == notRectified {
		return
	}
	l := r.limits()
	for i, v := range x {
		x[i] = min(max(v, T(l.low)), T(l.high))
	}
}

// rectifyGrad makes g, the gradient on a rectifier's output y, that on its input, in place.
func rectifyGrad[T blas.Float](r rectifier, y, g []T) {
	switch r {
	case byReLU:
		vector.ReLUGrad(g, y, g)
	case byReLU6:
		vector.ClipGrad(g, y, g, 0, 6)
	}
}
