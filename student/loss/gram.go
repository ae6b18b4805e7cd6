package loss

import (
	"fmt"
	"math"

	"rkd/student/internal/blas"
	"rkd/student/internal/parallel"
)

// gram is the geometry of one side of a batch as inner products of its rows, as they come or at unit length.
//
// It computes in float64 whatever T is: rows with a large common offset have nearly equal products, and their
// differences would be lost in float32.
type gram[T blas.Float] struct {
	side    string
	fewest  int     // rows of a batch
	unit    bool    // rows are divided by max(‖x‖₂, shortest) + epsilon
	epsilon float64 // only for unit

	n, dim, stride int
	rows           []float64 // (N,stride): padded with zeros, see align
	divisor        []float64 // (N): what rows were divided by, 1 unless unit
	length         []float64 // (N): ‖x_i‖₂ as it came
	products       []float64 // (N,N): ⟨x_i,x_j⟩

	source                 Matrix[T]
	load, multiply, mirror *parallel.Loop
}

func newGram[T blas.Float](side string, unit bool, epsilon float64) *gram[T] {
	g := &gram[T]{side: side, fewest: 2, unit: unit, epsilon: epsilon}
	g.load = parallel.NewLoop(g.loadRow)
	g.multiply = parallel.NewLoop(g.multiplyRow)
	g.mirror = parallel.NewLoop(g.mirrorRow)
	return g
}

// measure computes the products of m, (N,D) with N ≥ fewest, in O(N²·D). It returns ErrShape, or ErrNotFinite as a
// *RowError.
func (g *gram[T]) measure(m Matrix[T]) error {
	if err := g.loadRows(m); err != nil {
		return err
	}
	g.products = resize(g.products, g.n*g.n)
	g.multiply.Run(g.n)
	g.mirror.Run(g.n)
	return nil
}

// loadRows reads the rows of m, (N,D) with N ≥ fewest, for losses that compare them with other rows than their own: the
// products are of no use then. It returns ErrShape, or ErrNotFinite as a *RowError.
func (g *gram[T]) loadRows(m Matrix[T]) error {
	if err := m.validate(g.side, g.fewest); err != nil {
		return err
	}
	g.resize(m.Rows, m.Cols)
	g.source = m
	defer func() { g.source = Matrix[T]{} }()
	g.load.Run(g.n)
	for i, length := range g.length {
		if err := g.validateRow(i, length); err != nil {
			return err
		}
	}
	return nil
}

func (g *gram[T]) resize(n, dim int) {
	if g.n == n && g.dim == dim {
		return
	}
	g.n, g.dim, g.stride = n, dim, (dim+align-1)/align*align
	g.rows = resize(g.rows, n*g.stride)
	clear(g.rows)
	g.divisor, g.length = resize(g.divisor, n), resize(g.length, n)
}

func (g *gram[T]) loadRow(i int) {
	to := g.rows[i*g.stride:][:g.dim]
	square := 0.0
	for c, v := range g.source.row(i) {
		to[c] = float64(v)
		square += to[c] * to[c]
	}
	g.length[i], g.divisor[i] = math.Sqrt(square), 1
	if g.unit {
		g.divisor[i] = max(g.length[i], shortest) + g.epsilon
		for c := range to {
			to[c] /= g.divisor[i]
		}
	}
}

// validateRow refuses rows that are not finite, or so long that the loss or its gradient may overflow.
func (g *gram[T]) validateRow(i int, length float64) error {
	bound := 16 * length * length
	if !g.unit {
		// The sum of N² squares of differences of products.
		bound = 4 * float64(g.n) * float64(g.n) * math.Pow(length, 4)
	}
	if bound = float64(T(bound)); !math.IsInf(bound, 0) && !math.IsNaN(bound) {
		return nil
	}
	for c, v := range g.source.row(i) {
		if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
			return &RowError{Side: g.side, Row: i, What: fmt.Sprintf("has %g in column %d", f, c)}
		}
	}
	return &RowError{Side: g.side, Row: i, What: "is too large: squares of its products overflow"}
}

// multiplyRow computes the products with rows j ≤ i. Long rows go first, for an even load.
func (g *gram[T]) multiplyRow(fromEnd int) {
	i := g.n - 1 - fromEnd
	blas.Gemv(i+1, g.stride, 1, g.rows, g.stride, g.rows[i*g.stride:][:g.stride], 0, g.products[i*g.n:][:i+1])
}

func (g *gram[T]) mirrorRow(i int) {
	for j := i + 1; j < g.n; j++ {
		g.products[i*g.n+j] = g.products[j*g.n+i]
	}
}

// row is the products of row i with all.
func (g *gram[T]) row(i int) []float64 { return g.products[i*g.n:][:g.n] }

// gramGradient turns the derivative by the products of the student's rows into the derivative by the rows:
//
//	dL/dX = (H + Hᵀ)·X,  h_ij = dL/d⟨x_i,x_j⟩
//
// and from there back through the division by the length, where there was one. Rows of at most shortest have no
// direction and get no gradient from it.
type gramGradient[T blas.Float] struct {
	h       []float64 // (N,N): losses fill all of it
	product []float64 // (N,D): by the divided rows

	gram                     *gram[T]
	grad                     Matrix[T]
	factor                   float64
	symmetrise, pull, finish *parallel.Loop
}

