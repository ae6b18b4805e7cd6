package eval

import (
	"context"
	"math"
	"runtime"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
	"gonum.org/v1/gonum/floats"

	"rkd/datasets/fault"
	"rkd/datasets/memory"
)

const (
	// queryBlock×referenceBlock is the largest product that gonum computes without goroutines of its own, of which
	// there are enough here.
	queryBlock     = 64
	referenceBlock = 192
	// lanes is what rows are padded to: a dot product then adds up in the same order for every row, which makes
	// distances from identical rows identical.
	lanes = 16
	// scratchBytes bounds the memory of the products of all threads together; blocks of queries shrink to it, down to
	// queryBlockMin rows, below which matrix products are slow.
	scratchBytes  = 256 << 20
	queryBlockMin = 8
)

// space holds rows such that products of matrices give their distances.
type space struct {
	n, d     int       // d is padded
	rows     []float32 // (N,D) centred and scaled by 2^−exponent
	norms    []float32 // (N) squared lengths of rows
	exponent int
}

func newSpace(embeddings []float32, n, d int) *space {
	padded := (d + lanes - 1) / lanes * lanes
	s := &space{n: n, d: padded, rows: memory.Make[float32](n * padded), norms: make([]float32, n)}
	centre := centreOf(embeddings, n, d)
	var largest float64
	for i := range n {
		for j, v := range embeddings[i*d : (i+1)*d] {
			largest = max(largest, math.Abs(float64(v)-centre[j]))
		}
	}
	_, s.exponent = math.Frexp(largest) // a power of two scales without rounding, and keeps squares in float32's range
	scale := math.Ldexp(1, -s.exponent)
	for i := range n {
		row := s.row(i)
		for j, v := range embeddings[i*d : (i+1)*d] {
			row[j] = float32((float64(v) - centre[j]) * scale)
		}
		// By the same routine as the products below, so that the distance between identical rows is 0.
		gram(row, row, 1, 1, padded, s.norms[i:], 1)
	}
	return s
}

// centreOf returns a point near the mean of the rows: each coordinate is rounded to a power of two not above its
// standard deviation. Rows of whole numbers, or of other values of few bits, so stay such rows, and equal distances
// equal.
func centreOf(embeddings []float32, n, d int) []float64 {
	centre, variance := make([]float64, d), make([]float64, d)
	for i := range n {
		for j, v := range embeddings[i*d : (i+1)*d] {
			centre[j] += float64(v)
		}
	}
	floats.Scale(1/float64(n), centre)
	for i := range n {
		for j, v := range embeddings[i*d : (i+1)*d] {
			diff := float64(v) - centre[j]
			variance[j] += diff * diff / float64(n)
		}
	}
	for j, v := range variance {
		if v > 0 {
			_, exponent := math.Frexp(math.Sqrt(v))
			grid := math.Ldexp(1, exponent-1)
			centre[j] = math.Round(centre[j]/grid) * grid
		}
	}
	return centre
}

func (s *space) row(i int) []float32 { return s.rows[i*s.d : (i+1)*s.d] }

// gram computes a·bᵀ for a (m,d) and b (k,d) into the first k columns of out, whose rows are stride apart.
func gram(a, b []float32, m, k, d int, out []float32, stride int) {
	blas32.Gemm(blas.NoTrans, blas.Trans, 1,
		blas32.General{Rows: m, Cols: d, Stride: d, Data: a},
		blas32.General{Rows: k, Cols: d, Stride: d, Data: b},
		0, blas32.General{Rows: m, Cols: k, Stride: stride, Data: out})
}

// eachQuery calls visit once for every row, from all cores, in no order. A query is valid until visit returns.
func (s *space) eachQuery(ctx context.Context, visit func(q *query)) error {
	threads := runtime.GOMAXPROCS(0)
	size := min(max(scratchBytes/(4*s.n*threads), queryBlockMin), queryBlock)
	blocks := (s.n + size - 1) / size
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range min(threads, blocks) {
		group.Go(fault.Guard(func() error {
			products := memory.Make[float32](min(size, s.n) * s.n) // (size,N)
			q := &query{keys: make([]uint64, s.n), ends: make([]int32, s.n/4+2)}
			for from := int(next.Add(1)-1) * size; from < s.n; from = int(next.Add(1)-1) * size {
				if err := ctx.Err(); err != nil {
					return err
				}
				m := min(size, s.n-from)
				s.products(from, m, products)
				for i := range m {
					q.row, q.distances = from+i, products[i*s.n:(i+1)*s.n]
					q.measure(s.norms)
					visit(q)
				}
			}
			return nil
		}))
	}
	return group.Wait()
}

