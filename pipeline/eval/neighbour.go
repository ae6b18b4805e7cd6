package eval

import (
	"context"
	"math"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	"gonum.org/v1/gonum/floats"

	"rkd/datasets/fault"
	"rkd/datasets/memory"
	"rkd/pipeline/eval/internal/gram"
)

const (
	// queryBlock rows are compared with all others at a time, referenceBlock of these with a panel of queries.
	queryBlock     = 8 * gram.PanelRows
	referenceBlock = 192
	// scratchBytes bounds the memory of the candidates of all threads together; blocks of queries shrink to it, down to
	// one panel.
	scratchBytes = 256 << 20
)

// space holds rows such that products of matrices give their distances.
type space struct {
	n, d     int       // d is padded
	rows     []float32 // (N,D) centred and scaled by 2^−exponent
	norms    []float32 // (N) squared lengths of rows
	exponent int
	sample   *space // some of the rows, spread over all; nil of few
}

const (
	// Of sampleShare rows one is sampled, but no more than sampleMost and, if less than sampleLeast, none.
	sampleShare = 16
	sampleLeast = 64
	sampleMost  = 16 * referenceBlock
)

// draw takes a sample of the rows.
func (s *space) draw() {
	n := min(s.n/sampleShare, sampleMost)
	if n < sampleLeast {
		return
	}
	s.sample = &space{n: n, d: s.d, rows: make([]float32, 0, n*s.d), norms: make([]float32, n)}
	for i := range n {
		row := i * s.n / n
		s.sample.rows = append(s.sample.rows, s.row(row)...)
		s.sample.norms[i] = s.norms[row]
	}
}

func newSpace(embeddings []float32, n, d int) *space {
	padded := (d + gram.Lanes - 1) / gram.Lanes * gram.Lanes
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
		// In the order of the products below, so that the distance between identical rows is 0.
		s.norms[i] = gram.SquaredLength(row)
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

// eachQuery calls visit once for every row, from all cores, in no order, with the keys of its need(row) ≤ N−1 nearest
// others, in order. They are valid until visit returns.
func (s *space) eachQuery(ctx context.Context, m *meter, need func(row int) int,
	visit func(row int, near []uint64),
) error {
	s.draw()
	most := 1
	for row := range s.n {
		most = max(most, need(row))
	}
	size := queriesAtOnce(most, s.n)
	blocks := (s.n + size - 1) / size
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range min(runtime.GOMAXPROCS(0), blocks) {
		group.Go(fault.Guard(func() error {
			scan := newScanner(size, s.d)
			for from := int(next.Add(1)-1) * size; from < s.n; from = int(next.Add(1)-1) * size {
				if err := ctx.Err(); err != nil {
					return err
				}
				to := min(from+size, s.n)
				for row := from; row < to; row++ {
					scan.candidates[row-from].reset(row, need(row), s.n)
				}
				scan.run(s, s.rows[from*s.d:to*s.d], to-from)
				for i := range to - from {
					visit(from+i, scan.nearest(i))
				}
				m.add(float64(to-from) * float64(s.n) * float64(s.d))
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
