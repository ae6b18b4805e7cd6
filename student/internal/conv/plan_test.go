package conv

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"rkd/student/internal/blas"
	"rkd/student/internal/parallel"
)

// gonumMultiplier is a Multiplier on gonum's product.
type gonumMultiplier struct{}

func (gonumMultiplier) Multiply(transA, transB bool, m, n, k int, a, b, c []float32) (func() error, error) {
	lda, ldb := k, n
	if transA {
		lda = m
	}
	if transB {
		ldb = k
	}
	return func() error {
		blas.Gemm(transA, transB, m, n, k, 1, a, lda, b, ldb, 0, c, n)
		return nil
	}, nil
}

// convCase is a convolution to be planned. Zeros of its options mean 1, as in package op.
type convCase struct {
	x, w []int
	opts Options
}

// geometry returns the convolution, and whether the kernel fits into the padded image.
func (c convCase) geometry() (Geometry, bool) {
	o := c.opts
	y := []int{c.x[0], c.w[0], 0, 0}
	for i := range 2 {
		o.Stride[i], o.Dilation[i] = max(1, o.Stride[i]), max(1, o.Dilation[i])
		span := c.x[2+i] + 2*o.Pad[i] + o.Extra[i] - o.Dilation[i]*(c.w[2+i]-1) - 1
		if span < 0 {
			return Geometry{}, false
		}
		y[2+i] = span/o.Stride[i] + 1
	}
	o.Groups = max(1, o.Groups)
	return NewGeometry(o, c.x, c.w, y), true
}

// problem is a convolution with random arrays.
type problem struct {
	Geometry
	x, w, b, gy []float32
}

func newProblem(g Geometry, seed uint64) *problem {
	rng := rand.New(rand.NewPCG(seed, 13))
	random := func(n int) []float32 {
		a := make([]float32, n)
		for i := range a {
			a[i] = float32(rng.NormFloat64())
		}
		return a
	}
	return &problem{
		g, random(g.Samples * g.Channels * g.Height * g.Width), random(g.Filters * g.patch()), random(g.Filters),
		random(g.Samples * g.Filters * g.area()),
	}
}

// inputs are the arrays that a kind of plan reads.
func (p *problem) inputs(kind Kind) [][]float32 {
	if kind == Convolution {
		return [][]float32{p.x, p.w, p.b}
	}
	return [][]float32{p.x, p.w, p.gy}
}

// result is an array for the result of a kind of plan, full of NaN.
func (p *problem) result(kind Kind) []float32 {
	return slices.Repeat([]float32{float32(math.NaN())}, map[Kind]int{
		Convolution: len(p.gy), InputGradient: len(p.x), WeightGradient: len(p.w),
	}[kind])
}

// want is what the kernels compute in float64.
func (p *problem) want(kind Kind) []float64 {
	wide := func(a []float32) []float64 {
		b := make([]float64, len(a))
		for i, v := range a {
			b[i] = float64(v)
		}
		return b
	}
	out, buffers := wide(p.result(kind)), new(parallel.Scratch)
	switch kind {
	case InputGradient:
		InputGrad(nil, p.Geometry, out, wide(p.w), wide(p.gy), buffers)
	case WeightGradient:
		WeightGrad(nil, p.Geometry, out, wide(p.x), wide(p.gy), buffers)
	default:
		Forward(nil, p.Geometry, out, wide(p.x), wide(p.w), wide(p.b), buffers)
	}
	return out
}

func expectClose(t *testing.T, what string, got []float32, want []float64) {
	t.Helper()
	var scale float64
	for _, v := range want {
		scale = max(scale, math.Abs(v))
	}
	for i, v := range want {
		if d := math.Abs(float64(got[i]) - v); !(d <= 1e-5*scale) {
			t.Fatalf("%s: element %d is %v, expected %v", what, i, got[i], v)
		}
	}
}

