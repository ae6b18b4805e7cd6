//go:build !amd64

package conv

import "rkd/student/internal/parallel"

// planDirect is for AVX-512 only.
func planDirect(Kind, Geometry, Activation, *parallel.Team, []float32, [][]float32) (run func() error, ok bool) {
	return nil, false
}
