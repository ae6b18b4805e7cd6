package gram

import (
	"slices"
	"testing"

	"golang.org/x/sys/cpu"
)

// Where the processor has AVX-512 the kernels of AVX2 are called here alone.
func TestKernelsOfAVX2HaveThePortableBits(t *testing.T) {
	if !cpu.X86.HasAVX2 {
		t.Log("the processor has no AVX2, or GODEBUG switches it off: there is nothing to compare")
		return
	}
	for _, d := range []int{8, 48, 128} {
		const n = 13
		rows, panel := normal(1, n*d), normal(2, PanelRows*d)
		got, want := make([]float32, n*PanelRows), make([]float32, n*PanelRows)
		productsAVX2(&got[0], &panel[0], &rows[0], n, d)
		products(want, panel, rows, n, d)
		if !slices.Equal(got, want) {
			t.Errorf("width %d: %v, portable %v", d, got, want)
		}
	}
}
