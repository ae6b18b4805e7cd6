package eval

import (
	"math"
	"math/bits"
	"runtime"
	"slices"

	"rkd/datasets/memory"
	"rkd/pipeline/eval/internal/gram"
)

// candidates are rows that may be among the k nearest of a query.
type candidates struct {
	self int // the row of the query, which is no neighbour of its own; −1 for none
	k    int
	keys []uint64 // of the capacity for k
	all  []uint64 // the memory of keys
}

// capacity is how many candidates of the k nearest of n rows are kept before they are cut to k: as a rule all that are
// nearer than the first limit.
func capacity(k, n int) int { return min(2*k+512, n) }

// queriesAtOnce is the number of queries of a block, a multiple of gram.PanelRows, whose candidates of the k nearest of
// n rows, with those of all other threads, keep to scratchBytes.
func queriesAtOnce(k, n int) int {
	panel := 8 * gram.PanelRows * capacity(k, n) // bytes of its candidates
	return min(max(scratchBytes/(panel*runtime.GOMAXPROCS(0)), 1), queryBlock/gram.PanelRows) * gram.PanelRows
}

// reset prepares for another query.
func (c *candidates) reset(self, k, n int) {
	c.self, c.k = self, k
	size := capacity(k, n)
	if len(c.all) < size {
		c.all = memory.Make[uint64](size)
	}
	c.keys = c.all[:0:size]
}

// add takes a row, nearer than the limit, and returns the new one: the distance from which on others are of no use.
// Rows come in ascending order, so that of equal distances the one that is there stays.
func (c *candidates) add(distance float32, row int, limit float32) float32 {
	if row == c.self {
		return limit
	}
	c.keys = append(c.keys, rankKey(distance, row))
	if len(c.keys) < cap(c.keys) {
		return limit
	}
	return c.cut()
}

// cut leaves the k nearest and returns the limit.
func (c *candidates) cut() float32 {
	selectSmallest(c.keys, c.k)
	c.keys = c.keys[:c.k]
	return distanceOf(slices.Max(c.keys))
}

// addMany takes those that are nearer than the limit of len(norms) rows from ref on, whose products with the query are
// in a column of products, and returns the new limit. It is quicker than add where they are many: no branch depends on
// them.
func (c *candidates) addMany(products, norms []float32, column, ref int, limit float32) float32 {
	if self := c.self - ref; 0 <= self && self < len(norms) {
		products[self*gram.PanelRows+column] = float32(math.Inf(-1)) // infinitely far
	}
	if cap(c.keys)-len(c.keys) < len(norms) {
		limit = c.cut()
	}
	keys, count, first := c.keys[:cap(c.keys)], len(c.keys), rankKey(limit, 0)>>32
	products = products[column : column+gram.PanelRows*(len(norms)-1)+1]
	for i, norm := range norms {
		key := rankKey(norm-2*products[i*gram.PanelRows], ref+i)
		keys[count] = key
		count += int((key>>32 - first) >> 63) // 1 where it is nearer
	}
	c.keys = keys[:count]
	return limit
}

// scanner finds the nearest rows of a block of queries. It never holds more distances than those between a panel of
// queries and referenceBlock rows: these are compared with the query's k-th nearest so far while they are in the
// processor's cache.
type scanner struct {
	panels     []float32 // (queries,D), a panel behind the other
	tile       []float32 // (referenceBlock,PanelRows) products, then distances
	limits     [][gram.PanelRows]float32
	candidates []candidates
	sampled    []candidates // of limit
	order      sorter
}

// newScanner is one for blocks of `queries` rows, a multiple of gram.PanelRows, of padded width d.
func newScanner(queries, d int) *scanner {
	return &scanner{
		panels: memory.Make[float32](queries * d), tile: make([]float32, referenceBlock*gram.PanelRows),
		limits: make([][gram.PanelRows]float32, queries/gram.PanelRows), candidates: make([]candidates, queries),
	}
}

