package vector

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestAdamIsItsFormulaBitByBit(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	draw := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(rng.NormFloat64())
		}
		return x
	}
	s := AdamStep[float32]{0.9, 0.1, 0.999, 0.001, 1e-3, 0.03, 1e-8, 0.01, 0.999}
	for n := range 41 {
		w, m, v, g := draw(n), draw(n), draw(n), draw(n)
		for i := range v {
			v[i] *= v[i]
		}
		if n > 0 {
			g[n-1], v[0], m[0] = float32(math.NaN()), 0, 0
		}
		want := [3][]float32{slices.Clone(w), slices.Clone(m), slices.Clone(v)}
		for i, gi := range g {
			w, m, v := &want[0][i], &want[1][i], &want[2][i]
			gi += float32(s.Decay * *w)
			*m = float32(s.Beta1**m) + float32(s.Rest1*gi)
			*v = float32(s.Beta2**v) + float32(float32(s.Rest2*gi)*gi)
			*w = float32(s.Shrink**w) - float32(s.Rate**m)/(float32(math.Sqrt(float64(*v)))/s.Root+s.Epsilon)
		}
		Adam(w, m, v, g, &s)
		for k, got := range [][]float32{w, m, v} {
			if !slices.EqualFunc(got, want[k], func(a, b float32) bool {
				return math.Float32bits(a) == math.Float32bits(b) ||
					a != a && b != b
			}) {
				t.Errorf("n=%d, result %d is %v, expected %v", n, k, got, want[k])
			}
		}
	}
}
