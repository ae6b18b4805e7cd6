package eval

import (
	"context"
	"fmt"
	"math"
	"slices"
)

// Hit is a row of a gallery that is near a query.
type Hit struct {
	Row      int
	Distance float64 // Euclidean
}

// Nearest searches a gallery: for each query the k nearest rows, nearest first, of equal distances the lower row.
//
// queries is (Q,D), gallery (N,D), row-major, with D = d ≥ 1, Q ≥ 1 and 1 ≤ k ≤ N. The search is exact: candidates are
// found by products of matrices in float32, as in [Retrieval], and the distances of the hits are computed, and ordered
// again, in float64. Memory is a copy of both, and keys of 8 bytes as for [Retrieval].
//
// It returns ErrInput for shapes and values that break these rules.
func Nearest(ctx context.Context, queries, gallery []float32, d, k int) ([][]Hit, error) {
	return nearest(ctx, queries, gallery, d, k, nil)
}

// nearest is Nearest that tells how far it is.
func nearest(ctx context.Context, queries, gallery []float32, d, k int, m *meter) ([][]Hit, error) {
	if err := checkNearest(queries, gallery, d, k); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInput, err)
	}
	n, q := len(gallery)/d, len(queries)/d
	all := newSpace(slices.Concat(gallery, queries), n+q, d) // at one scale
	s := &space{n: n, d: all.d, rows: all.rows[:n*all.d], norms: all.norms[:n], exponent: all.exponent}
	s.draw()
	hits := make([][]Hit, q)
	size := queriesAtOnce(k, n)
	err := eachBlock(ctx, q, size, func(from, to int) {
		scan := newScanner(size, s.d)
		for i := range to - from {
			scan.candidates[i].reset(-1, k, n)
		}
		scan.run(s, all.rows[(n+from)*s.d:(n+to)*s.d], to-from)
		for i := from; i < to; i++ {
			query := queries[i*d : (i+1)*d]
			for _, key := range scan.nearest(i - from) {
				row := rowOf(key)
				hits[i] = append(hits[i], Hit{Row: row, Distance: distance(query, gallery[row*d:(row+1)*d])})
			}
			slices.SortFunc(hits[i], func(a, b Hit) int {
				switch {
				case a.Distance < b.Distance:
					return -1
				case a.Distance > b.Distance:
					return 1
				}
				return a.Row - b.Row
			})
		}
		m.add(float64(to-from) * float64(n) * float64(d))
	})
	return hits, err
}

func checkNearest(queries, gallery []float32, d, k int) error {
	switch {
	case d < 1:
		return fmt.Errorf("embeddings of width %d, expected at least 1", d)
	case len(gallery) == 0 || len(gallery)%d != 0 || len(queries) == 0 || len(queries)%d != 0:
		return fmt.Errorf("%d values of queries and %d of a gallery, expected rows of %d each", len(queries), len(gallery), d)
	case k < 1 || k > len(gallery)/d:
		return fmt.Errorf("the %d nearest of %d rows, expected 1 to %d", k, len(gallery)/d, len(gallery)/d)
	}
	if err := checkFinite(queries, d, "queries"); err != nil {
		return err
	}
	return checkFinite(gallery, d, "gallery")
}

func distance(a, b []float32) float64 {
	sum := 0.0
	for i, v := range a {
		x := float64(v) - float64(b[i])
		sum += x * x
	}
	return math.Sqrt(sum)
}

// CrossRecall is Recall@K across two models: each sample's embedding of the one is a query against the others'
// embeddings of the other,
//
//	recall@K = mean_q [ one of the K nearest of q, itself left out, has q's class ]
//
// queries and gallery are (N,D) of the same samples in the same order; rules, means and queries that are alone in their
// class are those of [Retrieval]. Where both are one model's it is that recall@K.
func CrossRecall(ctx context.Context, queries, gallery []float32, n, d int, labels []int32,
	ks []int,
) (map[int]float64, error) {
	return crossRecall(ctx, queries, gallery, n, d, labels, ks, nil)
}

// crossRecall is CrossRecall that tells how far it is.
func crossRecall(ctx context.Context, queries, gallery []float32, n, d int, labels []int32, ks []int,
	m *meter,
) (map[int]float64, error) {
	if err := checkRetrieval(gallery, n, d, labels, ks); err != nil {
		return nil, fmt.Errorf("%w: gallery: %w", ErrInput, err)
	}
	if len(queries) != n*d {
		return nil, fmt.Errorf("%w: %d values of queries, expected %d×%d", ErrInput, len(queries), n, d)
	}
	recall := make(map[int]float64, len(ks))
	if len(ks) == 0 {
		return recall, nil
	}
	hits, err := nearest(ctx, queries, gallery, d, slices.Max(ks)+1, m)
	if err != nil {
		return nil, err
	}
	sizes, scored := classSizes(labels), 0
	for q, found := range hits {
		if sizes[labels[q]] == 1 {
			continue
		}
		scored++
		rank := 0
		for _, h := range found {
			if h.Row == q {
				continue
			}
			if rank++; labels[h.Row] == labels[q] {
				for _, k := range ks {
					if rank <= k {
						recall[k]++
					}
				}
				break
			}
		}
	}
	for k := range recall {
		recall[k] /= float64(scored)
	}
	for _, k := range ks {
		recall[k] += 0 // none found is a 0 that is there
	}
	return recall, nil
}