func newGramGradient[T blas.Float]() *gramGradient[T] {
	g := new(gramGradient[T])
	g.symmetrise = parallel.NewLoop(g.symmetriseRow)
	g.pull = parallel.NewLoop(g.pullRows)
	g.finish = parallel.NewLoop(g.finishRow)
	return g
}

// addTo adds factor·dL/dX to grad, (N,D). It overwrites h.
func (g *gramGradient[T]) addTo(gram *gram[T], factor float64, grad Matrix[T]) {
	g.gram, g.factor, g.grad = gram, factor, grad
	g.product = resize(g.product, gram.n*gram.dim)
	g.symmetrise.Run(gram.n)
	g.pull.Run((gram.n + gradRows - 1) / gradRows)
	g.finish.Run(gram.n)
	g.gram, g.grad = nil, Matrix[T]{}
}

func (g *gramGradient[T]) symmetriseRow(i int) {
	n := g.gram.n
	g.h[i*n+i] *= 2
	for j := i + 1; j < n; j++ {
		sum := g.h[i*n+j] + g.h[j*n+i]
		g.h[i*n+j], g.h[j*n+i] = sum, sum
	}
}

func (g *gramGradient[T]) pullRows(block int) {
	n, dim, first := g.gram.n, g.gram.dim, block*gradRows
	for c := 0; c < dim; c += gradCols {
		blas.Gemm(false, false, min(gradRows, n-first), min(gradCols, dim-c), n, 1, g.h[first*n:], n,
			g.gram.rows[c:], g.gram.stride, 0, g.product[first*dim+c:], dim)
	}
}

// finishRow adds the gradient p of one row, (p − ⟨y,p⟩·x/‖x‖)/divisor for y = x/divisor.
func (g *gramGradient[T]) finishRow(i int) {
	p, y := g.product[i*g.gram.dim:][:g.gram.dim], g.gram.rows[i*g.gram.stride:]
	factor, along := g.factor, 0.0
	if g.gram.unit {
		if g.gram.length[i] <= shortest {
			return
		}
		for c, v := range p {
			along += v * y[c]
		}
		along *= g.gram.divisor[i] / g.gram.length[i]
		factor /= g.gram.divisor[i]
	}
	to := g.grad.row(i)
	for c, v := range p {
		to[c] += T(factor * (v - along*y[c]))
	}
}

// gramLoss is what losses share that compare the student's products with the teacher's, row by row.
type gramLoss[T blas.Float] struct {
	// compare returns N² times what one row (N) of products adds to the loss, and fills h (N) with its derivative by the
	// student's.
	compare          func(student, teacher, h []float64) float64
	student, teacher *gram[T]
	gradient         *gramGradient[T]
	rowLoss          []float64 // (N)
	rows             *parallel.Loop
	term             [1]Term
}

// newGramLoss returns a loss of one term; unit and epsilon are those of gram.
func newGramLoss[T blas.Float](name string, unit bool, epsilon float64,
	compare func(student, teacher, h []float64) float64,
) *gramLoss[T] {
	l := &gramLoss[T]{
		compare: compare, gradient: newGramGradient[T](), term: [1]Term{{Name: name, Weight: 1}},
		student: newGram[T]("student", unit, epsilon), teacher: newGram[T]("teacher", unit, epsilon),
	}
	l.rows = parallel.NewLoop(l.compareRow)
	return l
}

func (l *gramLoss[T]) eval(b Batch[T], weight float64, grad Matrix[T]) (Value, error) {
	if err := validateSides(b, grad); err != nil {
		return Value{}, err
	}
	if err := l.student.measure(b.Student); err != nil {
		return Value{}, err
	}
	if err := l.teacher.measure(b.Teacher); err != nil {
		return Value{}, err
	}
	n := b.Student.Rows
	l.rowLoss, l.gradient.h = resize(l.rowLoss, n), resize(l.gradient.h, n*n)
	l.rows.Run(n)
	sum, square := 0.0, float64(n)*float64(n)
	for _, v := range l.rowLoss {
		sum += v
	}
	if grad.Data != nil {
		l.gradient.addTo(l.student, weight/square, grad)
	}
	l.term[0].Value = sum / square
	return Value{Total: l.term[0].Value, Terms: l.term[:]}, nil
}

func (l *gramLoss[T]) compareRow(i int) {
	n := l.student.n
	l.rowLoss[i] = l.compare(l.student.row(i), l.teacher.row(i), l.gradient.h[i*n:][:n])
}

// padded is row i, divided where g divides, with zeros up to the stride.
func (g *gram[T]) padded(i int) []float64 { return g.rows[i*g.stride:][:g.stride] }

// addProduct adds factor times the derivative by the rows of gram to grad, (N,D), where product, (N,D), holds the
// derivative by the divided rows.
func (g *gramGradient[T]) addProduct(gram *gram[T], factor float64, grad Matrix[T]) {
	g.gram, g.factor, g.grad = gram, factor, grad
	g.finish.Run(gram.n)
	g.gram, g.grad = nil, Matrix[T]{}
}
