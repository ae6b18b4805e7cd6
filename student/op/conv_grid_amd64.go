package op

// lanes is the number of elements of a vector.
const lanes = 16

// all are all elements of a vector, by bits.
const allLanes = 1<<lanes - 1

// copyRows copies rows of a width that begin toStep and fromStep elements apart. Neither rows nor width is 0.
//
//go:noescape
func copyRows(to, from *float32, toStep, fromStep, rows, width int)

// copyEvens is copyRows from every other element, and copyToEvens to every other one.
//
//go:noescape
func copyEvens(to, from *float32, toStep, fromStep, rows, width int)

//go:noescape
func copyToEvens(to, from *float32, toStep, fromStep, rows, width int)

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

func newGrid(rows, cols axis, block, height, width int) grid {
	g := grid{rows: rows, cols: cols, height: height, width: width, planes: len(rows.sources) * len(cols.sources)}
	g.line = cols.length
	g.sample = rows.length * g.line
	g.plane = block*g.sample + rows.shared*g.line + cols.shared + lanes // and the reach of a vector from the last place
	return g
}

// gather copies channels of a sample, src (channels,H,W), to the block's place for its i-th sample.
func (g *grid) gather(dst, src []float32, channels, i int) {
	if g.planes == 1 && g.height == 1 { // all channels are rows of one matrix
		r, w := g.rows.sources[0], g.cols.sources[0]
		if r.n > 0 && w.n > 0 && w.step == 1 {
			to, from := &dst[i*g.sample+r.at*g.line+w.at], &src[w.first]
			copyRows(to, from, g.plane, g.width, channels, w.n)
			return
		}
	}
	for c := range channels {
		plane := src[c*g.height*g.width:][:g.height*g.width]
		at := c*g.planes*g.plane + i*g.sample
		for _, r := range g.rows.sources {
			for _, w := range g.cols.sources {
				if r.n > 0 && w.n > 0 {
					to, from := dst[at+r.at*g.line+w.at:], plane[r.first*g.width+w.first:]
					copyStrips(to, from, g.line, 1, r.step*g.width, w.step, r.n, w.n)
				}
				at += g.plane
			}
		}
	}
}

// copyStrips copies n rows of m elements from one place to another, rows and elements each their steps apart.
func copyStrips(to, from []float32, toRow, toStep, fromRow, fromStep, n, m int) {
	switch [2]int{toStep, fromStep} {
	case [2]int{1, 1}:
		copyRows(&to[0], &from[0], toRow, fromRow, n, m)
		return
	case [2]int{1, 2}:
		copyEvens(&to[0], &from[0], toRow, fromRow, n, m)
		return
	case [2]int{2, 1}:
		copyToEvens(&to[0], &from[0], toRow, fromRow, n, m)
		return
	}
	for i := range n {
		dst, src := to[i*toRow:], from[i*fromRow:]
		for j := range m {
			dst[j*toStep] = src[j*fromStep]
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
