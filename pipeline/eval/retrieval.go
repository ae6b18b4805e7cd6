// Package eval scores embeddings and summarises scores: retrieval (recall@K, R-precision, MAP@R), and mean and standard deviation
// over seeds. Everything here is a pure function of matrices and labels. Where embeddings come from, which of them are
// compared and how results are printed is the business of the stages above.
package eval

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
)

// ErrInput says that embeddings, labels or parameters cannot be scored.
var ErrInput = errors.New("invalid input of a metric")

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
// comes first. Results do not depend on the number of threads. Memory is O(N·D), and O(N) a thread.
//
// It returns ErrInput for shapes and values that break these rules, naming the row in the case of a NaN or an infinity.
//
// Source: MAP@R is eq. 2 and 3, R-precision the text before them, of Musgrave et al., ECCV 2020 (arXiv:2003.08505).
func Retrieval(ctx context.Context, embeddings []float32, n, d int, labels []int32, ks []int) (Scores, error) {
	if err := checkRetrieval(embeddings, n, d, labels, ks); err != nil {
		return Scores{}, fmt.Errorf("%w: %w", ErrInput, err)
	}
	r := newRetrieval(embeddings, n, d, labels)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for from := 0; from < n; from += queryBlock {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			r.score(from, min(from+queryBlock, n))
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return Scores{}, err
	}
	return r.scores(ks), nil
}

func checkRetrieval(embeddings []float32, n, d int, labels []int32, ks []int) error {
	switch {
	case n < 2:
		return fmt.Errorf("%d samples, expected at least 2", n)
	case d < 1:
		return fmt.Errorf("embeddings of width %d, expected at least 1", d)
	case len(embeddings) != n*d:
		return fmt.Errorf("%d values of embeddings, expected %d×%d", len(embeddings), n, d)
	case len(labels) != n:
		return fmt.Errorf("%d labels for %d samples, expected equal numbers", len(labels), n)
	}
	for _, k := range ks {
		if k < 1 || k >= n {
			return fmt.Errorf("recall@%d of %d samples, expected K between 1 and %d", k, n, n-1)
		}
	}
	sizes := classSizes(labels)
	if len(sizes) == 1 {
		return fmt.Errorf("all %d samples have class %d, expected at least two classes", n, labels[0])
	}
	if len(sizes) == n {
		return fmt.Errorf("each of %d samples has a class of its own, expected one with two or more", n)
	}
	for i, v := range embeddings {
		if x := float64(v); math.IsNaN(x) || math.IsInf(x, 0) {
			return fmt.Errorf("row %d of the embeddings holds %v, expected finite values", i/d, v)
		}
	}
	return nil
}

func classSizes(labels []int32) map[int32]int {
	sizes := map[int32]int{}
	for _, label := range labels {
		sizes[label]++
	}
	return sizes
}

const (
	// queryBlock×referenceBlock is the largest product that gonum computes without goroutines of its own, of which
	// there are enough here.
	queryBlock     = 64
	referenceBlock = 192
	// lanes is what rows are padded to: a dot product then adds up in the same order for every row, which makes
	// distances from identical rows identical.
	lanes = 16
)

// retrieval is one evaluation. Each query writes to places of its own.
type retrieval struct {
	n, d    int       // d is padded
	rows    []float32 // (N,D) centred and scaled
	norms   []float32 // (N) squared lengths of rows
	labels  []int32   // (N)
	others  []int     // (N) samples of the same class but for the row itself
	first   []int     // (N) rank of the nearest sample of the same class, from 1
	found   []int     // (N) samples of the same class among the R nearest
	average []float64 // (N) 1/R Σ rel·P
}

func newRetrieval(embeddings []float32, n, d int, labels []int32) *retrieval {
	padded := (d + lanes - 1) / lanes * lanes
	r := &retrieval{
		n: n, d: padded, labels: labels, rows: make([]float32, n*padded), norms: make([]float32, n),
		others: make([]int, n), first: make([]int, n), found: make([]int, n),
		average: make([]float64, n),
	}
	mean := make([]float64, d)
	for i := range n {
		for j, v := range embeddings[i*d : (i+1)*d] {
			mean[j] += float64(v) / float64(n)
		}
	}
	var largest float64
	for i, v := range embeddings {
		largest = max(largest, math.Abs(float64(v)-mean[i%d]))
	}
	_, exponent := math.Frexp(largest) // a power of two scales without rounding, and keeps squares in float32's range
	sizes := classSizes(labels)
	for i := range n {
		row := r.rows[i*padded : (i+1)*padded]
		for j, v := range embeddings[i*d : (i+1)*d] {
			row[j] = float32(math.Ldexp(float64(v)-mean[j], -exponent))
		}
		// By the same routine as the products below, so that the distance between identical rows is 0.
		gram(row, row, 1, 1, padded, r.norms[i:], 1)
		r.others[i] = sizes[labels[i]] - 1
	}
	return r
}

