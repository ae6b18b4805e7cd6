package eval

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"
	"gonum.org/v1/gonum/floats"

	"rkd/datasets/fault"
	"rkd/datasets/memory"
)

// MaxPairwiseRows is the most rows that PairwiseSpearman takes: its sums of up to N⁶/24 stay within 64 bits.
const MaxPairwiseRows = 2000

// PairwiseSpearman is Spearman's rank correlation of the Euclidean distances within one set of embeddings with those
// within the other,
//
//	ρ = Σ_p (r_p − r̄)(s_p − s̄) / √(Σ_p (r_p − r̄)² · Σ_p (s_p − s̄)²)
//
// over the pairs p of two rows each, where r_p is the rank of the pair's distance among the distances of A and s_p that
// among those of B. Equal distances share the mean of their ranks. It is in [−1,1], and 1 where both sets order all
// pairs alike.
//
// A is (N,DA) and B (N,DB), 3 ≤ N ≤ 2,000: callers with more take a sample of rows. Distances are in float64; those
// between equal rows are equal. Ranks are added up as integers, so that neither threads nor rounding leave a trace.
// Time is O(N²·(DA+DB) + N²·log N), memory O(N²).
//
// It returns ErrInput for shapes that do not fit, for values that are not finite, naming the row, and where all
// distances of one set are equal, and the context's error.
//
// Source: Kriegeskorte et al., Representational similarity analysis, Frontiers in Systems Neuroscience 2008;
// Spearman 1904.
func PairwiseSpearman(ctx context.Context, p Pair) (float64, error) {
	if err := p.check(3); err != nil {
		return 0, err
	}
	if p.N > MaxPairwiseRows {
		return 0, fmt.Errorf("%w: %d samples, expected at most %d", ErrInput, p.N, MaxPairwiseRows)
	}
	var ranks [2][]int64 // (N(N−1)/2)
	group, ctx := errgroup.WithContext(ctx)
	for i, s := range p.sides() {
		group.Go(fault.Guard(func() error {
			distances, err := pairwiseDistances(ctx, s)
			if err != nil {
				return err
			}
			if ranks[i] = centredRanks(distances); ranks[i] == nil {
				return fmt.Errorf("%w: all distances between the %d rows of the %s set are equal", ErrInput, s.n, s.name)
			}
			return nil
		}))
	}
	if err := group.Wait(); err != nil {
		return 0, err
	}
	var rr, ss, rs int64
	for i, r := range ranks[0] {
		s := ranks[1][i]
		rr, ss, rs = rr+r*r, ss+s*s, rs+r*s
	}
	return float64(rs) / math.Sqrt(float64(rr)*float64(ss)), nil
}

// pairwiseDistances returns the squared distances of the pairs i<j (N(N−1)/2), by i, then j.
func pairwiseDistances(ctx context.Context, s side) ([]float64, error) {
	rows := memory.Make[float64](len(s.embeddings)) // (N,D)
	for i, v := range s.embeddings {
		rows[i] = float64(v)
	}
	distances := make([]float64, s.n*(s.n-1)/2)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	from := 0
	for i := range s.n - 1 {
		row := distances[from : from+s.n-1-i]
		from += len(row)
		group.Go(fault.Guard(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			difference := make([]float64, s.d)
			for k := range row {
				j := i + 1 + k
				floats.SubTo(difference, rows[i*s.d:(i+1)*s.d], rows[j*s.d:(j+1)*s.d])
				row[k] = floats.Dot(difference, difference)
			}
			return nil
		}))
	}
	return distances, group.Wait()
}

// centredRanks returns 2·(rank − mean rank), a whole number for shared ranks too, or nil where all values are equal.
func centredRanks(values []float64) []int64 {
	type place struct {
		value float64
		index int32
	}
	sorted := make([]place, len(values))
	for i, v := range values {
		sorted[i] = place{v, int32(i)}
	}
	slices.SortFunc(sorted, func(a, b place) int { return cmp.Compare(a.value, b.value) })
	n := len(sorted)
	if sorted[0].value == sorted[n-1].value {
		return nil
	}
	ranks := make([]int64, n)
	for from := 0; from < n; {
		to := from + 1
		for to < n && sorted[to].value == sorted[from].value {
			to++
		}
		// Ranks from+1 to `to` have the mean (from+1+to)/2, all ranks (n+1)/2.
		for _, p := range sorted[from:to] {
			ranks[p.index] = int64(from + to - n)
		}
		from = to
	}
	return ranks
}
