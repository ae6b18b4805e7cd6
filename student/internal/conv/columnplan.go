package conv

import (
	"sync/atomic"

	"rkd/datasets/memory"
	"rkd/student/internal/blas"
	"rkd/student/internal/parallel"
)

// columnBytes is the size of a column matrix that stays in a core's cache between im2col and the product.
const columnBytes = 1 << 19

// evenBlocks is what the number of blocks of a batch is a multiple of, so that up to as many workers get equal work.
const evenBlocks = 8

// leastChunks is the least number of partial sums of a weight gradient, if there are so many blocks.
const leastChunks = 4

// partialBytes bounds the memory of a weight gradient's partial sums.
const partialBytes = 4 << 20

// columnPlan is a convolution, or one of its gradients, by im2col on fixed memory: the batch in blocks of samples, and
// for each block its column matrix and a matrix product, on one worker.
type columnPlan struct {
	Geometry
	block   int // samples of one
	blocks  int
	workers []columnWorker
	team    *parallel.Team
	next    atomic.Int64
}

// columnWorker is the memory of one worker and the products on it, one for each group.
type columnWorker struct {
	cols     []float32 // (C/G·KH·KW, block·OH·OW)
	y        []float32 // (O/G, block·OH·OW), of y or gy
	gw       []float32 // (C/G·KH·KW, O/G)
	products []func() error
	err      error
}

// planColumns prepares products of column matrices.
func planColumns(kind Kind, g Geometry, m Multiplier, team *parallel.Team, out []float32,
	in [][]float32,
) (func() error, error) {
	switch kind {
	case InputGradient:
		return columnsInputGrad(g, m, team, out, in)
	case WeightGradient:
		return columnsWeightGrad(g, m, team, out, in)
	default:
		return columnsForward(g, m, team, out, in)
	}
}

// newColumnPlan makes the workers; prepare makes the matrix product of each group.
func newColumnPlan(g Geometry, team *parallel.Team, prepare func(w *columnWorker, group, columns int) (func() error,
	error),
) (*columnPlan, error) {
	p := &columnPlan{Geometry: g, team: team}
	// As many blocks as fit the cache, of about one size. A product's bits can depend on its size, and the sum of a weight
	// gradient on the number of blocks, so neither may follow the number of workers.
	p.block = max(1, min(g.Samples, columnBytes/(4*g.patch()*g.area())))
	p.blocks = over(over(g.Samples, p.block), evenBlocks) * evenBlocks
	p.block = over(g.Samples, p.blocks)
	p.blocks = over(g.Samples, p.block)
	columns := p.block * g.area()
	p.workers = make([]columnWorker, min(p.blocks, team.Workers()))
	for i := range p.workers {
		w := &p.workers[i]
		w.cols, w.y = memory.Make[float32](g.patch()*columns), memory.Make[float32](g.GroupFilters()*columns)
		for group := range g.Groups {
			product, err := prepare(w, group, columns)
			if err != nil {
				return nil, err
			}
			w.products = append(w.products, product)
		}
	}
	return p, nil
}

// each runs body for every block, the samples [from,to). A block smaller than the others leaves the rest of the
// worker's memory as it was; products with it are computed and ignored.
func (p *columnPlan) each(body func(w *columnWorker, block, from, to int) error) func() error {
	work := func(i int) {
		w := &p.workers[i]
		w.err = nil
		for b := int(p.next.Add(1)) - 1; b < p.blocks && w.err == nil; b = int(p.next.Add(1)) - 1 {
			w.err = body(w, b, b*p.block, min(p.Samples, (b+1)*p.block))
		}
	}
	return func() error {
		p.next.Store(0)
		p.team.For(len(p.workers), work)
		for i := range p.workers {
			if err := p.workers[i].err; err != nil {
				return err
			}
		}
		return nil
	}
}

// gather writes the columns of samples [from,to).
func (p *columnPlan) gather(w *columnWorker, x []float32, group, from, to int) {
	stride := p.block * p.area()
	for n := from; n < to; n++ {
		columnsTo(p.Geometry, w.cols[(n-from)*p.area():], stride, p.input(x, n, group))
	}
}

// gatherOutput writes gy (N,O,OH,OW) of samples [from,to) as (O/G, block·OH·OW).
func (p *columnPlan) gatherOutput(w *columnWorker, gy []float32, group, from, to int) {
	l := p.area()
	for n := from; n < to; n++ {
		src := p.output(gy, n, group)
		for f := range p.GroupFilters() {
			copy(w.y[(f*p.block+n-from)*l:][:l], src[f*l:])
		}
	}
}

