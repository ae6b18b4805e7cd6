package conv

// lanes is the number of elements of a vector.
const lanes = 16

// allLanes are all elements of a vector, by bits.
const allLanes = 1<<lanes - 1

// planeCopy is the argument of copyRows, copyEvens and copyToEvens: planes of rows of a width, none of them 0, that begin so
// many bytes apart.
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

// strided is memory whose planes, rows and elements are so many elements apart.
type strided struct {
	data             []float32
	plane, row, step int
}

// copyPlanes copies planes of rows of a width.
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

// grid is how a block of samples of a group's channels lies in a worker's memory: planes of lines of both axes, of each
// channel one plane for each pair of sources.
type grid struct {
	rows, cols axis
	height     int // of the samples' planes in memory
	width      int
	line       int // elements from a row to the next
	sample     int // elements from a sample to the next
	plane      int // elements of a block's plane
	planes     int // of a channel
}

// fitted returns axes with as few spans of results as there can be: where rows are short, zeros between lines cost more
// than planes that are moved beforehand. Of rows of results that few, the moving would cost more.
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
	g.plane = block*g.sample + rows.shared*g.line + cols.shared + lanes // and the reach of a vector from the last place
	return g
}

// gather copies channels of some samples of a group, that begin next elements apart in src, to a block.
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

// span is sixteen neighbours of a plane, of which some are results.
type span struct {
	at, to int32 // in bytes, where it begins in the plane and where the first result goes
	mask
}

// mask says which elements of a vector are results, by bits, and has as many lowest bits.
type mask struct{ valid, low uint16 }

// cover are spans that have all results of n rows and m columns of each of some samples. Results of a row are neighbours,
// rows lie a line apart, samples a sample. They go to their ranks among all. A span begins at the first result that the one
// before has not got.
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

// repeat is a sample's spans for each of some samples, whose planes and results are so many elements apart.
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

// whole says that all elements of all spans are results.
func whole(spans []span) bool {
	for _, s := range spans {
		if s.valid != allLanes {
			return false
		}
	}
	return true
}

// entry is where the factors of a product are, in bytes.
type entry struct{ a, b int32 }

// table are the terms of the sums of a pair of targets; channels are summed over, weight gives where the weight (u,v) of
// channel c is.
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
