package conv

import (
	"math"
	"slices"
	"sync/atomic"

	"rkd/datasets/memory"
	"rkd/student/internal/parallel"
)

// directBytes is the size of the padded copy of a block's input, which should stay in a core's cache.
const directBytes = 1 << 18

// directReach is the largest number of elements whose byte offsets fit into an entry and a span.
const directReach = math.MaxInt32 / 4

// planDirect plans a direct convolution: the input is copied to zero-padded planes, one for each phase of the stride,
// in which each weight reads a contiguous run, so that a result is a sum over weights of shifted planes. ok is false
// without AVX-512, and for arrays beyond directReach.
func planDirect(
	kind Kind, g Geometry, after Activation, team *parallel.Team, out []float32, in [][]float32,
) (run func() error, ok bool) {
	tooLong := func(array []float32) bool { return len(array) > directReach }
	if !HasDirect() || tooLong(out) || slices.ContainsFunc(in, tooLong) {
		return nil, false
	}
	if g.pointwise() { // then an image is one long row
		g.Height, g.Width, g.OH, g.OW = 1, g.Height*g.Width, 1, g.OH*g.OW
	}
	switch {
	case kind == InputGradient:
		run = directInputGrad(g, after, team, out, in)
	case kind == Convolution:
		run = directForward(g, after, team, out, in)
	case g.pointwise() && g.Groups == 1 && g.Samples*g.area() <= fewPoints:
		run = directPointGrad(g, team, out, in)
	default:
		run = directWeightGrad(g, team, out, in)
	}
	return run, run != nil
}

// tileSpans is the number of spans of a tile of sums.
const tileSpans = 3

// rowTile is the argument of sumRows8 and sumRows4: of groups of 8 or 4 rows i, for three spans s,
//
//	y[s][i·yStep + p] = clamp(bias[i] + Σ_e a[table[e].a + i·aStep] · b[s][table[e].b + p]),  0 ≤ p < 16
//
// with all strides and offsets in bytes. Elements p that are not valid are skipped, and later ones move up.
type rowTile struct {
	table  *entry
	count  int
	a      *float32
	aStep  int
	b      [tileSpans]*float32
	y      [tileSpans]*float32
	yStep  int
	bias   *float32
	groups int
	valid  [tileSpans]mask
	within limits
}

//go:noescape
func sumRows8(t *rowTile)

//go:noescape
func sumRows4(t *rowTile)

// rowSpans is the argument of sumRow: the same sums of a single row, for four spans at a time, from x to y.
type rowSpans struct {
	table    *entry
	count    int
	a, x, y  *float32
	spans    *span
	quartets int
	bias     float32
	_        float32
	within   limits
}

//go:noescape
func sumRow(t *rowSpans)

// direct is a convolution, or its input gradient, without column matrices: for each block of samples, the sums over
// weights of shifted planes.
type direct struct {
	grid
	blocks         blocks
	groups         int
	channels, rows int // of a group: input channels, output channels
	out            [2]int
	passes         []pass
	weights        []float32
	group, step    int // strides of weights: from group to group, from row to row
	bias           []float32
	within         limits
	after          Activation // whose mask is applied to the results; y is its output, laid out as the results are
	y              []float32
	workers        []directWorker
	inPlace        bool      // the input needs no padded copy
	zeros          []float32 // a row of results to which no weight contributes
}

// pass computes one target: one phase of the results.
type pass struct {
	rows, cols strip // of the result
	table      []entry
	spans      []span // of a block
	// straight is set if results are whole planes in order, written directly to the output; otherwise they go through a
	// buffer.
	straight  bool
	perSample int // spans
}

// directWorker is the memory of one worker.
type directWorker struct {
	x []float32 // (channels, planes, plane): the padded input, unless it is read in place
	y []float32 // (rows, plane): results of passes that are not straight; for weight gradients the packed gy
}

// blocks are a batch split into parts whose sizes differ by at most one sample.
type blocks struct {
	samples, count int
	most           int // samples of the largest
}

// newBlocks splits a batch, whose samples have size bytes each, into blocks of about so many bytes; their number is a
// multiple of workers where there are samples enough.
func newBlocks(bytes, samples, size, workers int) blocks {
	most := max(1, min(samples, bytes/max(1, size)))
	count := min(samples, over(over(samples, most), workers)*workers)
	return blocks{samples, count, over(samples, count)}
}

// at is the range of samples of block i.
func (b blocks) at(i int) (from, to int) {
	return i * b.samples / b.count, (i + 1) * b.samples / b.count
}

