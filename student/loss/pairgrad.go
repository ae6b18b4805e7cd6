package loss

import (
	"rkd/student/internal/blas"
	"rkd/student/internal/parallel"
)

const (
	gradRows = 16  // rows of the gradient in one block of the parallel loop
	gradCols = 128 // columns of one product: gonum splits larger ones over goroutines of its own
)

// pairGradient collects the derivative of a loss by the squared distances of unordered pairs and turns it into the
// derivative by the rows:
//
//	dL/dx_i = Σ_j 2·h_ij·(x_i − x_j) = −2·(H − diag(Σ_j h_ij))·X,  h_ij = dL/d‖x_i − x_j‖²
type pairGradient[T blas.Float] struct {
	n int
	h []T // (N,N): losses fill j > i

	pairs           *pairs[T]
	grad            Matrix[T]
	mirror, product *parallel.Loop
}

func newPairGradient[T blas.Float]() *pairGradient[T] {
	g := new(pairGradient[T])
	g.mirror = parallel.NewLoop(g.mirrorRow)
	g.product = parallel.NewLoop(g.productRows)
	return g
}

// reset makes all derivatives zero.
func (g *pairGradient[T]) reset(n int) {
	g.n = n
	g.h = resize(g.h, n*n)
	clear(g.h)
}

// addTo adds dL/dX to grad, (N,D). Pairs that coincide give nothing. It overwrites h.
func (g *pairGradient[T]) addTo(p *pairs[T], grad Matrix[T]) {
	g.pairs, g.grad = p, grad
	g.mirror.Run(g.n)
	g.product.Run((g.n + gradRows - 1) / gradRows)
	g.pairs, g.grad = nil, Matrix[T]{}
}

func (g *pairGradient[T]) mirrorRow(i int) {
	row, inverse := g.h[i*g.n:][:g.n], g.pairs.inverse[i*g.n:][:g.n]
	for j := i + 1; j < g.n; j++ {
		if inverse[j] == 0 {
			row[j] = 0
		}
		g.h[j*g.n+i] = row[j]
	}
}

func (g *pairGradient[T]) productRows(block int) {
	n, first := g.n, block*gradRows
	rows := min(gradRows, n-first)
	for i := first; i < first+rows; i++ {
		row := g.h[i*n:][:n]
		row[i] = 0
		sum := 0.0
		for _, v := range row {
			sum += float64(v)
		}
		row[i] = T(-sum)
	}
	p, dim := g.pairs, g.grad.Cols
	for c := 0; c < dim; c += gradCols {
		blas.Gemm(false, false, rows, min(gradCols, dim-c), n, -2, g.h[first*n:], n, p.rows[c:], p.stride,
			1, g.grad.Data[first*dim+c:], dim)
	}
}