// columnsForward plans Forward: the weights of a group times the columns.
func columnsForward(g Geometry, m Multiplier, team *parallel.Team, out []float32,
	in [][]float32,
) (func() error, error) {
	x, weights := in[0], in[1]
	var bias []float32
	if len(in) == 3 {
		bias = in[2]
	}
	filters, k, l := g.GroupFilters(), g.patch(), g.area()
	p, err := newColumnPlan(g, team, func(w *columnWorker, group, columns int) (func() error, error) {
		return m.Multiply(false, false, filters, columns, k, weights[group*filters*k:][:filters*k], w.cols, w.y)
	})
	if err != nil {
		return nil, err
	}
	return p.each(func(w *columnWorker, _, from, to int) error {
		for group, product := range w.products {
			p.gather(w, x, group, from, to)
			if err := product(); err != nil {
				return err
			}
			for n := from; n < to; n++ {
				dst := p.output(out, n, group)
				for f := range filters {
					row, src := dst[f*l:][:l], w.y[(f*p.block+n-from)*l:][:l]
					var b float32
					if bias != nil {
						b = bias[group*filters+f]
					}
					if bias == nil {
						copy(row, src)
					} else {
						for i, v := range src {
							row[i] = v + b
						}
					}
				}
			}
		}
		return nil
	}), nil
}

// columnsInputGrad plans InputGrad: the transposed weights of a group times gy, and col2im of the product.
func columnsInputGrad(g Geometry, m Multiplier, team *parallel.Team, out []float32,
	in [][]float32,
) (func() error, error) {
	weights, gy := in[1], in[2]
	filters, k := g.GroupFilters(), g.patch()
	p, err := newColumnPlan(g, team, func(w *columnWorker, group, columns int) (func() error, error) {
		return m.Multiply(true, false, k, columns, filters, weights[group*filters*k:][:filters*k], w.y, w.cols)
	})
	if err != nil {
		return nil, err
	}
	stride := p.block * p.area()
	return p.each(func(w *columnWorker, _, from, to int) error {
		for group, product := range w.products {
			p.gatherOutput(w, gy, group, from, to)
			if err := product(); err != nil {
				return err
			}
			for n := from; n < to; n++ {
				gx := p.input(out, n, group)
				clear(gx)
				addColumnsFrom(p.Geometry, gx, w.cols[(n-from)*p.area():], stride)
			}
		}
		return nil
	}), nil
}

// columnsWeightGrad plans WeightGrad: the columns times gyᵀ, which is gw transposed, summed over blocks in a fixed
// order.
func columnsWeightGrad(g Geometry, m Multiplier, team *parallel.Team, out []float32,
	in [][]float32,
) (func() error, error) {
	x, gy := in[0], in[2]
	filters, k, l := g.GroupFilters(), g.patch(), g.area()
	p, err := newColumnPlan(g, team, func(w *columnWorker, _, columns int) (func() error, error) {
		if w.gw == nil {
			w.gw = memory.Make[float32](k * filters)
		}
		return m.Multiply(false, true, k, filters, columns, w.cols, w.y, w.gw)
	})
	if err != nil {
		return nil, err
	}
	size := len(out)
	chunks := min(p.blocks, max(leastChunks, min(2*gradChunks, partialBytes/(4*size))))
	partial := memory.Make[float32](chunks * size) // (chunks, G, C/G·KH·KW, O/G)
	blocks := p.blocks
	p.blocks = chunks // a unit of work is a chunk, all blocks of which run on one worker
	run := p.each(func(w *columnWorker, chunk, _, _ int) error {
		sum := partial[chunk*size:][:size]
		first := chunk * blocks / chunks
		for b := first; b < (chunk+1)*blocks/chunks; b++ {
			from, to := b*p.block, min(g.Samples, (b+1)*p.block)
			for group, product := range w.products {
				p.gather(w, x, group, from, to)
				p.gatherOutput(w, gy, group, from, to)
				if missing := (from + p.block - to) * l; missing > 0 { // gy of the missing samples is 0
					for f := range filters {
						clear(w.y[(f+1)*p.block*l-missing : (f+1)*p.block*l])
					}
				}
				if err := product(); err != nil {
					return err
				}
				dst := sum[group*k*filters:][:k*filters]
				if b == first {
					copy(dst, w.gw)
				} else {
					blas.Axpy(1, w.gw, dst)
				}
			}
		}
		return nil
	})
	return func() error {
		if err := run(); err != nil {
			return err
		}
		total := partial[:size]
		for chunk := 1; chunk < chunks; chunk++ {
			blas.Axpy(1, partial[chunk*size:][:size], total)
		}
		for group := range g.Groups {
			at := group * k * filters
			transpose(out[at:at+k*filters], total[at:at+k*filters], k, filters)
		}
		return nil
	}, nil
}
