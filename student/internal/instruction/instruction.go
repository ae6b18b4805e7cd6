// Package instruction names the vector instructions that the student's kernels use on this processor. It is the only
// package that asks the processor. GODEBUG switches sets off in tests, for instance with cpu.avx512f=off.
package instruction

import "runtime"

// Set is a set of vector instructions. Each includes those before it.
type Set int

// The sets that kernels distinguish.
const (
	Portable Set = iota // plain Go
	AVX
	AVX2   // with FMA
	AVX512 // F, VL and DQ
)

// String is the set's name, with the architecture for Portable, because Go computes differently on each.
func (s Set) String() string {
	return [...]string{"portable " + runtime.GOARCH, "AVX", "AVX2", "AVX-512"}[s]
}

// Best is the largest set that the processor has.
func Best() Set { return best() }
