package main

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"time"

	"gonum.org/v1/gonum/stat"
)

const (
	// rounds is the number of samples of each side. It is odd, so that the median is one of them.
	rounds = 11
	// sampleTime is what a sample takes at least: it runs a short case many times.
	sampleTime = 200 * time.Millisecond
	// settle passes before a sample. A peer's idle threads go on spinning for some milliseconds after their last work.
	settle = 50 * time.Millisecond
	// tolerance is the relative difference at which two sides no longer compute the same.
	tolerance = 1e-3
)

// side is one of the two that are compared.
type side interface {
	run(repeat int) (sample, error)
}

// sample is a run's share of the time of several, and what the last of them gave.
type sample struct {
	Millis float64 `json:"ms"`
	Value  float64 `json:"value"`
}

// local is a side in this process.
type local func() (float64, error)

func (l local) run(repeat int) (s sample, err error) {
	start := time.Now()
	for range repeat {
		if s.Value, err = l(); err != nil {
			return s, err
		}
	}
	s.Millis = float64(time.Since(start).Nanoseconds()) / 1e6 / float64(repeat)
	return s, nil
}

// comparison is a case. setup makes ours and one or more peers, of which the fastest counts, from the same inputs; in
// their first runs all must give the same value. It is nil where a file that the case needs was not named.
type comparison struct {
	name  string
	setup func(ctx context.Context, all peers) (ours side, theirs []side, err error)
}

func (c comparison) compare(ctx context.Context, all peers) (result, error) {
	ours, theirs, err := c.setup(ctx, all)
	if err != nil {
		return result{}, err
	}
	times, err := alternate(ctx, append([]side{ours}, theirs...), settle)
	if err != nil {
		return result{}, err
	}
	fastest := slices.MinFunc(times[1:], func(a, b []float64) int { return cmp.Compare(median(a), median(b)) })
	return result{name: c.name, ours: times[0], peer: fastest}, nil
}

// alternate returns the sorted milliseconds of rounds samples of each side, taken in turn. Each sample is preceded by a
// run that is not timed.
func alternate(ctx context.Context, sides []side, settle time.Duration) ([][]float64, error) {
	repeat := make([]int, len(sides))
	times := make([][]float64, len(sides))
	var ours float64
	for i, s := range sides {
		first, err := s.run(1)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			ours = first.Value
		}
		if v := first.Value; !(math.Abs(ours-v) <= tolerance*math.Abs(v)) {
			return nil, fmt.Errorf("ours gives %g and the peer %g, expected the same", ours, v)
		}
		warm, err := s.run(2)
		if err != nil {
			return nil, err
		}
		repeat[i] = max(1, int(math.Ceil(float64(sampleTime.Milliseconds())/max(warm.Millis, 1e-3))))
	}
	for range rounds {
		for i, s := range sides {
			runtime.GC()
			time.Sleep(settle)
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			if _, err := s.run(1); err != nil {
				return nil, err
			}
			taken, err := s.run(repeat[i])
			if err != nil {
				return nil, err
			}
			times[i] = append(times[i], taken.Millis)
		}
	}
	for _, t := range times {
		slices.Sort(t)
	}
	return times, nil
}

func median(sorted []float64) float64 { return stat.Quantile(0.5, stat.Empirical, sorted, nil) }

// spread is the distance between the quartiles as a share of the median.
func spread(sorted []float64) float64 {
	upper, lower := stat.Quantile(0.75, stat.Empirical, sorted, nil), stat.Quantile(0.25, stat.Empirical, sorted, nil)
	return (upper - lower) / median(sorted)
}