// eachBlock calls body for the blocks [from, to) of at most size indices that make up [0, n), from all cores, in no
// order.
func eachBlock(ctx context.Context, n, size int, body func(from, to int)) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for from := 0; from < n; from += size {
		group.Go(fault.Guard(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			body(from, min(from+size, n))
			return nil
		}))
	}
	return group.Wait()
}

// products fills out (m,N) with the inner products of the rows [from, from+m) and all rows.
func (s *space) products(from, m int, out []float32) {
	for ref := 0; ref < s.n; ref += referenceBlock {
		k := min(referenceBlock, s.n-ref)
		gram(s.rows[from*s.d:(from+m)*s.d], s.rows[ref*s.d:(ref+k)*s.d], m, k, s.d, out[ref:], s.n)
	}
}

// query is a row against all the others.
type query struct {
	row int
	// distances (N) are squared and lack the row's own squared length, which moves all of them alike. The row is farther
	// from itself than from any other, so that it never is a neighbour of its own.
	distances       []float32
	nearby, distant float32  // the smallest and the largest of distances
	keys            []uint64 // (N) scratch
	ends            []int32  // scratch of nearest: how many keys there are up to the end of each bucket
}

// measure turns products with all rows into distances.
func (q *query) measure(norms []float32) {
	nearby, distant := float32(math.MaxFloat32), float32(-math.MaxFloat32)
	for _, part := range [][2]int{{0, q.row}, {q.row + 1, len(q.distances)}} {
		distances, norms := q.distances[part[0]:part[1]], norms[part[0]:part[1]]
		for j, product := range distances {
			x := norms[j] - 2*product
			distances[j] = x
			if x < nearby { // min and max mind NaNs, which takes as long as all the rest
				nearby = x
			}
			if x > distant {
				distant = x
			}
		}
	}
	q.nearby, q.distant = nearby, math.Nextafter32(distant, math.MaxFloat32)
	q.distances[q.row] = q.distant
}

// rankKey packs a distance and the row that it belongs to, such that keys order by distance, then row.
func rankKey(distance float32, row int) uint64 {
	bits := math.Float32bits(distance)
	bits ^= uint32(int32(bits)>>31) | 1<<31 // all bits of a negative number, the sign of the others
	return uint64(bits)<<32 | uint64(uint32(row))
}

// rowOf is the row of a key.
func rowOf(key uint64) int { return int(uint32(key)) }

// nearest returns the keys of the k ≤ N−1 nearest rows, in order, valid until the next call. It distributes rows to
// buckets by distance, without comparisons, and sorts the buckets that hold the k nearest.
func (q *query) nearest(k int) []uint64 {
	buckets := len(q.ends) - 1
	scale := float32(buckets-1) / (q.distant - q.nearby)
	if scale > math.MaxFloat32 {
		scale = 0
	}
	clear(q.ends)
	for _, x := range q.distances {
		q.ends[int((x-q.nearby)*scale)+1]++
	}
	last := 0 // the bucket of the k-th nearest
	for int(q.ends[last]+q.ends[last+1]) < k {
		last++
		q.ends[last] += q.ends[last-1]
	}
	// An entry is the start of its bucket now, and moves to the end as the bucket fills.
	for j, x := range q.distances {
		b := int((x - q.nearby) * scale)
		if b <= last {
			q.keys[q.ends[b]] = rankKey(x, j)
			q.ends[b]++
		}
	}
	start := 0
	for b := range last {
		end := int(q.ends[b])
		slices.Sort(q.keys[start:end])
		start = end
	}
	if k > start {
		rest := q.keys[start:q.ends[last]]
		selectSmallest(rest, k-start)
		slices.Sort(rest[:k-start])
	}
	return q.keys[:k]
}

// rank returns the rank of the nearest row that is wanted, from 1, or N if none but the row itself is.
func (q *query) rank(wanted func(row int) bool) int {
	nearest := uint64(math.MaxUint64)
	for j, x := range q.distances {
		if wanted(j) {
			nearest = min(nearest, rankKey(x, j))
		}
	}
	rank := 1
	for j, x := range q.distances {
		if rankKey(x, j) < nearest {
			rank++
		}
	}
	return rank
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
