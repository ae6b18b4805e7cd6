package optim_test

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"testing"

	"rkd/student/optim"
)

// golden is what PyTorch computes; testdata/optim_golden.py makes it.
type golden struct {
	Start  []float64
	Grads  [][]float64
	Paths  map[string][][]float64
	Cosine []float64
	Step   []float64
	Clip   []struct {
		Limit, Norm float64
		Grad        []float64
	}
}

func readGolden(t *testing.T) golden {
	t.Helper()
	data, err := os.ReadFile("testdata/optim_golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatal(err)
	}
	return g
}

// cases are the optimisers of the golden file.
var cases = map[string]struct {
	options optim.Options
	rate    float64
}{
	"sgd":                {optim.Options{Kind: optim.SGD}, 0.1},
	"sgd momentum decay": {optim.Options{Kind: optim.SGD, Momentum: 0.9, WeightDecay: 0.01}, 0.1},
	"adam":               {optim.Options{}, 0.01},
	"adam decay betas": {optim.Options{
		Kind: optim.Adam, WeightDecay: 0.1, Betas: []float64{0.8, 0.95},
		Epsilon: 1e-6,
	}, 0.01},
	"adamw": {optim.Options{Kind: optim.AdamW, WeightDecay: 0.1}, 0.01},
}

func TestOptimizersTakePyTorchsPath(t *testing.T) {
	g := readGolden(t)
	if len(g.Paths) != len(cases) {
		t.Fatalf("golden file has %d optimisers, the test %d", len(g.Paths), len(cases))
	}
	for name, path := range g.Paths {
		c := cases[name]
		w := append([]float64(nil), g.Start...)
		o, err := optim.New[float64](c.options, []int{len(w)})
		if err != nil {
			t.Fatal(err)
		}
		for step, want := range path {
			o.Step([][]float64{w}, [][]float64{g.Grads[step]}, c.rate)
			near(t, name, w, want)
		}
	}
}

func TestStoppedOptimizerGoesOnToTheSameBits(t *testing.T) {
	g := readGolden(t)
	for name, c := range cases {
		straight, resumed := make([]float32, 6), make([]float32, 6)
		a, _ := optim.New[float32](c.options, []int{6})
		b, _ := optim.New[float32](c.options, []int{6})
		for step := range 4 {
			if step == 2 { // b's state moves to a fresh optimiser
				fresh, _ := optim.New[float32](c.options, []int{6})
				for moment, values := range b.Moments() {
					copy(fresh.Moments()[moment][0], values[0])
				}
				fresh.SetSteps(b.Steps())
				b = fresh
			}
			grad := make([]float32, 6)
			for i, v := range g.Grads[step] {
				grad[i] = float32(v)
			}
			a.Step([][]float32{straight}, [][]float32{grad}, c.rate)
			b.Step([][]float32{resumed}, [][]float32{grad}, c.rate)
		}
		for i := range straight {
			if math.Float32bits(straight[i]) != math.Float32bits(resumed[i]) {
				t.Errorf("%s: weight %d is %v without a stop and %v with one", name, i, straight[i], resumed[i])
			}
		}
	}
}

func TestSchedulesFollowPyTorch(t *testing.T) {
	g := readGolden(t)
	cosine := optim.Schedule{Kind: "cosine", Floor: 0.1}
	step := optim.Schedule{Kind: "step", Every: 1, Gamma: 0.3}
	for i := range g.Cosine {
		near(t, "cosine", []float64{cosine.Rate(0.5, i, 2, 8)}, g.Cosine[i:i+1])
		near(t, "step", []float64{step.Rate(0.5, i, 2, 8)}, g.Step[i:i+1])
	}
	warm := optim.Schedule{Warmup: 4}
	near(t, "warmup", []float64{warm.Rate(1, 0, 1, 9), warm.Rate(1, 2, 1, 9), warm.Rate(1, 4, 1, 9)},
		[]float64{0.25, 0.75, 1})
}

func TestClipScalesToTheLimit(t *testing.T) {
	g := readGolden(t)
	for _, c := range g.Clip {
		grad := append([]float64(nil), g.Grads[0]...)
		norm := optim.Clip([][]float64{grad[:2], grad[2:]}, c.Limit)
		near(t, "norm", []float64{norm}, []float64{c.Norm})
		near(t, "gradient", grad, c.Grad)
	}
}

// The norm is that of all numbers, whatever their count, and the same bits each time.
func TestNormOfAnyLength(t *testing.T) {
	for n := range 40 {
		g := make([]float32, n)
		want := 0.0
		for i := range g {
			g[i] = float32(i%7) - 2.5
			want += float64(g[i]) * float64(g[i]) // exact
		}
		if got := optim.Clip([][]float32{g}, 0); got != math.Sqrt(want) {
			t.Errorf("%d numbers have norm %v, expected %v", n, got, math.Sqrt(want))
		}
	}
}

// BenchmarkClip is the norm of the gradients of a perceptron 784→512→256→64.
func BenchmarkClip(b *testing.B) {
	grads := [][]float32{make([]float32, 784*512), make([]float32, 512*256), make([]float32, 256*64)}
	for b.Loop() {
		optim.Clip(grads, 0)
	}
}

func TestOptionsOutOfRange(t *testing.T) {
	for _, o := range []optim.Options{
		{Kind: "lion"},
		{WeightDecay: -1},
		{Kind: optim.SGD, Momentum: 1},
		{Betas: []float64{1, 0.9}},
		{Betas: []float64{0.9, -0.1}},
		{Betas: []float64{0.9}},
		{Epsilon: -1},
	} {
		if _, err := optim.New[float32](o, nil); !errors.Is(err, optim.ErrOptions) {
			t.Errorf("%+v gives %v, expected ErrOptions", o, err)
		}
	}
	for _, s := range []optim.Schedule{{Kind: "poly"}, {Kind: "step"}, {Gamma: 2}, {Floor: -1}, {Warmup: -1}} {
		if err := s.Validate(); !errors.Is(err, optim.ErrOptions) {
			t.Errorf("%+v gives %v, expected ErrOptions", s, err)
		}
	}
}

func near(t *testing.T, what string, got, want []float64) {
	t.Helper()
	for i := range want {
		if math.Abs(got[i]-want[i]) > 1e-12*max(1, math.Abs(want[i])) {
			t.Errorf("%s: element %d is %v, PyTorch has %v", what, i, got[i], want[i])
		}
	}
}
