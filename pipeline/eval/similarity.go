package eval

import (
	"context"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"

	"rkd/datasets/memory"
)

// Pair is two sets of embeddings of the same N samples: row i of A and row i of B belong to one sample.
type Pair struct {
	A, B   []float32 // (N,DA) and (N,DB), row-major
	N      int
	DA, DB int
}

// side is one set of a pair.
type side struct {
	name       string
	embeddings []float32 // (N,D)
	n, d       int
}

func (p Pair) sides() [2]side {
	return [2]side{{"first", p.A, p.N, p.DA}, {"second", p.B, p.N, p.DB}}
}

// check returns ErrInput unless both sets have the sizes that the pair says, minRows rows or more, and finite values
// only.
func (p Pair) check(minRows int) error {
	if p.N < minRows {
		return fmt.Errorf("%w: %d samples, expected at least %d", ErrInput, p.N, minRows)
	}
	for _, s := range p.sides() {
		if s.d < 1 || len(s.embeddings) != s.n*s.d {
			return fmt.Errorf("%w: %d values in the %s set, expected %d×%d", ErrInput, len(s.embeddings), s.name, s.n, s.d)
		}
		if err := checkFinite(s.embeddings, s.d, s.name+" set"); err != nil {
			return fmt.Errorf("%w: %w", ErrInput, err)
		}
	}
	return nil
}

// LinearCKA is the linear centred kernel alignment of two sets of embeddings,
//
//	CKA = ‖AᵀB‖² / (‖AᵀA‖·‖BᵀB‖)
//
// with Frobenius norms and with columns centred. A is (N,DA) and B (N,DB), N ≥ 2. It is in [0,1]: 1 where B is A
// rotated, reflected, translated or scaled by one number, 0 where no column of one correlates with any of the other.
// With fewer rows than columns it is high for whatever is compared.
//
// It computes in float64 in the space of features, in O(N·(DA+DB)²) and on all cores; memory is O((DA+DB)²) whatever N
// is. It returns ErrInput for shapes that do not fit, for values that are not finite, naming the row, and where all
// rows of one set are equal, and the context's error.
//
// Source: Kornblith et al., Similarity of Neural Network Representations Revisited, ICML 2019, eq. 3 and table 1.
func LinearCKA(ctx context.Context, p Pair) (float64, error) {
	if err := p.check(2); err != nil {
		return 0, err
	}
	sides := p.sides()
	a, err := newColumns(sides[0])
	if err != nil {
		return 0, err
	}
	b, err := newColumns(sides[1])
	if err != nil {
		return 0, err
	}
	aa, bb, ab := zeros(p.DA, p.DA), zeros(p.DB, p.DB), zeros(p.DA, p.DB)
	for from := 0; from < p.N; from += columnsBlock {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		to := min(from+columnsBlock, p.N)
		x, y := a.rows(from, to), b.rows(from, to)
		blas64.Gemm(blas.Trans, blas.NoTrans, 1, x, x, 1, aa)
		blas64.Gemm(blas.Trans, blas.NoTrans, 1, y, y, 1, bb)
		blas64.Gemm(blas.Trans, blas.NoTrans, 1, x, y, 1, ab)
	}
	// The root of a product, because that of a square is exact: the similarity of a set with itself is 1, not almost 1.
	return min(1, sumOfSquares(ab)/math.Sqrt(sumOfSquares(aa)*sumOfSquares(bb))), nil
}

// columnsBlock is the number of rows that are centred at a time.
const columnsBlock = 512

// columns gives the rows of a set with each column centred, and all scaled by one power of two to at most about 1, so
// that fourth powers stay in range.
type columns struct {
	side
	mean  []float64 // (D) of what is left without the first row
	scale float64
	block []float64 // (columnsBlock,D)
}

