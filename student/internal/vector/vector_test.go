package vector

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// row is n normally distributed numbers with, at random places, what is not quite a number.
func row(rng *rand.Rand, n int, special ...float32) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
		if len(special) > 0 && rng.IntN(4) == 0 {
			x[i] = special[rng.IntN(len(special))]
		}
	}
	return x
}

// same says whether two results are the same bits, or both NaN.
func same[T float32 | float64](a, b T) bool {
	return math.Float64bits(float64(a)) == math.Float64bits(float64(b)) || a != a && b != b
}

func expectSame[T float32 | float64](t *testing.T, what string, got, want []T) {
	t.Helper()
	if !slices.EqualFunc(got, want, same) {
		t.Errorf("%s gives %v, expected %v", what, got, want)
	}
}

// maps are the functions that fill a row, from two rows, both forms of each.
func maps() map[string][2]func(y, x, g []float32) {
	const a, b, c, d, e = 1.25, -0.75, 0.125, 0.5, -0.1
	return map[string][2]func(y, x, g []float32){
		"Affine": {
			func(y, x, _ []float32) { Affine(y, x, a, b) },
			func(y, x, _ []float32) { affine(y, x, a, b) },
		},
		"AffineReLU": {
			func(y, x, _ []float32) { AffineReLU(y, x, a, b) },
			func(y, x, _ []float32) { affineReLU(y, x, a, b) },
		},
		"AffineReLU that is ReLU": {
			func(y, x, _ []float32) { AffineReLU(y, x, 1, 0) },
			func(y, x, _ []float32) {
				for i, v := range x {
					y[i] = max(v, 0)
				}
			},
		},
		"AffineAddReLU": {
			func(y, x, g []float32) { AffineAddReLU(y, x, g, a, b) },
			func(y, x, g []float32) { affineAddReLU(y, x, g, a, b) },
		},
		"ReLUGrad": {
			func(y, x, g []float32) { ReLUGrad(y, x, g) },
			func(y, x, g []float32) { reluGrad(y, x, g) },
		},
		"ClipGrad": {
			func(y, x, g []float32) { ClipGrad(y, x, g, 0, 0.5) },
			func(y, x, g []float32) { clipGrad(y, x, g, 0, 0.5) },
		},
		"AddReLUGrad": {
			func(y, x, g []float32) { AddReLUGrad(y, x, g, x) },
			func(y, x, g []float32) { addReLUGrad(y, x, g, x) },
		},
		"Blend": {
			func(y, x, g []float32) { Blend(y, x, g, a, b, c) },
			func(y, x, g []float32) { blend(y, x, g, a, b, c) },
		},
		"BlendReLU": {
			func(y, x, g []float32) { BlendReLU(y, x, g, a, b, c, d, e) },
			func(y, x, g []float32) { blendReLU(y, x, g, a, b, c, d, e) },
		},
	}
}

// sums are the functions that add up two rows, both forms of each.
func sums() map[string][2]func(x, g []float32) []float64 {
	const mean, scale, shift = 0.3, 1.25, -0.1
	pair := func(a, b float64) []float64 { return []float64{a, b} }
	return map[string][2]func(x, g []float32) []float64{
		"Sum": {
			func(x, _ []float32) []float64 { return pair(Sum(x), 0) },
			func(x, _ []float32) []float64 { return pair(sum(x), 0) },
		},
		"Deviations": {
			func(x, _ []float32) []float64 { return pair(Deviations(x, mean)) },
			func(x, _ []float32) []float64 { return pair(deviations(x, mean)) },
		},
		"CentredDot": {
			func(x, g []float32) []float64 { return pair(CentredDot(x, g, mean)) },
			func(x, g []float32) []float64 { return pair(centredDot(x, g, mean)) },
		},
		"CentredDotReLU": {
			func(x, g []float32) []float64 { return pair(CentredDotReLU(x, g, mean, scale, shift)) },
			func(x, g []float32) []float64 { return pair(centredDotReLU(x, g, mean, scale, shift)) },
		},
	}
}

var nan, inf, negativeZero = float32(math.NaN()), float32(math.Inf(1)), float32(math.Copysign(0, -1))

// Both forms give the same bits whatever is left over from whole registers, and nothing is written beyond a row.
func TestBothFormsGiveTheSameBits(t *testing.T) {
	for _, kind := range []struct {
		name    string
		special []float32
	}{
		{"ordinary numbers", nil},
		{"zeros", []float32{0, negativeZero}},
		{"infinities and NaN", []float32{inf, -inf, nan, 0}},
	} {
		t.Run(kind.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 2))
			for n := range 141 {
				x, g := row(rng, n+3, kind.special...)[3:], row(rng, n+1, kind.special...)[1:] // on odd places
				for name, form := range sums() {
					expectSame(t, fmt.Sprintf("%s of %d", name, n), form[0](x, g), form[1](x, g))
				}
				for name, form := range maps() {
					got, want := slices.Repeat([]float32{42}, n+1), slices.Repeat([]float32{42}, n+1)
					form[0](got[:n], x, g)
					form[1](want[:n], x, g)
					expectSame(t, fmt.Sprintf("%s of %d", name, n), got, want)
				}
			}
		})
	}
}

