package conv

import (
	"rkd/datasets/memory"
	"rkd/student/internal/blas"
	"rkd/student/internal/parallel"
)

// Sizes of a tile of dot products. dotSpans is the number of spans of seven planes that fit into a core's L1 cache.
const (
	dotRows    = 4
	dotColumns = 6
	dotSpans   = 96
)

// weightBytes is directBytes for weight gradients, which gain more from long planes than from cached ones.
const weightBytes = 4 * directBytes

// nineDots is the argument of addNineDots: for the nine weights j of a depthwise 3×3 filter,
//
//	out[j] += Σ_e Σ_p a[places[e].a + p] · x[columns[j] + places[e].b + p],  0 ≤ p < 16
//
// with all offsets in bytes.
type nineDots struct {
	places  *entry
	count   int
	a, x    *float32
	columns [9]int
	out     *float32
}

//go:noescape
func addNineDots(t *nineDots)

// dotTile is the argument of addDots4 and addDots1: for 4 rows i, or 1, and columns j, six at a time,
//
//	out[i·outStep + j] += Σ_e Σ_p a[i·aStep + places[e].a + p] · x[columns[j].b + places[e].b + p],  0 ≤ p < 16
//
// with all strides and offsets in bytes; of each six columns only those in the mask valid are stored.
type dotTile struct {
	places  *entry
	count   int
	a       *float32
	aStep   int
	x       *float32
	columns *entry
	sixes   int
	out     *float32
	outStep int
	valid   int
}

//go:noescape
func addDots4(t *dotTile)

//go:noescape
func addDots1(t *dotTile)

// pack copies the results of each span to a vector of its own, with zeros where the span has none.
//
//go:noescape
func pack(to, from *float32, spans *span, n int)

// directWeight is a weight gradient: for each block of samples, the dot products of all pairs of a shifted plane of x
// and a plane of gy.
type directWeight struct {
	Geometry
	grid    grid
	blocks  blocks
	table   []entry           // of weights
	rest    [dotColumns]entry // the weights left over from whole sixes
	spans   []span            // of a block
	places  []entry           // offsets of the spans in gy and x
	inPlace bool              // gy needs no packing
	plane   int               // stride from plane to plane of gy
	workers []directWorker
}

// leastSums is the least number of partial sums of a weight gradient, if there are so many samples. Like the number of
// blocks it decides how rounding errors add up, so it must not follow the number of workers; two are enough to share
// the work of adding them up, and more workers share the filters or groups of a sum, which changes no bit.
const leastSums = 2

// directWeightGrad plans the weight gradient, summed over blocks in a fixed order; nil if a sample is beyond
// directReach.
func directWeightGrad(g Geometry, team *parallel.Team, out []float32, in [][]float32) func() error {
	d := newDirectWeight(g)
	if g.GroupChannels()*d.grid.planes*d.grid.plane > directReach {
		return nil
	}
	// Partial sums of about as many blocks each, (O,C/G,KH,KW). The first becomes the result.
	sums := make([][]float32, min(d.blocks.count, max(leastSums, min(2*gradChunks, partialBytes/(4*len(out))))))
	for i := range sums {
		if sums[i] = out; i > 0 {
			sums[i] = memory.Make[float32](len(out))
		}
	}
	units := g.Groups // of output that the workers of one sum share
	if units == 1 {
		units = over(g.Filters, dotRows)
	}
	shares := min(units, over(team.Workers(), len(sums)))
	d.workers = make([]directWorker, min(shares*len(sums), team.Workers()))
	for i := range d.workers {
		d.workers[i].x = memory.Make[float32](g.GroupChannels() * d.grid.planes * d.grid.plane)
		if !d.inPlace {
			d.workers[i].y = memory.Make[float32](g.GroupFilters() * d.plane)
		}
	}
	run := forWorkers(team, len(d.workers), shares*len(sums), func(worker, i int) {
		part, share := i/shares, i%shares
		d.addShare(sums[part], &d.workers[worker], in[0], in[2], part, len(sums), share*units/shares, (share+1)*units/shares)
	})
	return func() error {
		if err := run(); err != nil {
			return err
		}
		for _, s := range sums[1:] {
			blas.Axpy(1, s, out)
		}
		return nil
	}
}

