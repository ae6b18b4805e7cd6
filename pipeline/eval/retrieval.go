// Package eval scores embeddings and logits (retrieval, nearest neighbours, clustering, top-K, few-shot episodes), says
// how alike two sets of embeddings are, and summarises scores over seeds. Everything here is a pure function of
// matrices and labels, on all cores, whose bits do not depend on their number. Where embeddings come from, which of
// them are compared and how results are printed is the business of the stages above.
package eval

import (
	"context"
	"fmt"
)

// Scores are means over queries, in [0,1].
type Scores struct {
	Recall     map[int]float64 // by K
	RPrecision float64
	MAPAtR     float64
	Queries    int // queries that were scored
	Lone       int // samples that were not, because no other has their class; they stay references of the others
}

// Retrieval takes each sample as a query against all the others and computes
//
//	recall@K    = mean_q [ one of the K nearest of q has q's class ]
//	R-precision = mean_q 1/R_q Σ_{i=1..R_q} rel_q(i)
//	MAP@R       = mean_q 1/R_q Σ_{i=1..R_q} rel_q(i)·P_q(i)
//
// where R_q is the number of other samples of q's class, rel_q(i) is 1 if the i-th nearest has q's class and 0 if not,
// and P_q(i) is the share of q's class among the i nearest.
//
// embeddings is (N,D), row-major, with N = n ≥ 2 and D = d ≥ 1; labels is (N) with at least two classes, one of which
// has two samples or more; each K of ks is in [1, N−1]. Distances are Euclidean, on the embeddings as given. They are
// ranked by a Gram matrix of centred rows in float32, so that distances which differ by less than about 1e-6 of the
// spread of the data may change places; identical rows are at exactly equal distances. Of equal distances the lower row
// comes first. Results do not depend on the number of threads. Memory is a copy of embeddings and twice the largest of
// R_q and K, or N if that is less, in keys of 8 bytes for each of at most 64 queries a thread: 256 MiB for all threads
// together as long as they are enough for 8 queries a thread.
//
// It returns ErrInput for shapes and values that break these rules, naming the row in the case of a NaN or an infinity.
//
// Source: MAP@R is eq. 2 and 3, R-precision the text before them, of Musgrave et al., ECCV 2020 (arXiv:2003.08505).
func Retrieval(ctx context.Context, embeddings []float32, n, d int, labels []int32, ks []int) (Scores, error) {
	if err := checkRetrieval(embeddings, n, d, labels, ks); err != nil {
		return Scores{}, fmt.Errorf("%w: %w", ErrInput, err)
	}
	r := newRetrieval(labels, ks)
	if err := newSpace(embeddings, n, d).eachQuery(ctx, nil, r.need, r.score); err != nil {
		return Scores{}, err
	}
	return r.scores(), nil
}

func checkRetrieval(embeddings []float32, n, d int, labels []int32, ks []int) error {
	if err := checkShape(embeddings, n, d, labels); err != nil {
		return err
	}
	for _, k := range ks {
		if k < 1 || k >= n {
			return fmt.Errorf("recall@%d of %d samples, expected K between 1 and %d", k, n, n-1)
		}
	}
	sizes := classSizes(labels)
	if err := checkClasses(sizes, labels); err != nil {
		return err
	}
	if len(sizes) == n {
		return fmt.Errorf("each of %d samples has a class of its own, expected one with two or more", n)
	}
	return checkFinite(embeddings, d, "embeddings")
}

// retrieval is one evaluation. Each query writes to its own elements.
type retrieval struct {
	labels  []int32   // (N)
	others  []int     // (N) samples of the same class but for the row itself
	ks      []int     // the K of recall@K
	most    int       // the largest of ks
	first   []int     // (N) rank of the nearest sample of the same class, from 1; 0 beyond most and R
	found   []int     // (N) samples of the same class among the R nearest
	average []float64 // (N) 1/R Σ rel·P
}

func newRetrieval(labels []int32, ks []int) *retrieval {
	n := len(labels)
	r := &retrieval{
		labels: labels, ks: ks, others: make([]int, n), first: make([]int, n), found: make([]int, n),
		average: make([]float64, n),
	}
	for _, k := range ks {
		r.most = max(r.most, k)
	}
	sizes := classSizes(labels)
	for i, label := range labels {
		r.others[i] = sizes[label] - 1
	}
	return r
}

// need is how many of the nearest of a query decide its scores.
func (r *retrieval) need(row int) int {
	if r.others[row] == 0 {
		return 0
	}
	return max(r.others[row], r.most)
}

// score fills first, found and average of a query from its need(row) nearest.
func (r *retrieval) score(row int, near []uint64) {
	label, others := r.labels[row], r.others[row]
	if others == 0 {
		return
	}
	found, sum := 0, 0.0
	for i, key := range near[:max(others, r.most)] {
		if i >= others && r.first[row] > 0 {
			break
		}
		if r.labels[rowOf(key)] != label {
			continue
		}
		if r.first[row] == 0 {
			r.first[row] = i + 1
		}
		if i < others {
			found++
			sum += float64(found) / float64(i+1)
		}
	}
	r.found[row], r.average[row] = found, sum/float64(others)
}

// scores averages over the queries in order, so that the sum does not depend on threads.
func (r *retrieval) scores() Scores {
	s := Scores{Recall: make(map[int]float64, len(r.ks))}
	for i, others := range r.others {
		if others == 0 {
			s.Lone++
			continue
		}
		s.Queries++
		s.RPrecision += float64(r.found[i]) / float64(others)
		s.MAPAtR += r.average[i]
	}
	s.RPrecision /= float64(s.Queries)
	s.MAPAtR /= float64(s.Queries)
	for _, k := range r.ks {
		hits := 0
		for i := range r.others {
			if r.first[i] > 0 && r.first[i] <= k {
				hits++
			}
		}
		s.Recall[k] = float64(hits) / float64(s.Queries)
	}
	return s
}
