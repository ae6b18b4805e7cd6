package op

import (
	"fmt"
	"slices"
	"sync/atomic"

	"gorgonia.org/tensor"

	"rkd/student/internal/blas"
)

// blockBytes is the size of a column matrix that stays in a core's cache between its making and the product.
const blockBytes = 1 << 19

// fewTaps is the number of weights that an output sees below which the runtime's convolution is faster than the products.
const fewTaps = 32

// partialBytes bounds the memory of a weight gradient's partial sums, where there are more than one a worker.
const partialBytes = 4 << 20

// convPlan is a convolution, or one of its gradients, on fixed memory: samples in blocks, of each block the column matrix
// and a matrix product, a block at a time on each worker.
type convPlan struct {
	convGeometry
	block   int // samples of one
	blocks  int
	workers []convWorker
	team    *blas.Team
	next    atomic.Int64
}

// convWorker is the memory of one goroutine and the products between it, one for each group.
type convWorker struct {
	cols     []float32 // (C/G·kh·kw, block·OH·OW)
	y        []float32 // (O/G, block·OH·OW), of y or gy
	gw       []float32 // (C/G·kh·kw, O/G)
	products []func() error
	err      error
}

// convKind is a convolution or one of its gradients.
type convKind int

const (
	convOutput convKind = iota
	convInput
	convWeight
)

// plan prepares a kind of convolution; y is the output's shape, which of the gradients the third input has.
func (kind convKind) plan(
	o ConvOptions, after rectifier, y tensor.Shape, m Multiplier, out *tensor.Dense, in []*tensor.Dense,
) (func() error, error) {
	arrays, err := float32s(append(slices.Clone(in), out))
	if err != nil {
		return nil, fmt.Errorf("planning a convolution: %w", err)
	}
	g := newConvGeometry(o, in[0].Shape(), in[1].Shape(), y)
	result, arrays := arrays[len(in)], arrays[:len(in)]
	if run, ok := planDirect(kind, g, after, m, result, arrays); ok {
		return run, nil
	}
	run, err := kind.planColumns(g, m, result, arrays)
	if err != nil || after == notRectified {
		return run, err
	}
	return func() error {
		if err := run(); err != nil {
			return err
		}
		if kind == convInput {
			rectifyGrad(after, arrays[0], result)
		} else {
			rectify(after, result)
		}
		return nil
	}, nil
}

// planColumns prepares products of column matrices.
func (kind convKind) planColumns(g convGeometry, m Multiplier, out []float32, in [][]float32) (func() error, error) {
	switch kind {
	case convInput:
		return planConvInputGrad(g, m, out, in)
	case convWeight:
		return planConvWeightGrad(g, m, out, in)
	default:
		return planConvForward(g, m, out, in)
	}
}

// convGrad is a gradient of conv.
type convGrad struct {
	operator
	opts  ConvOptions
	kind  convKind
	after rectifier // of the gradient in x
}

// Plans says that sums of moved planes, or else matrix products, are faster than the runtime's convolution.
func (c *conv) Plans(in []tensor.Shape) bool {
	return hasDirect() || c.opts.plans(in[1]) && in[1][1:].TotalSize() >= fewTaps
}

// Plan prepares them.
func (c *conv) Plan(m Multiplier, out *tensor.Dense, in []*tensor.Dense) (func() error, error) {
	return convOutput.plan(c.opts, c.after, out.Shape(), m, out, in)
}

// Plans says that sums of moved planes, or else matrix products, are faster than the runtime's convolution.
func (c *convGrad) Plans(in []tensor.Shape) bool { return hasDirect() || c.opts.plans(in[1]) }

// Plan prepares them.
func (c *convGrad) Plan(m Multiplier, out *tensor.Dense, in []*tensor.Dense) (func() error, error) {
	return c.kind.plan(c.opts, c.after, in[2].Shape(), m, out, in)
}

// plans says whether a matrix product has more than a row: that of a depthwise convolution has not.
func (o ConvOptions) plans(w tensor.Shape) bool { return w[1] > 1 || w[0] > o.Groups }

