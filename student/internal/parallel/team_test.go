package parallel_test

import (
	"slices"
	"testing"
	"time"

	"rkd/student/internal/parallel"
)

func TestTeamCallsTheBodyOnceForEveryIndex(t *testing.T) {
	for _, workers := range []int{0, 1, 2, 5} {
		team := parallel.NewTeam(workers)
		for round, n := range []int{0, 1, 2, 7, 1000, 3} {
			calls := make([]int, n)
			team.For(n, func(i int) { calls[i]++ })
			if slices.ContainsFunc(calls, func(c int) bool { return c != 1 }) {
				t.Errorf("%d workers, n=%d: calls per index are %v, expected one each", workers, n, calls)
			}
			switch round % 3 {
			case 1:
				time.Sleep(time.Millisecond) // workers fall asleep
			case 2:
				team.Rest()
			}
		}
		team.Close()
		team.Close()
	}
}

func TestNoTeamIsFor(t *testing.T) {
	var team *parallel.Team
	calls := make([]int, 9)
	team.For(len(calls), func(i int) { calls[i]++ })
	team.Rest()
	team.Close()
	if slices.ContainsFunc(calls, func(c int) bool { return c != 1 }) {
		t.Errorf("calls per index are %v, expected one each", calls)
	}
}

func TestTeamAllocatesNothing(t *testing.T) {
	team := parallel.NewTeam(2)
	defer team.Close()
	sums := make([]float64, 64)
	body := func(i int) { sums[i]++ }
	if allocs := testing.AllocsPerRun(20, func() { team.For(len(sums), body) }); allocs != 0 {
		t.Errorf("a run allocates %v times, expected none", allocs)
	}
}
