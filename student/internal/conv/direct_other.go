//go:build !amd64

package conv

import "rkd/student/internal/parallel"

// planDirect has nothing faster than products of column matrices here.
func planDirect(Kind, Geometry, Activation, *parallel.Team, []float32, [][]float32) (run func() error, ok bool) {
	return nil, false
}