// The sums are what their formulas say, in float64.
func TestSumsAreTheirFormulas(t *testing.T) {
	const mean, scale, shift = 0.3, 1.25, -0.1
	rng := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{0, 1, 7, 8, 31, 32, 49, 784, 1024} {
		x, g := row(rng, n), row(rng, n)
		want := map[string][]float64{}
		for i := range x {
			v, w := float64(x[i]), float64(g[i])
			rectified := w
			if scale*x[i]+shift <= 0 {
				rectified = 0
			}
			for name, terms := range map[string][2]float64{
				"Sum":            {v, 0},
				"Deviations":     {v - mean, (v - mean) * (v - mean)},
				"CentredDot":     {(v - mean) * w, w},
				"CentredDotReLU": {(v - mean) * rectified, rectified},
			} {
				if want[name] == nil {
					want[name] = make([]float64, 2)
				}
				want[name][0] += terms[0]
				want[name][1] += terms[1]
			}
		}
		for name, form := range sums() {
			got := form[0](x, g)
			for i, w := range want[name] {
				if math.Abs(got[i]-w) > 1e-6*float64(n) {
					t.Errorf("%s of %d elements: sum %d is %v, expected %v", name, n, i, got[i], w)
				}
			}
		}
	}
}

// What BlendReLU and CentredDotReLU let pass is, bit by bit, what is above 0 in AffineReLU's output: at the edge,
// rounding decides, and must decide alike.
func TestTheMaskIsThatOfTheForwardPass(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 2000 {
		n := 1 + rng.IntN(40)
		scale, shift := float32(rng.NormFloat64()), float32(rng.NormFloat64())
		x, ones := make([]float32, n), slices.Repeat([]float32{1}, n)
		for i := range x { // within a few roundings of the edge
			x[i] = -shift / scale * (1 + float32(rng.IntN(9)-4)*0x1p-23)
		}
		y, want, got := make([]float32, n), make([]float32, n), make([]float32, n)
		AffineReLU(y, x, scale, shift)
		ReLUGrad(want, y, ones)
		BlendReLU(got, x, ones, 1, 0, 0, scale, shift)
		expectSame(t, "BlendReLU", got, want)
		_, total := CentredDotReLU(x, ones, 0, scale, shift)
		expectSame(t, "CentredDotReLU", []float64{total}, []float64{Sum(want)})
	}
}

// Windows of small integers tie often.
func TestHalvesGiveTheSameInBothForms(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for columns := range 41 {
		for _, rows := range []int{0, 1, 3} {
			for _, odd := range []int{0, 1} {
				width := 2*columns + odd
				x := make([]float32, (2*rows+odd)*width)
				for i := range x {
					x[i] = float32(rng.IntN(5) - 2)
				}
				g := row(rng, rows*columns)
				name := fmt.Sprintf("%d×%d windows of %v, width %d", rows, columns, x, width)
				got, want := make([]float32, len(g)), make([]float32, len(g))
				Halve(got, x, rows, columns, width)
				halve(want, x, rows, columns, width)
				expectSame(t, name, got, want)
				for _, rectified := range []bool{false, true} {
					got, want := slices.Repeat([]float32{42}, len(x)), slices.Repeat([]float32{42}, len(x))
					HalveGrad(got, x, g, rows, columns, width, rectified)
					if rows > 0 {
						halveGrad(want, x, g, rows, columns, width, rectified)
					}
					expectSame(t, name, got, want)
				}
			}
		}
	}
}

func TestHalveHandsNaNOn(t *testing.T) {
	for at := range 4 {
		for _, columns := range []int{1, 8, 11} {
			x := row(rand.New(rand.NewPCG(9, 9)), 4*columns)
			for j := range columns {
				x[at/2*2*columns+2*j+at%2] = nan
			}
			y := make([]float32, columns)
			Halve(y, x, 1, columns, 2*columns)
			expectSame(t, "Halve", y, slices.Repeat([]float32{nan}, columns))
		}
	}
}

// A gradient is never lost and never doubled: a window with NaN hands it to one of its elements.
func TestHalveGradOfNaNGoesToOneElement(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	for range 100 {
		x, gx := row(rng, 4*9, nan), make([]float32, 4*9)
		HalveGrad(gx, x, slices.Repeat([]float32{1}, 9), 1, 9, 18, false)
		for j := range 9 {
			if s := gx[2*j] + gx[2*j+1] + gx[18+2*j] + gx[18+2*j+1]; s != 1 {
				t.Errorf("the gradients of window %d of %v add up to %v, expected 1", j, x, s)
			}
		}
	}
}

// BenchmarkPlanes compares both forms on the planes of a batch of 64×16×32×32.
func BenchmarkPlanes(b *testing.B) {
	const planes, area, width = 1024, 1024, 32
	rng := rand.New(rand.NewPCG(1, 1))
	x, g, y := row(rng, planes*area), row(rng, planes*area), make([]float32, planes*area)
	run := func(name string, body func(from int)) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(4 * planes * area)
			for b.Loop() {
				for p := range planes {
					body(p * area)
				}
			}
		})
	}
	forms := [2]string{"fast", "go"}
	for name, form := range sums() {
		for i, f := range form {
			run(name+"/"+forms[i], func(from int) { f(x[from:from+area], g[from:from+area]) })
		}
	}
	for name, form := range maps() {
		for i, f := range form {
			run(name+"/"+forms[i], func(from int) { f(y[from:from+area], x[from:from+area], g[from:from+area]) })
		}
	}
	for i, f := range [2]func(y, x []float32, rows, columns, width int){Halve[float32], halve[float32]} {
		run("Halve/"+forms[i], func(from int) { f(y[from/4:], x[from:], width/2, width/2, width) })
	}
	for i, f := range [2]func(gx, x, g []float32, rows, columns, width int, rectified bool){
		HalveGrad[float32], halveGrad[float32],
	} {
		run("HalveGrad/"+forms[i], func(from int) { f(y[from:], x[from:], g[from/4:], width/2, width/2, width, true) })
	}
}