// newColumns returns ErrInput where all rows are equal.
func newColumns(s side) (*columns, error) {
	c := &columns{side: s, mean: make([]float64, s.d), block: make([]float64, min(columnsBlock, s.n)*s.d)}
	// Without the first row a large common offset is gone before anything is added up, and equal rows are exactly 0.
	first, largest := s.embeddings[:s.d], 0.0
	for i := range s.n {
		for j, v := range s.embeddings[i*s.d : (i+1)*s.d] {
			x := float64(v) - float64(first[j])
			c.mean[j] += x / float64(s.n)
			largest = max(largest, math.Abs(x))
		}
	}
	if largest == 0 {
		return nil, fmt.Errorf("%w: all %d rows of the %s set are equal", ErrInput, s.n, s.name)
	}
	_, exponent := math.Frexp(largest)
	c.scale = math.Ldexp(1, -exponent)
	return c, nil
}

// rows returns the rows [from, to). They are valid until the next call.
func (c *columns) rows(from, to int) blas64.General {
	out := blas64.General{Rows: to - from, Cols: c.d, Stride: c.d, Data: c.block[:(to-from)*c.d]}
	first := c.embeddings[:c.d]
	for i := range out.Rows {
		row := out.Data[i*c.d : (i+1)*c.d]
		for j, v := range c.embeddings[(from+i)*c.d : (from+i+1)*c.d] {
			row[j] = (float64(v) - float64(first[j]) - c.mean[j]) * c.scale
		}
	}
	return out
}

func zeros(rows, cols int) blas64.General {
	return blas64.General{Rows: rows, Cols: cols, Stride: cols, Data: memory.Make[float64](rows * cols)}
}

func sumOfSquares(m blas64.General) float64 {
	sum := 0.0
	for _, v := range m.Data {
		sum += v * v
	}
	return sum
}

// NeighbourOverlap is the mean share of common samples among the K nearest of each row in two sets of embeddings,
//
//	overlap@K = 1/N Σ_i |N_A(i) ∩ N_B(i)| / K
//
// where N_A(i) are the K rows of A that are nearest to row i, itself left out. It is in [0,1]; of unrelated sets it is
// about K/(N−1). A is (N,DA) and B (N,DB), N ≥ 2, 1 ≤ K ≤ N−1. Distances are those of [Retrieval], and so are ties and
// the independence of threads. Memory is that of Retrieval and O(N·K).
//
// It returns ErrInput for shapes and values that break these rules, naming the row that is not finite, and the
// context's error.
//
// Source: mutual k-nearest neighbours in Huh et al., The Platonic Representation Hypothesis, ICML 2024, appendix A.
func NeighbourOverlap(ctx context.Context, p Pair, k int) (float64, error) {
	return neighbourOverlap(ctx, p, k, nil)
}

func neighbourOverlap(ctx context.Context, p Pair, k int, m *meter) (float64, error) {
	if err := p.check(2); err != nil {
		return 0, err
	}
	if k < 1 || k >= p.N {
		return 0, fmt.Errorf("%w: %d nearest of %d samples, expected K between 1 and %d", ErrInput, k, p.N, p.N-1)
	}
	near := memory.Make[int32](p.N * k) // (N,K) of A, each row ascending
	all := func(int) int { return k }
	err := newSpace(p.A, p.N, p.DA).eachQuery(ctx, m, all, func(row int, nearest []uint64) {
		rows := near[row*k : (row+1)*k]
		for i, key := range nearest {
			rows[i] = int32(rowOf(key))
		}
		slices.Sort(rows)
	})
	if err != nil {
		return 0, err
	}
	common := make([]int, p.N)
	err = newSpace(p.B, p.N, p.DB).eachQuery(ctx, m, all, func(row int, nearest []uint64) {
		rows := near[row*k : (row+1)*k]
		for _, key := range nearest {
			if _, found := slices.BinarySearch(rows, int32(rowOf(key))); found {
				common[row]++
			}
		}
	})
	if err != nil {
		return 0, err
	}
	total := 0
	for _, n := range common {
		total += n
	}
	return float64(total) / (float64(p.N) * float64(k)), nil
}
