package eval

import (
	"context"
	"fmt"
	"slices"
)

// KNN predicts the class of each sample from the K nearest of all the others and returns, by K, the share of right
// ones,
//
//	accuracy@K = mean_q [ argmax_c |{ i ≤ K : the i-th nearest of q has class c }| is q's class ]
//
// which is leave-one-out accuracy of k-nearest-neighbour classification with equal votes. Of classes with equally many
// votes the one whose nearest member is nearest wins; of equal distances the lower row comes first. A sample that is
// alone in its class is scored, and never right.
//
// embeddings is (N,D), row-major, with N = n ≥ 2 and D = d ≥ 1; labels is (N) with at least two classes; each K of ks
// is in [1, N−1]. Distances are those of [Retrieval], and so are memory and the independence of threads.
//
// It returns ErrInput for shapes and values that break these rules, naming the row in the case of a NaN or an infinity.
//
// Source: Cover and Hart, IEEE Trans. Inf. Theory 13 (1967). Deviation: scikit-learn breaks ties of the vote by the
// order of the classes.
func KNN(ctx context.Context, embeddings []float32, n, d int, labels []int32, ks []int) (map[int]float64, error) {
	if err := checkKNN(embeddings, n, d, labels, ks); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInput, err)
	}
	if len(ks) == 0 {
		return map[int]float64{}, nil
	}
	v := newVote(labels, ks)
	if err := newSpace(embeddings, n, d).eachQuery(ctx, nil, v.need, v.score); err != nil {
		return nil, err
	}
	return v.accuracy(), nil
}

func checkKNN(embeddings []float32, n, d int, labels []int32, ks []int) error {
	if err := checkShape(embeddings, n, d, labels); err != nil {
		return err
	}
	for _, k := range ks {
		if k < 1 || k >= n {
			return fmt.Errorf("%d nearest of %d samples, expected K between 1 and %d", k, n, n-1)
		}
	}
	if err := checkClasses(classSizes(labels), labels); err != nil {
		return err
	}
	return checkFinite(embeddings, d, "embeddings")
}

// vote is one evaluation. Each query writes to its own elements.
type vote struct {
	labels []int32 // (N)
	ks     []int   // ascending
	right  []bool  // (N,len(ks))
}

func newVote(labels []int32, ks []int) *vote {
	v := &vote{labels: labels, ks: slices.Compact(slices.Sorted(slices.Values(ks)))}
	v.right = make([]bool, len(labels)*len(v.ks))
	return v
}

// need is how many of the nearest of a query vote.
func (v *vote) need(int) int { return v.ks[len(v.ks)-1] }

// score has the need(row) nearest of a query vote.
func (v *vote) score(row int, near []uint64) {
	type tally struct{ votes, nearest int } // nearest is the rank of the class's nearest member
	tallies := map[int32]tally{}
	var winner int32
	var most tally
	next := 0 // of ks
	for i, key := range near[:v.need(row)] {
		label := v.labels[rowOf(key)]
		t, seen := tallies[label]
		if !seen {
			t.nearest = i
		}
		t.votes++
		tallies[label] = t
		if t.votes > most.votes || t.votes == most.votes && t.nearest < most.nearest {
			winner, most = label, t
		}
		if i+1 == v.ks[next] {
			v.right[row*len(v.ks)+next] = winner == v.labels[row]
			next++
		}
	}
}

// accuracy is the share of right votes by K.
func (v *vote) accuracy() map[int]float64 {
	accuracy := make(map[int]float64, len(v.ks))
	for i, k := range v.ks {
		right := 0
		for q := range v.labels {
			if v.right[q*len(v.ks)+i] {
				right++
			}
		}
		accuracy[k] = float64(right) / float64(len(v.labels))
	}
	return accuracy
}