// directForward plans a convolution; nil if a sample is beyond directReach.
func directForward(g Geometry, after Activation, team *parallel.Team, out []float32, in [][]float32) func() error {
	rows, cols := g.forwardAxes()
	d := &direct{
		groups: g.Groups, channels: g.GroupChannels(), rows: g.GroupFilters(), out: [2]int{g.OH, g.OW},
		weights: in[1], group: g.GroupFilters() * g.patch(), step: g.patch(), bias: make([]float32, g.Filters),
		within: after.limits(),
	}
	if len(in) == 3 {
		d.bias = in[2]
	}
	d.plan(g.Samples, rows, cols, g.Height, g.Width, team, func(c, u, v int) int { return (c*g.KH+u)*g.KW + v })
	return d.prepare(team, out, in[0])
}

func (g Geometry) forwardAxes() (rows, cols axis) {
	return forwardAxis(g.Height, g.OH, g.KH, g.Stride[0], g.Dilation[0], g.Pad[0]),
		forwardAxis(g.Width, g.OW, g.KW, g.Stride[1], g.Dilation[1], g.Pad[1])
}

// directInputGrad plans the input gradient; nil if a sample is beyond directReach.
func directInputGrad(g Geometry, after Activation, team *parallel.Team, out []float32, in [][]float32) func() error {
	rows := backwardAxis(g.Height, g.OH, g.KH, g.Stride[0], g.Dilation[0], g.Pad[0])
	cols := backwardAxis(g.Width, g.OW, g.KW, g.Stride[1], g.Dilation[1], g.Pad[1])
	d := &direct{
		groups: g.Groups, channels: g.GroupFilters(), rows: g.GroupChannels(), out: [2]int{g.Height, g.Width},
		weights: in[1], group: g.GroupFilters() * g.patch(), step: g.KH * g.KW, bias: make([]float32, g.Channels),
		within: Linear.limits(), after: after, y: in[0],
	}
	d.plan(g.Samples, rows, cols, g.OH, g.OW, team, func(f, u, v int) int { return f*g.patch() + u*g.KW + v })
	return d.prepare(team, out, in[2])
}

func (d *direct) plan(samples int, rows, cols axis, height, width int, team *parallel.Team,
	weight func(c, u, v int) int,
) {
	rows, cols = fitted(rows, cols, height, width, d.rows)
	d.grid = newGrid(rows, cols, 1, height, width)
	d.blocks = newBlocks(directBytes, samples, 4*d.sample*(d.channels*d.planes+d.rows), team.Workers())
	results, size := d.groups*d.rows*d.out[0]*d.out[1], height*width
	if rows.plain(height) && cols.plain(width) && size%lanes == 0 && size == d.out[0]*d.out[1] {
		d.inPlace = true
		d.sample, d.plane = d.groups*d.channels*size, size
	} else {
		d.grid = newGrid(rows, cols, d.blocks.most, height, width)
	}
	for _, r := range rows.targets {
		for _, w := range cols.targets {
			p := pass{rows: r.strip, cols: w.strip, table: d.table(r, w, d.channels, weight)}
			if len(p.table) > 0 {
				one := d.cover(1, r.n, w.n)
				p.perSample = len(one)
				// Without padding between samples, and with ends that do not fill a vector, results go through the buffer.
				p.straight = r.n == d.out[0] && w.n == d.out[1] && (d.sample > size || whole(one))
				if p.straight {
					p.spans = repeat(one, d.blocks.most, d.sample, results)
				} else {
					p.spans = d.cover(d.blocks.most, r.n, w.n)
					for i := range p.spans {
						p.spans[i].to, p.spans[i].mask = p.spans[i].at, mask{allLanes, allLanes}
					}
				}
			}
			d.passes = append(d.passes, p)
		}
	}
}

