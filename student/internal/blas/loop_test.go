package blas_test

import (
	"slices"
	"testing"

	"rkd/student/internal/blas"
)

func TestLoopCallsTheBodyOnceForEveryIndex(t *testing.T) {
	for _, n := range []int{0, 1, 2, 7, 1000} {
		calls := make([]int, n)
		loop := blas.NewLoop(func(i int) { calls[i]++ })
		for range 3 {
			loop.Run(n)
		}
		if slices.ContainsFunc(calls, func(c int) bool { return c != 3 }) {
			t.Errorf("n=%d: calls per index after three runs are %v, expected 3 each", n, calls)
		}
	}
}

func TestLoopAllocatesNothing(t *testing.T) {
	sums := make([]float64, 64)
	loop := blas.NewLoop(func(i int) { sums[i]++ })
	if allocs := testing.AllocsPerRun(20, func() { loop.Run(len(sums)) }); allocs != 0 {
		t.Errorf("a run allocates %v times, expected none", allocs)
	}
}

func TestGemvAgreesWithTheSumOfProducts(t *testing.T) {
	a := []float64{1, 2, 3, 9, 4, 5, 6, 9} // (2,3) with row stride 4
	y := []float64{10, 20}
	blas.Gemv(2, 3, 2, a, 4, []float64{1, -1, 2}, 3, y)
	if want := []float64{2*5 + 30, 2*11 + 60}; !slices.Equal(y, want) {
		t.Errorf("Gemv gives %v, expected %v", y, want)
	}
}