// newConvPlan makes workers whose product each group is given by prepare.
func newConvPlan(g convGeometry, m Multiplier, prepare func(w *convWorker, group, columns int) (func() error, error)) (*convPlan, error) {
	p := &convPlan{convGeometry: g, team: m.Team()}
	// As many blocks as fit the cache and keep all workers busy, of about one size.
	p.block = max(1, min(g.samples, blockBytes/(4*g.patch()*g.area())))
	p.blocks = over(over(g.samples, p.block), m.Workers()) * m.Workers()
	p.block = over(g.samples, p.blocks)
	p.blocks = over(g.samples, p.block)
	columns := p.block * g.area()
	p.workers = make([]convWorker, min(p.blocks, m.Workers()))
	for i := range p.workers {
		w := &p.workers[i]
		w.cols, w.y = make([]float32, g.patch()*columns), make([]float32, g.groupFilters()*columns)
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

// over is a/b, rounded up.
func over(a, b int) int { return (a + b - 1) / b }

// each runs body for every block: the samples [from,to) of one. A block that is not whole leaves the rest of the worker's
// memory as it was; its products are computed and not used.
func (p *convPlan) each(body func(w *convWorker, block, from, to int) error) func() error {
	work := func(i int) {
		w := &p.workers[i]
		w.err = nil
		for b := int(p.next.Add(1)) - 1; b < p.blocks && w.err == nil; b = int(p.next.Add(1)) - 1 {
			w.err = body(w, b, b*p.block, min(p.samples, (b+1)*p.block))
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

// input is group of sample n of x (N,C,H,W).
func (g convGeometry) input(x []float32, n, group int) []float32 {
	size := g.groupChannels() * g.height * g.width
	return x[(n*g.Groups+group)*size:][:size]
}

// output is group of sample n of y (N,O,OH,OW).
func (g convGeometry) output(y []float32, n, group int) []float32 {
	size := g.groupFilters() * g.area()
	return y[(n*g.Groups+group)*size:][:size]
}

// gather writes the columns of samples [from,to).
func (p *convPlan) gather(w *convWorker, x []float32, group, from, to int) {
	stride := p.block * p.area()
	for n := from; n < to; n++ {
		columnsTo(p.convGeometry, w.cols[(n-from)*p.area():], stride, p.input(x, n, group))
	}
}

// gatherOutput writes gy (N,O,OH,OW) of samples [from,to) as (O/G, block·OH·OW).
func (p *convPlan) gatherOutput(w *convWorker, gy []float32, group, from, to int) {
	l := p.area()
	for n := from; n < to; n++ {
		src := p.output(gy, n, group)
		for f := range p.groupFilters() {
			copy(w.y[(f*p.block+n-from)*l:][:l], src[f*l:])
		}
	}
}

// planConvForward is convForward: the weights of a group times the columns.
func planConvForward(g convGeometry, m Multiplier, out []float32, in [][]float32) (func() error, error) {
	x, weights := in[0], in[1]
	var bias []float32
	if len(in) == 3 {
		bias = in[2]
	}
	filters, k, l := g.groupFilters(), g.patch(), g.area()
	p, err := newConvPlan(g, m, func(w *convWorker, group, columns int) (func() error, error) {
		return m.Multiply(false, false, filters, columns, k, weights[group*filters*k:][:filters*k], w.cols, w.y)
	})
	if err != nil {
		return nil, err
	}
	return p.each(func(w *convWorker, _, from, to int) error {
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

// planConvInputGrad is convInputBackward: the weights of a group, transposed, times gy, added to where columns come from.
func planConvInputGrad(g convGeometry, m Multiplier, out []float32, in [][]float32) (func() error, error) {
	weights, gy := in[1], in[2]
	filters, k := g.groupFilters(), g.patch()
	p, err := newConvPlan(g, m, func(w *convWorker, group, columns int) (func() error, error) {
		return m.Multiply(true, false, k, columns, filters, weights[group*filters*k:][:filters*k], w.y, w.cols)
	})
	if err != nil {
		return nil, err
	}
	stride := p.block * p.area()
	return p.each(func(w *convWorker, _, from, to int) error {
		for group, product := range w.products {
			p.gatherOutput(w, gy, group, from, to)
			if err := product(); err != nil {
				return err
			}
			for n := from; n < to; n++ {
				gx := p.input(out, n, group)
				clear(gx)
				addColumnsFrom(p.convGeometry, gx, w.cols[(n-from)*p.area():], stride)
			}
		}
		return nil
	}), nil
}

// planConvWeightGrad is convWeightBackward: the columns times gyᵀ, which is gw transposed, summed over blocks in a fixed order.
func planConvWeightGrad(g convGeometry, m Multiplier, out []float32, in [][]float32) (func() error, error) {
	x, gy := in[0], in[2]
	filters, k, l := g.groupFilters(), g.patch(), g.area()
	p, err := newConvPlan(g, m, func(w *convWorker, _, columns int) (func() error, error) {
		if w.gw == nil {
			w.gw = make([]float32, k*filters)
		}
		return m.Multiply(false, true, k, filters, columns, w.cols, w.y, w.gw)
	})
	if err != nil {
		return nil, err
	}
	size := len(out)
	chunks := min(p.blocks, max(len(p.workers), min(2*gradChunks, partialBytes/(4*size))))
	partial := make([]float32, chunks*size) // (chunks, G, C/G·kh·kw, O/G)
	blocks := p.blocks
	p.blocks = chunks // of work: one is a chunk, whose blocks are one worker's
	run := p.each(func(w *convWorker, chunk, _, _ int) error {
		sum := partial[chunk*size:][:size]
		first := chunk * blocks / chunks
		for b := first; b < (chunk+1)*blocks/chunks; b++ {
			from, to := b*p.block, min(g.samples, (b+1)*p.block)
			for group, product := range w.products {
				p.gather(w, x, group, from, to)
				p.gatherOutput(w, gy, group, from, to)
				if missing := (from + p.block - to) * l; missing > 0 { // gy of samples that are not there
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
