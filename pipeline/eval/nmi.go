package eval

import (
	"context"
	"fmt"
	"slices"

	"gonum.org/v1/gonum/stat"
)

// NMI clusters embeddings by k-means, with as many clusters as there are classes, and returns the normalised mutual
// information of clusters U and classes V, in [0,1],
//
//	NMI = 2·I(U;V) / (H(U) + H(V)),  I = Σ_uv p_uv·ln(p_uv/(p_u·p_v)),  H(U) = −Σ_u p_u·ln p_u
//
// It is 1 if each cluster is a class, and near 0 if clusters say nothing about classes.
//
// k-means starts from k-means++ seeds and goes on until no row changes its cluster, or for 100 iterations; the best of
// 5 starts, the one with the least sum of squared distances to the clusters' means, counts. What is drawn is a function
// of seed alone, and results do not depend on the number of threads. A cluster that loses its last row keeps its mean;
// of equally near means the first counts. Embeddings with fewer different rows than classes make fewer clusters.
//
// embeddings is (N,D), row-major, with N = n ≥ 2 and D = d ≥ 1; labels is (N) with C ≥ 2 classes. Distances have
// float32's precision, see [Retrieval]; means are computed in float64. Memory is O(N·D), time O(N·C·D) an iteration.
//
// It returns ErrInput for shapes and values that break these rules, naming the row in the case of a NaN or an infinity.
//
// Source: Sohn, NIPS 2016, section 4.2; Arthur and Vassilvitskii, SODA 2007 (k-means++). The mean in the denominator is
// the arithmetic one, as in scikit-learn.
func NMI(ctx context.Context, embeddings []float32, n, d int, labels []int32, seed uint64) (float64, error) {
	return nmi(ctx, embeddings, n, d, labels, seed, nil)
}

func nmi(ctx context.Context, embeddings []float32, n, d int, labels []int32, seed uint64, m *meter) (float64, error) {
	sizes, err := checkNMI(embeddings, n, d, labels)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrInput, err)
	}
	clustering, err := kMeans(ctx, newSpace(embeddings, n, d), len(sizes), seed, m)
	if err != nil {
		return 0, err
	}
	return normalizedMutualInformation(clustering.assignment, labels), nil
}

func checkNMI(embeddings []float32, n, d int, labels []int32) (map[int32]int, error) {
	if err := checkShape(embeddings, n, d, labels); err != nil {
		return nil, err
	}
	sizes := classSizes(labels)
	if err := checkClasses(sizes, labels); err != nil {
		return nil, err
	}
	return sizes, checkFinite(embeddings, d, "embeddings")
}

// normalizedMutualInformation of two labelings of the same samples, by I = H(U) + H(V) − H(U,V). It is 1 if both are
// constant.
func normalizedMutualInformation(u, v []int32) float64 {
	joint := map[[2]int32]int{}
	for i := range u {
		joint[[2]int32{u[i], v[i]}]++
	}
	n := len(u)
	sum := entropy(classSizes(u), n) + entropy(classSizes(v), n)
	if sum == 0 {
		return 1
	}
	return min(max(2*(sum-entropy(joint, n))/sum, 0), 1) // which rounding may miss by an ulp
}

func entropy[K comparable](sizes map[K]int, n int) float64 {
	var p []float64
	for _, size := range sizes {
		p = append(p, float64(size)/float64(n))
	}
	slices.Sort(p) // the order of a map must not show in the sum
	return stat.Entropy(p)
}