func TestPlannedConvolutionsAgreeWithTheKernels(t *testing.T) {
	for name, c := range map[string]convCase{
		"one size":                {[]int{5, 3, 7, 9}, []int{4, 3, 3, 3}, Options{Pad: [2]int{1, 1}}},
		"whole vectors":           {[]int{5, 3, 6, 32}, []int{13, 3, 3, 3}, Options{Pad: [2]int{1, 1}}},
		"samples left over":       {[]int{67, 16, 14, 14}, []int{4, 16, 3, 3}, Options{Pad: [2]int{1, 1}}},
		"kernel beyond the image": {[]int{3, 2, 3, 2}, []int{4, 2, 5, 5}, Options{Pad: [2]int{2, 2}}},
		"strides":                 {[]int{5, 3, 8, 9}, []int{4, 3, 3, 2}, Options{Stride: [2]int{2, 3}, Pad: [2]int{1, 0}}},
		"dilation":                {[]int{5, 3, 9, 9}, []int{4, 3, 3, 3}, Options{Dilation: [2]int{2, 1}, Pad: [2]int{2, 1}}},
		"groups":                  {[]int{5, 4, 6, 6}, []int{6, 2, 3, 3}, Options{Groups: 2}},
		"depthwise":               {[]int{5, 4, 6, 6}, []int{4, 1, 3, 3}, Options{Groups: 4, Pad: [2]int{1, 1}}},
		"points":                  {[]int{5, 4, 6, 6}, []int{6, 4, 1, 1}, Options{}},
		"points with gaps":        {[]int{5, 4, 7, 7}, []int{6, 4, 1, 1}, Options{Stride: [2]int{2, 3}}},
		"short rows moved":        {[]int{2, 4, 8, 8}, []int{16, 4, 1, 3}, Options{Pad: [2]int{0, 1}}},
		"rows added, columns cut": {[]int{2, 4, 2, 16}, []int{16, 4, 1, 1}, Options{Stride: [2]int{1, 2}, Pad: [2]int{1, 0}}},
		"only padding seen":       {[]int{2, 2, 1, 1}, []int{3, 2, 1, 1}, Options{Stride: [2]int{2, 2}, Pad: [2]int{1, 1}}},
	} {
		t.Run(name, func(t *testing.T) { expectPlansAgree(t, c) })
	}
}

func TestPlansOfRandomConvolutionsAgreeWithTheKernels(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 5))
	draw := func(from, to int) int { return from + rng.IntN(to-from+1) }
	for tried := 0; tried < 60; {
		groups := draw(1, 3)
		pair := func(from, to int) [2]int { return [2]int{draw(from, to), draw(from, to)} }
		c := convCase{
			x:    []int{draw(1, 9), groups * draw(1, 20), draw(1, 20), draw(1, 40)},
			opts: Options{Stride: pair(1, 3), Pad: pair(0, 3), Dilation: pair(1, 2), Groups: groups},
		}
		c.opts.Extra = [2]int{draw(-c.opts.Pad[0], 2), draw(-c.opts.Pad[1], 2)}
		c.w = []int{groups * draw(1, 20), c.x[1] / groups, draw(1, 4), draw(1, 4)}
		if _, ok := c.geometry(); !ok {
			continue // the kernel is larger than the image
		}
		tried++
		t.Run(fmt.Sprintf("%v*%v{%v}", c.x, c.w, c.opts), func(t *testing.T) { expectPlansAgree(t, c) })
	}
}

// expectPlansAgree compares every plan of a convolution and its gradients with its kernel in float64.
func expectPlansAgree(t *testing.T, c convCase) {
	t.Helper()
	g, ok := c.geometry()
	if !ok {
		t.Fatal("the kernel is larger than the image")
	}
	p := newProblem(g, 11)
	team := parallel.NewTeam(2)
	defer team.Close()
	for _, kind := range []Kind{Convolution, InputGradient, WeightGradient} {
		want, out, in := p.want(kind), p.result(kind), p.inputs(kind)
		plans := make(map[string]func() error)
		var err error
		if plans["columns"], err = planColumns(kind, g, gonumMultiplier{}, team, out, in); err != nil {
			t.Fatal(err)
		}
		direct, ok := planDirect(kind, g, Linear, team, out, in)
		if ok != HasDirect() {
			t.Fatalf("a direct plan: %v, expected %v", ok, HasDirect())
		}
		if ok {
			plans["direct"] = direct
		}
		for name, run := range plans {
			for range 2 { // a second run finds the buffers as the first one left them
				copy(out, p.result(kind))
				if err := run(); err != nil {
					t.Fatal(err)
				}
				expectClose(t, fmt.Sprintf("%s, kind %d", name, kind), out, want)
			}
		}
		for _, after := range []Activation{ReLU, ReLU6} {
			if kind == WeightGradient {
				break
			}
			run, err := Plan(kind, g, after, gonumMultiplier{}, team, out, in)
			if err != nil {
				t.Fatal(err)
			}
			if err := run(); err != nil {
				t.Fatal(err)
			}
			cut := slices.Clone(want)
			if kind == Convolution {
				Activate(after, cut)
			} else {
				for i, v := range p.x {
					if v <= 0 || after == ReLU6 && v >= 6 {
						cut[i] = 0
					}
				}
			}
			expectClose(t, fmt.Sprintf("%v, kind %d", after, kind), out, cut)
		}
	}
}