// gram computes a·bᵀ for a (m,d) and b (k,d) into the first k columns of out, whose rows are stride apart.
func gram(a, b []float32, m, k, d int, out []float32, stride int) {
	blas32.Gemm(blas.NoTrans, blas.Trans, 1,
		blas32.General{Rows: m, Cols: d, Stride: d, Data: a},
		blas32.General{Rows: k, Cols: d, Stride: d, Data: b},
		0, blas32.General{Rows: m, Cols: k, Stride: stride, Data: out})
}

// score ranks the others for the queries [from, to).
func (r *retrieval) score(from, to int) {
	m := to - from
	products := make([]float32, m*r.n) // (m,N)
	for ref := 0; ref < r.n; ref += referenceBlock {
		k := min(referenceBlock, r.n-ref)
		gram(r.rows[from*r.d:to*r.d], r.rows[ref*r.d:(ref+k)*r.d], m, k, r.d, products[ref:], r.n)
	}
	keys := make([]uint64, r.n)
	for q := range m {
		if r.others[from+q] > 0 {
			r.rank(from+q, products[q*r.n:(q+1)*r.n], keys)
		}
	}
}

// rankKey packs a distance and the row that it belongs to, such that keys order by distance, then row.
func rankKey(distance float32, row int) uint64 {
	bits := math.Float32bits(distance)
	if bits>>31 == 0 {
		bits |= 1 << 31
	} else {
		bits = ^bits
	}
	return uint64(bits)<<32 | uint64(uint32(row))
}

// rank fills first, found and average of a query from its products (N) with all rows. keys (N) is scratch.
func (r *retrieval) rank(query int, products []float32, keys []uint64) {
	label, others := r.labels[query], r.others[query]
	nearest := uint64(math.MaxUint64)
	for j, product := range products {
		key := rankKey(r.norms[j]-2*product, j) // ‖x_q‖² is the same for all references and left out
		keys[j] = key
		if r.labels[j] == label && j != query {
			nearest = min(nearest, key)
		}
	}
	keys[query] = keys[r.n-1] // a query is no reference of its own
	keys = keys[:r.n-1]
	first := 1
	for _, key := range keys {
		if key < nearest {
			first++
		}
	}
	r.first[query] = first
	if first > others {
		return // none among the R nearest: the average is 0
	}
	selectSmallest(keys, others)
	slices.Sort(keys[:others])
	found, sum := 0, 0.0
	for i, key := range keys[:others] {
		if r.labels[uint32(key)] == label {
			found++
			sum += float64(found) / float64(i+1)
		}
	}
	r.found[query], r.average[query] = found, sum/float64(others)
}

// selectSmallest moves the k smallest of distinct keys to the front, in any order (Hoare's selection).
func selectSmallest(keys []uint64, k int) {
	for len(keys) > 1 && 0 < k && k < len(keys) {
		a, b, c := keys[0], keys[len(keys)/2], keys[len(keys)-1]
		pivot := max(min(a, b), min(max(a, b), c)) // median of three
		i, j := 0, len(keys)-1
		for i <= j {
			for keys[i] < pivot {
				i++
			}
			for keys[j] > pivot {
				j--
			}
			if i <= j {
				keys[i], keys[j] = keys[j], keys[i]
				i++
				j--
			}
		}
		switch { // [0,j] ≤ pivot ≤ [i,len)
		case k <= j+1:
			keys = keys[:j+1]
		case k >= i:
			keys, k = keys[i:], k-i
		default:
			return
		}
	}
}

// scores averages over the queries in order, so that threads leave no trace in the sum.
func (r *retrieval) scores(ks []int) Scores {
	s := Scores{Recall: make(map[int]float64, len(ks))}
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
	for _, k := range ks {
		hits := 0
		for i, others := range r.others {
			if others > 0 && r.first[i] <= k {
				hits++
			}
		}
		s.Recall[k] = float64(hits) / float64(s.Queries)
	}
	return s
}
