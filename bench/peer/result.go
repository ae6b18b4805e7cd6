package main

import (
	"fmt"
	"math"
	"strings"
)

// result is what a case gave: sorted milliseconds of both sides.
type result struct {
	name       string
	ours, peer []float64
}

const header = "case                             ours ms  spread     peer ms  spread     speedup"

// String is a line of the table under header. Spread is the distance between the quartiles.
func (r result) String() string {
	ours, peer := median(r.ours), median(r.peer)
	return fmt.Sprintf("%-30s %9.3g %6.0f%%   %9.3g %6.0f%%   %8.2fx", r.name, ours, 100*spread(r.ours), peer,
		100*spread(r.peer), peer/ours)
}

// encode writes results as a JSON array, a line each: medians in milliseconds to 1 µs, speedup to two decimals.
func encode(results []result) []byte {
	lines := make([]string, len(results))
	for i, r := range results {
		ours, peer := median(r.ours), median(r.peer)
		lines[i] = fmt.Sprintf(`{"case": %q, "ours_ms": %v, "peer_ms": %v, "speedup": %v}`,
			r.name, round(ours, 1000), round(peer, 1000), round(peer/ours, 100))
	}
	return []byte("[" + strings.Join(lines, ",\n ") + "]\n")
}

func round(x, unit float64) float64 { return math.Round(x*unit) / unit }