// addShare computes units [from,to) of a partial sum: groups, or, of a single group, dotRows filters each.
func (d *directWeight) addShare(sum []float32, w *directWorker, x, gy []float32, part, parts, from, to int) {
	groups, filters := [2]int{from, to}, [2]int{0, d.GroupFilters()}
	if d.Groups == 1 {
		groups, filters = [2]int{0, 1}, [2]int{dotRows * from, min(d.Filters, dotRows*to)}
	}
	size := d.GroupFilters() * d.patch()
	for group := groups[0]; group < groups[1]; group++ {
		clear(sum[group*size+filters[0]*d.patch() : group*size+filters[1]*d.patch()])
	}
	for b := part * d.blocks.count / parts; b < (part+1)*d.blocks.count/parts; b++ {
		for group := groups[0]; group < groups[1]; group++ {
			d.add(sum[group*size:][:size], w, x, gy, b, group, filters[0], filters[1])
		}
	}
}

func newDirectWeight(g Geometry) *directWeight {
	d := &directWeight{Geometry: g}
	rows, cols := g.forwardAxes()
	rows, cols = fitted(rows, cols, g.Height, g.Width, g.GroupFilters())
	one := newGrid(rows, cols, 1, g.Height, g.Width)
	d.blocks = newBlocks(weightBytes, g.Samples, 4*one.sample*(g.GroupChannels()*one.planes+g.GroupFilters()), leastSums)
	d.grid = newGrid(rows, cols, d.blocks.most, g.Height, g.Width)
	d.table = d.grid.table(rows.targets[0], cols.targets[0], g.GroupChannels(),
		func(c, u, v int) int { return (c*g.KH+u)*g.KW + v })
	copy(d.rest[:], d.table[len(d.table)/dotColumns*dotColumns:])
	sample := d.grid.cover(1, g.OH, g.OW)
	d.spans = repeat(sample, d.blocks.most, d.grid.sample, g.Filters*g.area())
	if d.inPlace = whole(sample); d.inPlace {
		d.plane = g.area()
	} else {
		d.plane = len(d.spans) * lanes
	}
	for i, s := range d.spans {
		if d.inPlace {
			d.places = append(d.places, entry{s.to, s.at})
		} else {
			d.places = append(d.places, entry{int32(4 * lanes * i), s.at})
		}
	}
	return d
}

// add adds what block b contributes to filters [first,last) of sum (O/G,C/G,KH,KW), one group.
func (d *directWeight) add(sum []float32, w *directWorker, x, gy []float32, b, group, first, last int) {
	channels, k := d.GroupChannels(), d.patch()
	inSize, outSize := channels*d.Height*d.Width, d.GroupFilters()*d.area()
	from, to := d.blocks.at(b)
	count := (to - from) * len(d.spans) / d.blocks.most
	d.grid.gather(w.x, x[(from*d.Groups+group)*inSize:], channels, to-from, d.Groups*inSize)
	y := gy[(from*d.Groups+group)*outSize:]
	if !d.inPlace {
		for f := first; f < last; f++ {
			pack(&w.y[f*d.plane], &y[f*d.area()], &d.spans[0], count)
		}
		y = w.y
	}
	d.addDots(sum[first*k:last*k], y[first*d.plane:], w.x, d.places[:count])
}

// addDots adds to sum (filters,K) the products of the planes of y and the shifted planes of x, at places.
func (d *directWeight) addDots(sum, y, x []float32, places []entry) {
	k := len(d.table)
	filters := len(sum) / k
	for len(places) > 0 {
		count := len(places)
		if count > dotSpans { // in parts of about the same length
			count = over(count, over(count, dotSpans))
		}
		if filters == 1 && k == len(nineDots{}.columns) {
			t := nineDots{places: &places[0], count: count, a: &y[0], x: &x[0], out: &sum[0]}
			for j, e := range d.table {
				t.columns[j] = int(e.b)
			}
			addNineDots(&t)
			places = places[count:]
			continue
		}
		t := dotTile{places: &places[0], count: count, aStep: 4 * d.plane, x: &x[0], outStep: 4 * k}
		for f := 0; f < filters; {
			t.a = &y[f*d.plane]
			rows := min(dotRows, filters-f)
			if rows < dotRows {
				rows = 1
			}
			if t.sixes = k / dotColumns; t.sixes > 0 {
				t.columns, t.out, t.valid = &d.table[0], &sum[f*k], 1<<dotColumns-1
				t.addDots(rows)
			}
			if rest := k % dotColumns; rest > 0 {
				t.columns, t.sixes, t.out, t.valid = &d.rest[0], 1, &sum[f*k+k-rest], 1<<rest-1
				t.addDots(rows)
			}
			f += rows
		}
		places = places[count:]
	}
}

// addDots is addDots4 or addDots1.
func (t *dotTile) addDots(rows int) {
	if rows == dotRows {
		addDots4(t)
	} else {
		addDots1(t)
	}
}
