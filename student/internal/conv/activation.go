package conv

import (
	"math"

	"rkd/student/internal/blas"
	"rkd/student/internal/vector"
)

// Activation is the activation function fused into a convolution, its epilogue. The input gradient of the convolution
// that follows applies the matching mask to its result.
type Activation int

// The activations that can be fused.
const (
	Linear Activation = iota // none
	ReLU
	ReLU6
)

// String is the activation's name, "" for Linear.
func (a Activation) String() string { return [...]string{"", "ReLU", "ReLU6"}[a] }

// limits are the least and the greatest value of an activation.
type limits struct{ low, high float32 }

func (a Activation) limits() limits {
	inf := float32(math.Inf(1))
	return [...]limits{{-inf, inf}, {0, inf}, {0, 6}}[a]
}

// Activate applies the activation to x in place. NaN stays NaN.
func Activate[T blas.Float](a Activation, x []T) {
	if a == Linear {
		return
	}
	l := a.limits()
	for i, v := range x {
		x[i] = min(max(v, T(l.low)), T(l.high))
	}
}

// Mask turns g, the gradient on the activation's output y, into the gradient on its input, in place: it zeroes the
// elements for which y is at a limit.
func Mask[T blas.Float](a Activation, y, g []T) {
	switch a {
	case ReLU:
		vector.ReLUGrad(g, y, g)
	case ReLU6:
		vector.ClipGrad(g, y, g, 0, 6)
	}
}