// run compares the m queries (m,D), whose candidates have been reset, with all rows of a space of the same scale.
//
// The first limit of a query is the distance within which a sample of the rows says that there are somewhat more than k
// of them. It saves taking in, and sorting out, what comes early and is far; where it proves too small, the query is
// compared once more without.
func (sc *scanner) run(s *space, queries []float32, m int) {
	for from := 0; from < m; from += gram.PanelRows {
		p, rows := from/gram.PanelRows, min(gram.PanelRows, m-from)
		gram.Pack(sc.panels[from*s.d:], queries[from*s.d:], rows, s.d)
		for q := range gram.PanelRows {
			sc.limits[p][q] = float32(math.Inf(-1))
			if q < rows && sc.candidates[from+q].k > 0 {
				sc.limits[p][q] = float32(math.Inf(1))
			}
		}
	}
	if s.sample != nil {
		sc.limit(s, m)
	}
	sc.pass(s, m)
	for i := range m {
		if c := &sc.candidates[i]; len(c.keys) < c.k {
			c.keys = c.keys[:0]
			limits := &sc.limits[i/gram.PanelRows]
			for q := range limits {
				limits[q] = float32(math.Inf(-1))
			}
			limits[i%gram.PanelRows] = float32(math.Inf(1))
			sc.panel(s, i/gram.PanelRows*gram.PanelRows)
		}
	}
}

// limit sets the first limits by the sample of a space.
func (sc *scanner) limit(s *space, m int) {
	wanted := sc.candidates
	if sc.sampled == nil {
		sc.sampled = make([]candidates, len(wanted))
	}
	sc.candidates = sc.sampled
	for i := range m {
		// The rank of the k-th nearest of all among the sampled has a standard deviation below its root.
		rank := float64(wanted[i].k) * float64(s.sample.n) / float64(s.n)
		sc.candidates[i].reset(-1, min(int(rank+4*math.Sqrt(rank))+4, s.sample.n), s.sample.n)
	}
	sc.pass(s.sample, m)
	for i := range m {
		if c := &sc.candidates[i]; wanted[i].k > 0 && c.k < s.sample.n {
			selectSmallest(c.keys, c.k)
			limit := distanceOf(slices.Max(c.keys[:c.k]))
			sc.limits[i/gram.PanelRows][i%gram.PanelRows] = math.Nextafter32(limit, math.MaxFloat32)
		} else if wanted[i].k > 0 {
			sc.limits[i/gram.PanelRows][i%gram.PanelRows] = float32(math.Inf(1))
		}
	}
	sc.candidates = wanted
}

// pass compares the m packed queries with all rows.
func (sc *scanner) pass(s *space, m int) {
	for ref := 0; ref < s.n; ref += referenceBlock {
		for from := 0; from < m; from += gram.PanelRows {
			sc.block(s, from, ref)
		}
	}
}

// panel compares the packed queries of the panel from `from` on with all rows.
func (sc *scanner) panel(s *space, from int) {
	for ref := 0; ref < s.n; ref += referenceBlock {
		sc.block(s, from, ref)
	}
}

// block compares the panel of queries from `from` on with the rows from ref on.
func (sc *scanner) block(s *space, from, ref int) {
	count := min(referenceBlock, s.n-ref)
	gram.Products(sc.tile, sc.panels[from*s.d:], s.rows[ref*s.d:], count, s.d)
	sc.sift(s, from, ref, count)
}

// manyShare is the share of rows, one of so many, from which on the nearest are so many that comparing without branches
// is quicker.
const manyShare = 16

// sift turns the products in tile, of the panel of queries from `from` on and of count rows from ref on, into distances
// that lack the query's own squared length, which moves all of them alike, and keeps those that are near.
func (sc *scanner) sift(s *space, from, ref, count int) {
	norms := s.norms[ref : ref+count]
	limits := &sc.limits[from/gram.PanelRows]
	if s.n < manyShare*sc.candidates[from].k {
		for q := range limits {
			if limits[q] > float32(math.Inf(-1)) {
				limits[q] = sc.candidates[from+q].addMany(sc.tile, norms, q, ref, limits[q])
			}
		}
		return
	}
	for row := 0; ; row++ {
		var near uint8
		row, near = gram.Below(sc.tile, norms, limits, row)
		if near == 0 {
			return
		}
		for ; near != 0; near &= near - 1 {
			q := bits.TrailingZeros8(near)
			limits[q] = sc.candidates[from+q].add(sc.tile[row*gram.PanelRows+q], ref+row, limits[q])
		}
	}
}

// nearest returns the keys of the k nearest rows of query i, in order, valid until the next call.
func (sc *scanner) nearest(i int) []uint64 {
	c := &sc.candidates[i]
	if len(c.keys) < fewKeys || 2*c.k < len(c.keys) {
		selectSmallest(c.keys, c.k)
		return sc.order.sort(c.keys[:c.k])
	}
	return sc.order.sort(c.keys)[:c.k]
}
