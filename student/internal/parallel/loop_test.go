package parallel_test

import (
	"slices"
	"testing"

	"rkd/student/internal/parallel"
)

func TestLoopCallsTheBodyOnceForEveryIndex(t *testing.T) {
	for _, n := range []int{0, 1, 2, 7, 1000} {
		calls := make([]int, n)
		loop := parallel.NewLoop(func(i int) { calls[i]++ })
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
	loop := parallel.NewLoop(func(i int) { sums[i]++ })
	if allocs := testing.AllocsPerRun(20, func() { loop.Run(len(sums)) }); allocs != 0 {
		t.Errorf("a run allocates %v times, expected none", allocs)
	}
}
