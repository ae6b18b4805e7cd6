package conv

import (
	"rkd/datasets/memory"
	"rkd/student/internal/parallel"
)

// fewPoints is the number of positions of a batch up to which the weight gradient of a pointwise convolution is faster
// as a sum over positions: dot products of planes would be too short.
const fewPoints = 1024

// pointRows is the number of rows of the gradient that are computed at once.
const pointRows = 32

// directPointGrad plans the weight gradient of a pointwise convolution with few positions: gw[o,c] is the sum over all
// positions of gy[o]·x[c]. One of the two is transposed so that its channels are contiguous: the one whose channels
// fill tiles better. If that is gy, the gradient is computed as (C,O) and transposed.
func directPointGrad(g Geometry, team *parallel.Team, out []float32, in [][]float32) func() error {
	points := g.Samples * g.area()
	rows, columns, fixed, moved := g.Filters, g.Channels, in[2], in[0]
	swapped := tiles(g.Filters)*g.Channels < tiles(g.Channels)*g.Filters
	result := out
	if swapped {
		rows, columns, fixed, moved = g.Channels, g.Filters, in[0], in[2]
		result = memory.Make[float32](len(out)) // (C,O)
	}
	neighbours := memory.Make[float32](points*columns +
		lanes) // (N·OH·OW,columns), and the reach of a vector from the last place
	area := g.area()
	layOut := func(n int) {
		transposeTo(neighbours[n*area*columns:], columns, moved[n*area*columns:], area, columns, area)
	}
	var table []entry
	for n := range g.Samples {
		for p := range area {
			table = append(table, entry{int32(4 * (n*rows*area + p)), int32(4 * (n*area + p) * columns)})
		}
	}
	line := grid{line: columns}
	spans, bias := line.cover(1, 1, columns), make([]float32, pointRows)
	pieces := over(rows, pointRows)
	run := forWorkers(team, min(pieces, team.Workers()), pieces, func(_, piece int) {
		r := piece * pointRows
		some := min(pointRows, rows-r)
		sumSpans(table, spans, result[r*columns:], columns, neighbours, fixed[r*area:], area, bias[:some], Linear.limits())
		if swapped {
			transposeTo(out[r:], rows, result[r*columns:], columns, some, columns)
		}
	})
	return func() error {
		team.For(g.Samples, layOut)
		return run()
	}
}

// tiles is the number of tiles in a row of width elements.
func tiles(width int) int { return over(width, tileSpans*lanes) }

// blockTranspose is the argument of transposeEights: it transposes blocks of 8×8 elements that are side by side in from
// and below each other in to. Row strides are in bytes.
type blockTranspose struct {
	to, from       *float32
	toRow, fromRow int
	blocks         int
}

//go:noescape
func transposeEights(t *blockTranspose)

// transposeTo writes the transpose of src (rows,cols) to dst (cols,rows), with row strides of fromRow and toRow
// elements.
func transposeTo(dst []float32, toRow int, src []float32, fromRow, rows, cols int) {
	whole := cols &^ 7
	i := 0
	for ; i+8 <= rows && whole > 0; i += 8 {
		transposeEights(&blockTranspose{&dst[i], &src[i*fromRow], 4 * toRow, 4 * fromRow, whole / 8})
		for j := whole; j < cols; j++ {
			for r := range 8 {
				dst[j*toRow+i+r] = src[(i+r)*fromRow+j]
			}
		}
	}
	for ; i < rows; i++ {
		for j, v := range src[i*fromRow:][:cols] {
			dst[j*toRow+i] = v
		}
	}
}
