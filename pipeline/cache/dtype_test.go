package cache

import (
	"math"
	"math/rand/v2"
	"testing"
)

// half is the value of the binary16 with some bits, by the definition of IEEE 754.
func half(bits uint16) float64 {
	sign, exponent, fraction := float64(1-2*int(bits>>15)), int(bits>>10&31), float64(bits&1023)
	if exponent == 0 {
		return sign * fraction * math.Pow(2, -24)
	}
	return sign * (1 + fraction/1024) * math.Pow(2, float64(exponent-15))
}

// nearest returns the values next to x among those of a type, ascending from 0 by their bits, and which of them
// rounding half to even takes.
func nearest(x float64, largest int, value func(bits int) float64) float64 {
	lo, hi := 0, largest
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; value(mid) <= math.Abs(x) {
			lo = mid
		} else {
			hi = mid
		}
	}
	below, above := math.Abs(x)-value(lo), value(hi)-math.Abs(x)
	if above < below || above == below && hi%2 == 0 {
		lo = hi
	}
	return math.Copysign(value(lo), x)
}

// TestRounding holds both roundings against the nearest of all values of the type.
func TestRounding(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		x := float32(rng.NormFloat64() * math.Pow(2, float64(rng.IntN(44)-28)))
		if math.Abs(float64(x)) < 65504 {
			want := nearest(float64(x), 0x7bff, func(bits int) float64 { return half(uint16(bits)) })
			if got := RoundFloat16(x); float64(got) != want {
				t.Fatalf("RoundFloat16(%v) = %v, want %v", x, got, want)
			}
		}
		want := nearest(float64(x), 0x7f7f, func(bits int) float64 {
			return float64(math.Float32frombits(uint32(bits) << 16))
		})
		if got := RoundBFloat16(x); float64(got) != want {
			t.Fatalf("RoundBFloat16(%v) = %v, want %v", x, got, want)
		}
	}
	for _, c := range []struct{ x, f16, bf16 float32 }{
		{1 + 1.0/2048, 1, 1},
		{1 + 3.0/2048, 1 + 2.0/1024, 1},
		{1 + 1.0/256, 1 + 1.0/256, 1},
		{1 + 3.0/256, 1 + 3.0/256, 1 + 2.0/128},
		{65519, 65504, 65536},
		{-0x1p-25, 0, -0x1p-25},
		{0x1.8p-24, 0x1p-23, 0x1.8p-24},
	} {
		if got := RoundFloat16(c.x); got != c.f16 {
			t.Errorf("RoundFloat16(%v) = %v, want %v", c.x, got, c.f16)
		}
		if got := RoundBFloat16(c.x); got != c.bf16 {
			t.Errorf("RoundBFloat16(%v) = %v, want %v", c.x, got, c.bf16)
		}
	}
	if !math.IsInf(float64(RoundFloat16(-65520)), -1) || !math.IsInf(float64(RoundBFloat16(math.MaxFloat32)), 1) {
		t.Error("what is too large is not infinite")
	}
}

// TestInt8 holds quantised rows against q = round(127·x/max|x|).
func TestInt8(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		row := make([]float32, 64)
		largest := 0.0
		for j := range row {
			row[j] = float32(rng.NormFloat64())
			largest = max(largest, math.Abs(float64(row[j])))
		}
		scale := Int8Scale(row)
		back := Quantize(Int8, row, len(row))
		for j, x := range row {
			want := math.Round(127 * float64(x) / largest)
			q := QuantizeInt8(x, scale)
			if math.Abs(float64(q)-want) > 1e-9 && math.Abs(math.Abs(127*float64(x)/largest-want)-0.5) > 1e-4 {
				t.Fatalf("%v of %v is %d, want %v", x, largest, q, want)
			}
			if off := math.Abs(float64(back[j] - x)); off > largest/254*(1+1e-5) {
				t.Fatalf("%v came back as %v, half a step is %v", x, back[j], largest/254)
			}
		}
		// What comes out goes in again without a change: shards are checked by writing their rows again.
		again := append([]float32{}, back...)
		quantize(Int8, again, len(row), []float32{scale})
		sameValues(t, "quantised twice", again, back)
	}
	sameValues(t, "zeros", Quantize(Int8, make([]float32, 4), 4), make([]float32, 4))
	tiny := []float32{math.SmallestNonzeroFloat32, 0}
	sameValues(t, "too small for a scale", Quantize(Int8, tiny, 2), make([]float32, 2))
}