func TestPlanningAllocatesOnce(t *testing.T) {
	team := parallel.NewTeam(2)
	defer team.Close()
	for _, c := range []convCase{
		{[]int{8, 4, 6, 6}, []int{8, 4, 3, 3}, Options{}},
		{[]int{8, 4, 6, 6}, []int{5, 4, 3, 3}, Options{}},
		{[]int{8, 4, 6, 6}, []int{8, 4, 1, 1}, Options{Stride: [2]int{2, 2}}},
	} {
		g, _ := c.geometry()
		p := newProblem(g, 11)
		for _, kind := range []Kind{Convolution, InputGradient, WeightGradient} {
			run, err := Plan(kind, g, Linear, gonumMultiplier{}, team, p.result(kind), p.inputs(kind))
			if err != nil {
				t.Fatal(err)
			}
			if allocs := testing.AllocsPerRun(10, func() { _ = run() }); allocs > 0 {
				t.Errorf("%v: a run of kind %d allocates %v times, expected none", c, kind, allocs)
			}
		}
	}
}

// A line whose byte offsets do not fit into 32 bits has no direct plan; the plan of columns then applies the
// activation.
func TestPlansBeyondReachAreOfColumns(t *testing.T) {
	const far = 1 << 29
	g, _ := convCase{
		[]int{1, 1, 1, 2}, []int{1, 1, 1, 2}, Options{Pad: [2]int{0, far}, Extra: [2]int{0, -far}, Dilation: [2]int{1, far}},
	}.geometry()
	x, w, gy := []float32{-1, 2}, []float32{3, -5}, []float32{1, 1}
	for kind, c := range map[Kind]struct {
		after    Activation
		in       [][]float32
		expected []float32
	}{
		Convolution:    {ReLU, [][]float32{x, w}, []float32{5, 0}}, // max(−5·x, 0)
		InputGradient:  {ReLU, [][]float32{x, w, gy}, []float32{0, -5}},
		WeightGradient: {Linear, [][]float32{x, w, gy}, []float32{0, 1}},
	} {
		out := make([]float32, 2)
		if _, ok := planDirect(kind, g, c.after, nil, out, c.in); ok {
			t.Errorf("kind %d has a direct plan", kind)
		}
		run, err := Plan(kind, g, c.after, gonumMultiplier{}, nil, out, c.in)
		if err != nil {
			t.Fatal(err)
		}
		if err := run(); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(out, c.expected) {
			t.Errorf("kind %d gives %v, expected %v", kind, out, c.expected)
		}
	}
}

// Fused activations clip infinities and keep NaN, in whole tiles of rows and in the rows that are left over.
func TestPlannedActivationsKeepNaNAndClipInfinities(t *testing.T) {
	const filters = 13
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	g, _ := convCase{[]int{2, 1, 3, 7}, []int{filters, 1, 3, 3}, Options{Pad: [2]int{1, 1}}}.geometry()
	x, w, bias := make([]float32, 2*3*7), make([]float32, filters*9), make([]float32, filters)
	for i := range bias {
		bias[i] = []float32{nan, inf, -inf}[i%3]
	}
	for after, want := range map[Activation][]float32{ReLU: {nan, inf, 0}, ReLU6: {nan, 6, 0}} {
		out := make([]float32, 2*filters*3*7)
		run, err := Plan(Convolution, g, after, gonumMultiplier{}, nil, out, [][]float32{x, w, bias})
		if err != nil {
			t.Fatal(err)
		}
		if err := run(); err != nil {
			t.Fatal(err)
		}
		for i, v := range out {
			if f := i / 21 % filters; v != want[f%3] && !(v != v && f%3 == 0) {
				t.Fatalf("%v: element %d of filter %d is %v, expected %v", after, i%21, f, v, want[f%3])
			}
		}
	}
}
