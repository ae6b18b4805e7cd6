package op

import (
	"math"

	"rkd/student/internal/blas"
)

// fewPoints is the number of results of a batch up to which the weights' gradient of a pointwise convolution is faster as a
// sum over them: products of planes would be too short.
const fewPoints = 1024

// pointRows is the number of rows of the gradient that are computed at once.
const pointRows = 32

// directPointGrad plans the gradient in w of a pointwise convolution of few points: w[o,c] is the sum over all points of
// gy[o] and x[c], whose channels are laid out as neighbours.
func directPointGrad(g convGeometry, m Multiplier, out []float32, in [][]float32) func() error {
	x, gy := in[0], in[2]
	channels, filters, points := g.channels, g.filters, g.area()
	turned := make([]float32, g.samples*points*channels+lanes) // (N,OH·OW,C), and the reach of a vector from the last place
	turn := blas.NewLoop(func(n int) {
		transpose(turned[n*points*channels:][:points*channels], x[n*points*channels:][:points*channels], channels, points)
	})
	var table []entry
	for n := range g.samples {
		for p := range points {
			table = append(table, entry{int32(4 * (n*filters*points + p)), int32(4 * (n*points + p) * channels)})
		}
	}
	row := grid{line: channels}
	spans, bias := row.cover(1, 1, channels), make([]float32, pointRows)
	low, high := float32(math.Inf(-1)), float32(math.Inf(1))
	pieces := over(filters, pointRows)
	run := shared(min(pieces, m.Workers()), pieces, func(_, piece int) {
		f := piece * pointRows
		rows := min(pointRows, filters-f)
		sumSpans(table, spans, out[f*channels:], channels, turned, gy[f*points:], points, bias[:rows], low, high)
	})
	return func() error {
		turn.Run(g.samples)
		return run()
	}
}
