package conv

// lanes is the number of float32 in a vector.
const lanes = 16

// allLanes is the mask of a whole vector.
const allLanes = 1<<lanes - 1

// planeCopy is the argument of copyRows, copyEvens and copyToEvens: planes of rows of width elements, with strides in
// bytes. planes, rows and width are at least 1.
type planeCopy struct {
	to, from           *float32
	toPlane, fromPlane int
	planes             int
	toRow, fromRow     int
	rows, width        int
}

//go:noescape
func copyRows(c *planeCopy)

// copyEvens reads every other element of a row, copyToEvens writes every other one.
//
//go:noescape
func copyEvens(c *planeCopy)

//go:noescape
func copyToEvens(c *planeCopy)

// strided is an array with the strides of its planes, rows and elements, in elements.
type strided struct {
	data             []float32
	plane, row, step int
}

// copyPlanes copies planes of rows of width elements.
func copyPlanes(to, from strided, planes, rows, width int) {
	if planes == 0 || rows == 0 || width == 0 {
		return
	}
	c := planeCopy{
		to: &to.data[0], from: &from.data[0], toPlane: 4 * to.plane, fromPlane: 4 * from.plane, planes: planes,
		toRow: 4 * to.row, fromRow: 4 * from.row, rows: rows, width: width,
	}
	switch [2]int{to.step, from.step} {
	case [2]int{1, 1}:
		copyRows(&c)
	case [2]int{1, 2}:
		copyEvens(&c)
	case [2]int{2, 1}:
		copyToEvens(&c)
	default:
		for p := range planes {
			for i := range rows {
				dst, src := to.data[p*to.plane+i*to.row:], from.data[p*from.plane+i*from.row:]
				for j := range width {
					dst[j*to.step] = src[j*from.step]
				}
			}
		}
	}
}

// grid is the layout of the padded copy of a block in a worker's memory: for each channel a plane for each pair of a
// row source and a column source (see axis), in which samples follow each other.
type grid struct {
	rows, cols axis
	height     int // of the input
	width      int
	line       int // stride from row to row
	sample     int // stride from sample to sample
	plane      int // stride from plane to plane
	planes     int // of a channel
}

// fitted returns axes for which results take few spans: for short rows, padding between lines costs more than planes
// that are shifted in advance, one for each column of the kernel. With few output channels (results), shifting costs
// more.
func fitted(rows, cols axis, height, width, results int) (axis, axis) {
	if len(rows.targets) > 1 || len(cols.targets) > 1 || len(cols.targets[0].weights) < 2 || results < lanes {
		return rows, cols
	}
	spread := cols.spread()
	now, then := newGrid(rows, cols, 1, height, width), newGrid(rows, spread, 1, height, width)
	n, m := rows.targets[0].n, cols.targets[0].n
	if 5*len(then.cover(1, n, m)) <= 4*len(now.cover(1, n, m)) {
		cols = spread
	}
	return rows, cols
}

func newGrid(rows, cols axis, block, height, width int) grid {
	g := grid{rows: rows, cols: cols, height: height, width: width, planes: len(rows.sources) * len(cols.sources)}
	g.line = cols.length
	g.sample = rows.length * g.line
	g.plane = block*g.sample + rows.shared*g.line + cols.shared + lanes // a vector at the last position reads beyond it
	return g
}

// gather copies the channels of a group, of samples that are next elements apart in src, to a block.
func (g *grid) gather(dst, src []float32, channels, samples, next int) {
	size := g.height * g.width
	for i, r := range g.rows.sources {
		for j, w := range g.cols.sources {
			if r.n == 0 || w.n == 0 {
				continue
			}
			to := strided{dst[(i*len(g.cols.sources)+j)*g.plane+r.at*g.line+w.at:], g.planes * g.plane, g.line, 1}
			from := strided{src[r.first*g.width+w.first:], size, r.step * g.width, w.step}
			if channels == 1 {
				to.plane, from.plane = g.sample, next
				copyPlanes(to, from, samples, r.n, w.n)
				continue
			}
			if g.height == 1 { // a row for each channel
				to.row, from.row = to.plane, from.plane
			}
			for n := range samples {
				to, from := to, from
				to.data, from.data = to.data[n*g.sample:], from.data[n*next:]
				if g.height == 1 {
					copyPlanes(to, from, 1, channels, w.n)
				} else {
					copyPlanes(to, from, channels, r.n, w.n)
				}
			}
		}
	}
}

// span is a vector of sixteen adjacent elements of a plane, some of which are results; the others are padding.
type span struct {
	at, to int32 // byte offsets: of the vector in the plane, of its first result in the output
	mask
}

// mask has a bit for each element of a vector that is a result, and as many lowest bits.
type mask struct{ valid, low uint16 }

// cover lists spans that contain all results of n rows and m columns of some samples. Results of a row are adjacent;
// rows are a line apart, samples a sample. Results are stored in order without gaps. A span begins at the first result
// that is not in the span before.
func (g *grid) cover(samples, n, m int) []span {
	var list []span
	next, rank := 0, 0
	for s := range samples {
		for i := range n {
			for j := range m {
				at := s*g.sample + i*g.line + j
				if at >= next {
					list = append(list, span{at: int32(4 * at), to: int32(4 * rank)})
					next = at + lanes
				}
				last := &list[len(list)-1].mask
				last.valid |= 1 << (at - next + lanes)
				last.low = last.low<<1 | 1
				rank++
			}
		}
	}
	return list
}

// repeat is one sample's spans, repeated for some samples with these strides of planes and results.
func repeat(one []span, samples, sample, results int) []span {
	var list []span
	for n := range samples {
		for _, s := range one {
			s.at, s.to = s.at+int32(4*n*sample), s.to+int32(4*n*results)
			list = append(list, s)
		}
	}
	return list
}

// whole reports whether all elements of all spans are results.
func whole(spans []span) bool {
	for _, s := range spans {
		if s.valid != allLanes {
			return false
		}
	}
	return true
}

// entry holds the byte offsets of the two factors of a product.
type entry struct{ a, b int32 }

// table lists the terms of a result of a pair of targets, over all channels. weight is the index of weight (u,v) of
// channel c.
func (g *grid) table(rows, cols target, channels int, weight func(c, u, v int) int) []entry {
	var list []entry
	for c := range channels {
		for _, u := range rows.weights {
			for _, v := range cols.weights {
				plane := (c*len(g.rows.sources)+u.source)*len(g.cols.sources) + v.source
				list = append(list, entry{
					a: int32(4 * weight(c, u.weight, v.weight)),
					b: int32(4 * (plane*g.plane + u.by*g.line + v.by)),
				})
			}
		}
	}
	return list
}