func (d *direct) prepare(team *parallel.Team, dst, src []float32) func() error {
	if d.channels*d.planes*d.plane > directReach {
		return nil
	}
	d.workers = make([]directWorker, min(d.blocks.count, team.Workers()))
	for i := range d.workers {
		w := &d.workers[i]
		if !d.inPlace {
			w.x = memory.Make[float32](d.channels * d.planes * d.plane)
		}
		if slices.ContainsFunc(d.passes, func(p pass) bool { return !p.straight && len(p.table) > 0 }) {
			w.y = memory.Make[float32](d.rows * d.plane)
		}
	}
	for _, p := range d.passes {
		if len(p.table) == 0 {
			d.zeros = make([]float32, d.out[1])
		}
	}
	in, out := d.channels*d.height*d.width, d.rows*d.out[0]*d.out[1]
	return forWorkers(team, len(d.workers), d.blocks.count, func(worker, b int) {
		w := &d.workers[worker]
		from, to := d.blocks.at(b)
		for group := range d.groups {
			x := w.x
			if d.inPlace {
				x = src[(from*d.groups+group)*in:]
			} else {
				d.gather(x, src[(from*d.groups+group)*in:], d.channels, to-from, d.groups*in)
			}
			for i := range d.passes {
				p := &d.passes[i]
				if p.straight {
					d.sum(p, p.spans[:(to-from)*p.perSample], dst[(from*d.groups+group)*out:], d.out[0]*d.out[1], x, group)
					continue
				}
				if len(p.table) > 0 {
					d.sum(p, p.spans, w.y, d.plane, x, group)
				}
				d.scatter(dst[(from*d.groups+group)*out:], w.y, p, to-from, d.groups*out)
			}
			if d.after != Linear { // while the results are in the cache
				for n := from; n < to; n++ {
					at := (n*d.groups + group) * out
					Mask(d.after, d.y[at:][:out], dst[at:][:out])
				}
			}
		}
	})
}

// sum computes a group's results of a pass at spans, from x to y with a row stride of step elements.
func (d *direct) sum(p *pass, spans []span, y []float32, step int, x []float32, group int) {
	weights, bias := d.weights[group*d.group:], d.bias[group*d.rows:]
	sumSpans(p.table, spans, y, step, x, weights, d.step, bias[:d.rows], d.within)
}

// sumSpans computes one row of sums for each element of bias, at spans, from x to y. yStep and wStep are the row
// strides of y and of the weights, in elements.
func sumSpans(table []entry, spans []span, y []float32, yStep int, x, weights []float32, wStep int,
	bias []float32, within limits,
) {
	rows := len(bias)
	tiled := rows &^ 3
	t := rowTile{table: &table[0], count: len(table), aStep: 4 * wStep, yStep: 4 * yStep, within: within}
	for i := 0; i < len(spans) && tiled > 0; i += tileSpans {
		t.a, t.bias = &weights[0], &bias[0]
		for j := range tileSpans {
			s := &spans[min(i+j, len(spans)-1)]
			t.b[j], t.y[j], t.valid[j] = &x[s.at/4], &y[s.to/4], s.mask
		}
		if t.groups = tiled / 8; t.groups > 0 {
			sumRows8(&t)
		}
		if rest := tiled &^ 7; rest < tiled {
			t.groups = 1
			t.a, t.bias = &weights[rest*wStep], &bias[rest]
			for j := range tileSpans {
				t.y[j] = &y[int(spans[min(i+j, len(spans)-1)].to)/4+rest*yStep]
			}
			sumRows4(&t)
		}
	}
	for f := tiled; f < rows; f++ {
		t := rowSpans{
			table: &table[0], count: len(table), a: &weights[f*wStep], x: &x[0], y: &y[f*yStep], bias: bias[f],
			within: within,
		}
		if t.quartets = len(spans) / 4; t.quartets > 0 {
			t.spans = &spans[0]
			sumRow(&t)
		}
		if rest := spans[len(spans)&^3:]; len(rest) > 0 {
			four := [4]span{rest[0], rest[0], rest[0], rest[0]}
			copy(four[:], rest)
			t.spans, t.quartets = &four[0], 1
			sumRow(&t)
		}
	}
}

// scatter copies the results of a pass from the buffer to dst, in which next is the stride from sample to sample.
func (d *direct) scatter(dst, y []float32, p *pass, samples, next int) {
	height, width := d.out[0], d.out[1]
	for n := range samples {
		to := strided{dst[n*next+p.rows.first*width+p.cols.first:], height * width, p.rows.step * width, p.cols.step}
		from := strided{d.zeros, 0, 0, 1}
		if len(p.table) > 0 {
			from = strided{y[n*d.sample:], d.plane, d.line, 1}
		}
		if height == 1 { // an image is one row: copy channels as rows
			to.row, from.row = to.plane, from.plane
			copyPlanes(to, from, 1, d.rows, p.cols.n)
		} else {
			copyPlanes(to, from, d.rows, p.rows.n, p.cols.n)
		}
	}
}

// forWorkers prepares a loop that calls body for every i in [0,n); calls with the same worker never run concurrently.
func forWorkers(team *parallel.Team, workers, n int, body func(worker, i int)) func() error {
	var next atomic.Int64
	work := func(worker int) {
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			body(worker, i)
		}
	}
	return func() error {
		next.Store(0)
		team.For(workers, work)
		return nil
	}
}
