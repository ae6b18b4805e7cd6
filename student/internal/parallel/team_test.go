package parallel_test

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rkd/datasets/fault"
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

// A panic in a loop is one of its caller, with its place, and the team goes on.
func TestPanicsReachTheCaller(t *testing.T) {
	cause := errors.New("cause")
	team := parallel.NewTeam(3)
	defer team.Close()
	loop := parallel.NewLoop(func(i int) {
		if i == 5 {
			panic(cause)
		}
	})
	for name, run := range map[string]func(){
		"team": func() {
			team.For(64, func(i int) {
				if i == 63 {
					panic(cause)
				}
			})
		},
		"loop": func() { loop.Run(64) },
	} {
		err := fault.Guard(func() error { run(); return nil })()
		if !errors.Is(err, cause) || !strings.Contains(err.Error(), "team_test.go:") {
			t.Errorf("%s: got %v, want the cause and its place", name, err)
		}
	}
	var calls atomic.Int32
	team.For(100, func(int) { calls.Add(1) })
	if calls.Load() != 100 {
		t.Errorf("after a panic a loop of 100 calls its body %d times", calls.Load())
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
