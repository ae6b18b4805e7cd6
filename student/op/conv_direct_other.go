//go:build !amd64

package op

// hasDirect says that the processor has what planDirect needs.
func hasDirect() bool { return false }

// planDirect has nothing faster than products of column matrices here.
func planDirect(convKind, convGeometry, rectifier, Multiplier, []float32, [][]float32) (run func() error, ok bool) {
	return nil, false
}
