package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
)

// scripted takes the milliseconds of its samples, those of warm runs excepted, from a list and logs its name.
type scripted struct {
	name   string
	value  float64
	millis []float64
	calls  int
	log    *[]string
}

func (s *scripted) run(repeat int) (sample, error) {
	s.calls++
	if s.calls <= 2 { // the first run and the one that finds out how many runs a sample needs
		return sample{Millis: 100, Value: s.value}, nil
	}
	if repeat == 1 {
		return sample{Millis: 1e6}, nil
	}
	*s.log = append(*s.log, s.name)
	millis := s.millis[0]
	s.millis = s.millis[1:]
	return sample{Millis: millis}, nil
}

func TestAlternateTakesSamplesInTurnAndLeavesOutTheFirstRunOfEach(t *testing.T) {
	var log []string
	ours := &scripted{name: "ours", value: 3, millis: []float64{9, 2, 3, 4, 5, 6, 7, 8, 1, 10, 11}, log: &log}
	peer := &scripted{name: "peer", value: 3.0001, log: &log}
	peer.millis = []float64{20, 20, 20, 20, 20, 80, 80, 80, 80, 80, 80}
	times, err := alternate(t.Context(), []side{ours, peer}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if want := slices.Repeat([]string{"ours", "peer"}, rounds); !slices.Equal(log, want) {
		t.Errorf("samples were taken in the order %v, want %v", log, want)
	}
	if got := median(times[0]); got != 6 {
		t.Errorf("median of ours is %v, want 6", got)
	}
	if got := median(times[1]); got != 80 {
		t.Errorf("median of the peer is %v, want 80", got)
	}
	if got := spread(times[0]); got != 1 { // quartiles 3 and 9
		t.Errorf("spread of ours is %v, want 1", got)
	}
}

func TestAlternateRefusesSidesThatComputeDifferentValues(t *testing.T) {
	var log []string
	for _, values := range [][2]float64{{3, 3.1}, {0, 1}} {
		_, err := alternate(t.Context(), []side{
			&scripted{name: "ours", value: values[0], log: &log}, &scripted{name: "peer", value: values[1], log: &log},
		}, 0)
		if err == nil || !strings.Contains(err.Error(), "expected the same") {
			t.Errorf("values %v: error is %v, expected it to say that they differ", values, err)
		}
	}
	if len(log) > 0 {
		t.Errorf("%d samples were taken, expected none", len(log))
	}
}

func TestLocalRunsAsOftenAsAskedAndStopsAtAnError(t *testing.T) {
	calls := 0
	broken := errors.New("broken")
	l := local(func() (float64, error) {
		calls++
		if calls == 5 {
			return 0, broken
		}
		return float64(calls), nil
	})
	if s, err := l.run(3); err != nil || s.Value != 3 || s.Millis <= 0 {
		t.Errorf("three runs give %+v, %v, want value 3 and a time", s, err)
	}
	if _, err := l.run(3); !errors.Is(err, broken) || calls != 5 {
		t.Errorf("error is %v after %d runs, want %v after 5", err, calls, broken)
	}
}

func TestCompareTakesTheFastestPeer(t *testing.T) {
	var log []string
	steady := func(name string, millis float64) *scripted {
		return &scripted{name: name, value: 1, millis: slices.Repeat([]float64{millis}, rounds), log: &log}
	}
	c := comparison{"loss/x", func(context.Context, peers) (side, []side, error) {
		return steady("ours", 2), []side{steady("slow", 9), steady("fast", 6)}, nil
	}}
	r, err := c.compare(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if median(r.ours) != 2 || median(r.peer) != 6 {
		t.Errorf("ours is %v and the peer %v, want 2 and 6", median(r.ours), median(r.peer))
	}
	if want := slices.Repeat([]string{"ours", "slow", "fast"}, rounds); !slices.Equal(log, want) {
		t.Errorf("samples were taken in the order %v, want %v", log, want)
	}
}
