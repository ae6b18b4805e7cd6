package op

import (
	"fmt"
	"math"

	"rkd/student/internal/blas"
)

// limits are where an operator that takes a rectifier in cuts its results off.
type limits struct{ low, high float32 }

func unlimited() limits { return limits{float32(math.Inf(-1)), float32(math.Inf(1))} }

// String is empty without limits.
func (l limits) String() string {
	if l == unlimited() {
		return ""
	}
	return fmt.Sprintf(",within=[%g %g]", l.low, l.high)
}

// clamp cuts x off in place. NaN stays NaN.
func clamp[T blas.Float](x []T, l limits) {
	if l == unlimited() {
		return
	}
	for i, v := range x {
		x[i] = min(max(v, T(l.low)), T(l.high))
	}
}
