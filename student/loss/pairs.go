package loss

import (
	"fmt"
	"math"

	"rkd/student/internal/blas"
	"rkd/student/internal/parallel"
)

const (
	// minSquared is the squared distance up to which two rows coincide.
	minSquared = 1e-12
	// nearShare is the share of ‖x_i‖² + ‖x_j‖² below which a squared distance is taken from the rows themselves: its
	// relative rounding error from the Gram matrix grows as the inverse of that share.
	nearShare = 1.0 / 64
	// align is the number of elements that a row is padded to, so that vectorised sums take the same order for every row
	// and wherever the memory lies.
	align = 16
	// centreCols is the number of columns in one block of the parallel loop that computes their means.
	centreCols = 64
)

// pairs is the geometry of one side of a batch: its rows' distances to each other.
type pairs[T blas.Float] struct {
	side           string
	n, dim, stride int
	rows           []T // (N,stride): centred, padded with zeros
	squared        []T // (N,N): ‖x_i − x_j‖²
	inverse        []T // (N,N): 1/√(2·squared); 0 on the diagonal and where rows coincide
	mean           float64
	coincident     int // unordered pairs i≠j of rows that coincide

	source       Matrix[T]
	centre       []float64 // (dim): the mean row
	norm         []float64 // (N): ‖x_i‖² of centred rows
	rowSum       []float64 // (N): Σ_{j<i} distance
	rowSame      []int     // (N): coincident pairs (i,j<i)
	add, center  *parallel.Loop
	gram, finish *parallel.Loop
}

func newPairs[T blas.Float](side string) *pairs[T] {
	p := &pairs[T]{side: side}
	p.add = parallel.NewLoop(p.addColumns)
	p.center = parallel.NewLoop(p.centerRow)
	p.gram = parallel.NewLoop(p.gramRow)
	p.finish = parallel.NewLoop(p.finishRow)
	return p
}

// measure computes the geometry of m, (N,D) with N ≥ 2, in O(N²·D).
//
// Squared distances are ‖x_i‖² + ‖x_j‖² − 2⟨x_i,x_j⟩ of rows that are centred first, because a large common offset
// would cancel the digits of small distances; those of near rows are summed directly. Their mean counts a coincident
// pair as distance √minSquared.
//
// It returns ErrShape, or ErrNotFinite as a *RowError.
func (p *pairs[T]) measure(m Matrix[T]) error {
	if err := m.validate(p.side, 2); err != nil {
		return err
	}
	p.resize(m.Rows, m.Cols)
	p.source = m
	defer func() { p.source = Matrix[T]{} }()
	if err := p.findCentre(); err != nil {
		return err
	}
	p.center.Run(p.n)
	p.gram.Run(p.n)
	for i, norm := range p.norm {
		// Sums of three squared distances must not overflow either.
		if math.IsInf(float64(T(16*norm)), 0) {
			return &RowError{Side: p.side, Row: i, What: "is too large: squares of its distances overflow"}
		}
	}
	p.finish.Run(p.n)
	sum := 0.0
	p.coincident = 0
	for i := range p.n {
		sum += p.rowSum[i]
		p.coincident += p.rowSame[i]
	}
	p.mean = sum / float64(p.n*(p.n-1)/2)
	return nil
}

func (p *pairs[T]) resize(n, dim int) {
	stride := (dim + align - 1) / align * align
	if p.n == n && p.dim == dim {
		return
	}
	p.n, p.dim, p.stride = n, dim, stride
	p.rows = resize(p.rows, n*stride)
	clear(p.rows)
	p.squared, p.inverse = resize(p.squared, n*n), resize(p.inverse, n*n)
	p.centre = resize(p.centre, dim)
	p.norm, p.rowSum, p.rowSame = resize(p.norm, n), resize(p.rowSum, n), resize(p.rowSame, n)
}

// findCentre computes the mean row. Only if it is not finite are rows searched for the value that is not.
func (p *pairs[T]) findCentre() error {
	p.add.Run((p.dim + centreCols - 1) / centreCols)
	check := 0.0
	for c, sum := range p.centre {
		p.centre[c] = sum / float64(p.n)
		check += sum * 0 // 0 for every finite sum, NaN for others
	}
	if check == 0 {
		return nil
	}
	for i := range p.n {
		for c, v := range p.source.row(i) {
			if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
				return &RowError{Side: p.side, Row: i, What: fmt.Sprintf("has %g in column %d", f, c)}
			}
		}
	}
	return &RowError{Side: p.side, Row: 0, What: "is too large: the sum of the rows overflows"}
}

// addColumns adds up some of the columns, each from its first row to its last.
func (p *pairs[T]) addColumns(block int) {
	first := block * centreCols
	sums := p.centre[first:min(first+centreCols, p.dim)]
	clear(sums)
	for i := range p.n {
		for c, v := range p.source.row(i)[first:][:len(sums)] {
			sums[c] += float64(v)
		}
	}
}

func (p *pairs[T]) centerRow(i int) {
	to, from := p.rows[i*p.stride:][:p.dim], p.source.row(i)
	for c, centre := range p.centre {
		to[c] = T(float64(from[c]) - centre)
	}
}

// gramRow writes ⟨x_i,x_j⟩ for j ≤ i into row i of squared. Long rows go first, for an even load.
func (p *pairs[T]) gramRow(fromEnd int) {
	i := p.n - 1 - fromEnd
	products := p.squared[i*p.n:][:i+1]
	blas.Gemv(i+1, p.stride, 1, p.rows, p.stride, p.rows[i*p.stride:][:p.stride], 0, products)
	p.norm[i] = float64(products[i])
}

// finishRow turns the products of row i, and their mirror images, into squared distances and inverses.
func (p *pairs[T]) finishRow(fromEnd int) {
	i := p.n - 1 - fromEnd
	sum, same := 0.0, 0
	row := p.squared[i*p.n:][:i]
	for j, product := range row {
		norms := p.norm[i] + p.norm[j]
		q := norms - 2*float64(product)
		if q < norms*nearShare {
			q = p.direct(i, j)
		}
		d, inverse := math.Sqrt(minSquared), 0.0
		if q > minSquared {
			d = math.Sqrt(q)
			inverse = math.Sqrt2 / 2 / d
		} else {
			same++
		}
		sum += d
		row[j], p.squared[j*p.n+i] = T(q), T(q)
		p.inverse[i*p.n+j], p.inverse[j*p.n+i] = T(inverse), T(inverse)
	}
	p.squared[i*p.n+i], p.inverse[i*p.n+i] = 0, 0
	p.rowSum[i], p.rowSame[i] = sum, same
}

// direct is the squared distance of two rows as given: centring would round their difference.
func (p *pairs[T]) direct(i, j int) float64 {
	a, b := p.source.row(i), p.source.row(j)
	sum := 0.0
	for c, v := range a {
		d := float64(v) - float64(b[c])
		sum += d * d
	}
	return sum
}

// distance is ‖x_i − x_j‖, at least √minSquared.
func (p *pairs[T]) distance(i, j int) float64 {
	return math.Sqrt(max(float64(p.squared[i*p.n+j]), minSquared))
}

// scale returns the mean distance, or ErrDegenerate when all rows coincide.
func (p *pairs[T]) scale() (float64, error) {
	if p.coincident == p.n*(p.n-1)/2 {
		return 0, fmt.Errorf("%w: all %d %s rows are identical", ErrDegenerate, p.n, p.side)
	}
	return p.mean, nil
}
