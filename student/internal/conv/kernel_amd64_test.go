package conv

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"rkd/student/internal/instruction"
	"rkd/student/internal/instruction/instructiontest"
)

// The functions in assembly against their formulas, written out in float64.
func TestKernels(t *testing.T) {
	instructiontest.Kernels(t, instruction.AVX512, map[string]func(t *testing.T){
		"sumRows8":        func(t *testing.T) { expectSums(t, 16) },
		"sumRows4":        func(t *testing.T) { expectSums(t, 4) },
		"sumRow":          func(t *testing.T) { expectSums(t, 3) },
		"addDots4":        func(t *testing.T) { expectDots(t, 4) },
		"addDots1":        func(t *testing.T) { expectDots(t, 1) },
		"addNineDots":     expectNineDots,
		"pack":            expectPack,
		"transposeEights": expectTranspose,
		"copyRows":        func(t *testing.T) { expectCopies(t, 1, 1) },
		"copyEvens":       func(t *testing.T) { expectCopies(t, 1, 2) },
		"copyToEvens":     func(t *testing.T) { expectCopies(t, 2, 1) },
	})
}

func normal(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

// expectSums compares sumSpans of so many rows, at spans with gaps and without.
func expectSums(t *testing.T, rows int) {
	const taps, step = 7, 11 // of the weights
	rng := rand.New(rand.NewPCG(uint64(rows), 1))
	x, weights, bias := normal(rng, 400), normal(rng, rows*step), normal(rng, rows)
	var table []entry
	for i := range taps {
		table = append(table, entry{int32(4 * i), int32(4 * rng.IntN(60))})
	}
	for _, gaps := range []bool{false, true} {
		var spans []span
		to := 0
		for i := range 7 {
			s := span{at: int32(4 * 40 * i), to: int32(4 * to), mask: mask{allLanes, allLanes}}
			if gaps {
				s.mask = mask{valid: 0b0110_1111_0011_0101, low: 1<<10 - 1}
			}
			spans = append(spans, s)
			to += 16
		}
		within := limits{-1, 2}
		got, want := make([]float32, rows*to), make([]float64, rows*to)
		sumSpans(table, spans, got, to, x, weights, step, bias, within)
		for f := range rows {
			for _, s := range spans {
				at := f*to + int(s.to)/4
				for p := range lanes {
					if s.valid>>p&1 == 0 {
						continue
					}
					sum := float64(bias[f])
					for _, e := range table {
						sum += float64(weights[f*step+int(e.a)/4]) * float64(x[int(s.at+e.b)/4+p])
					}
					want[at] = min(max(sum, float64(within.low)), float64(within.high))
					at++
				}
			}
		}
		expectClose(t, "sums", got, want)
	}
}

// expectDots compares addDots4 or addDots1, in sixes of columns the last of which is cut.
func expectDots(t *testing.T, rows int) {
	const columns, valid, step, outStep = 12, 0b001011, 200, 15
	rng := rand.New(rand.NewPCG(uint64(rows), 2))
	a, x := normal(rng, (4+rows)*step), normal(rng, 300)
	var places, table []entry
	for i := range 9 {
		places = append(places, entry{int32(4 * 16 * i), int32(4 * 13 * i)})
	}
	for range columns {
		table = append(table, entry{b: int32(4 * rng.IntN(100))})
	}
	out := normal(rng, rows*outStep)
	want := make([]float64, len(out))
	for i, v := range out {
		want[i] = float64(v)
	}
	for i := range rows {
		for j, c := range table {
			if valid>>(j%6)&1 == 0 {
				continue
			}
			for _, e := range places {
				for p := range lanes {
					want[i*outStep+j] += float64(a[i*step+int(e.a)/4+p]) * float64(x[int(c.b+e.b)/4+p])
				}
			}
		}
	}
	tile := dotTile{
		places: &places[0], count: len(places), a: &a[0], aStep: 4 * step, x: &x[0], columns: &table[0], sixes: columns / 6,
		out: &out[0], outStep: 4 * outStep, valid: valid,
	}
	tile.addDots(rows)
	expectClose(t, "dots", out, want)
}

func expectNineDots(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 3))
	a, x, out := normal(rng, 200), normal(rng, 300), normal(rng, 9)
	var places []entry
	for i := range 5 {
		places = append(places, entry{int32(4 * 17 * i), int32(4 * 19 * i)})
	}
	dots := nineDots{places: &places[0], count: len(places), a: &a[0], x: &x[0], out: &out[0]}
	want := make([]float64, 9)
	for j := range want {
		dots.columns[j] = 4 * (3*j + j*j)
		want[j] = float64(out[j])
		for _, e := range places {
			for p := range lanes {
				want[j] += float64(a[int(e.a)/4+p]) * float64(x[(dots.columns[j]+int(e.b))/4+p])
			}
		}
	}
	addNineDots(&dots)
	expectClose(t, "nine dots", out, want)
}

func expectPack(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 4))
	from := normal(rng, 40)
	spans := []span{{to: 4, mask: mask{valid: 0b1010_0000_0000_0111}}, {to: 40, mask: mask{valid: allLanes}}}
	to := slices.Repeat([]float32{float32(math.NaN())}, 32)
	pack(&to[0], &from[0], &spans[0], len(spans))
	for i, s := range spans {
		next := int(s.to) / 4
		for p := range lanes {
			var want float32
			if s.valid>>p&1 == 1 {
				want = from[next]
				next++
			}
			if got := to[lanes*i+p]; got != want {
				t.Errorf("span %d, element %d is %v, expected %v", i, p, got, want)
			}
		}
	}
}

func expectTranspose(t *testing.T) {
	for _, shape := range [][2]int{{1, 1}, {3, 20}, {8, 8}, {8, 7}, {17, 9}, {24, 36}, {40, 33}} {
		rows, cols := shape[0], shape[1]
		src, dst := make([]float32, rows*cols), make([]float32, rows*cols)
		for i := range src {
			src[i] = float32(i)
		}
		transposeTo(dst, rows, src, cols, rows, cols)
		for i := range rows {
			for j := range cols {
				if dst[j*rows+i] != src[i*cols+j] {
					t.Fatalf("(%d,%d): element (%d,%d) is %v, expected %v", rows, cols, j, i, dst[j*rows+i], src[i*cols+j])
				}
			}
		}
	}
}

// expectCopies compares copyPlanes of elements so far apart, for every width up to three vectors, and that nothing else
// is written.
func expectCopies(t *testing.T, toStep, fromStep int) {
	for width := 1; width <= 3*lanes; width++ {
		const planes, rows, row = 2, 3, 200
		const plane = rows*row + 5
		from := make([]float32, planes*plane)
		for i := range from {
			from[i] = float32(i + 1)
		}
		got, want := make([]float32, planes*plane), make([]float32, planes*plane)
		for p := range planes {
			for i := range rows {
				for j := range width {
					want[p*plane+i*row+j*toStep] = from[p*plane+i*row+j*fromStep]
				}
			}
		}
		copyPlanes(strided{got, plane, row, toStep}, strided{from, plane, row, fromStep}, planes, rows, width)
		if !slices.Equal(got, want) {
			t.Errorf("width %d: copied elements or others differ", width)
		}
	}
}
