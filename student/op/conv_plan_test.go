package op

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/student/internal/blas"
)

// gonumMultiplier is a Multiplier for a number of workers, on a team or none.
type gonumMultiplier struct {
	workers int
	team    *blas.Team
}

func (m gonumMultiplier) Workers() int { return m.workers }

func (m gonumMultiplier) Team() *blas.Team { return m.team }

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

// convCase is a convolution to be planned.
type convCase struct {
	x, w []int
	opts ConvOptions
}

func TestPlannedConvolutionsAgreeWithTheKernels(t *testing.T) {
	for name, c := range map[string]convCase{
		"one size":                {[]int{5, 3, 7, 9}, []int{4, 3, 3, 3}, ConvOptions{Pad: [2]int{1, 1}}},
		"whole vectors":           {[]int{5, 3, 6, 32}, []int{13, 3, 3, 3}, ConvOptions{Pad: [2]int{1, 1}}},
		"samples left over":       {[]int{67, 16, 14, 14}, []int{4, 16, 3, 3}, ConvOptions{Pad: [2]int{1, 1}}},
		"kernel beyond the image": {[]int{3, 2, 3, 2}, []int{4, 2, 5, 5}, ConvOptions{Pad: [2]int{2, 2}}},
		"strides":                 {[]int{5, 3, 8, 9}, []int{4, 3, 3, 2}, ConvOptions{Stride: [2]int{2, 3}, Pad: [2]int{1, 0}}},
		"dilation":                {[]int{5, 3, 9, 9}, []int{4, 3, 3, 3}, ConvOptions{Dilation: [2]int{2, 1}, Pad: [2]int{2, 1}}},
		"groups":                  {[]int{5, 4, 6, 6}, []int{6, 2, 3, 3}, ConvOptions{Groups: 2}},
		"depthwise":               {[]int{5, 4, 6, 6}, []int{4, 1, 3, 3}, ConvOptions{Groups: 4, Pad: [2]int{1, 1}}},
		"points":                  {[]int{5, 4, 6, 6}, []int{6, 4, 1, 1}, ConvOptions{}},
		"points with gaps":        {[]int{5, 4, 7, 7}, []int{6, 4, 1, 1}, ConvOptions{Stride: [2]int{2, 3}}},
		"short rows moved":        {[]int{2, 4, 8, 8}, []int{16, 4, 1, 3}, ConvOptions{Pad: [2]int{0, 1}}},
		"rows added, columns cut": {[]int{2, 4, 2, 16}, []int{16, 4, 1, 1}, ConvOptions{Stride: [2]int{1, 2}, Pad: [2]int{1, 0}}},
		"only padding seen":       {[]int{2, 2, 1, 1}, []int{3, 2, 1, 1}, ConvOptions{Stride: [2]int{2, 2}, Pad: [2]int{1, 1}}},
	} {
		t.Run(name, func(t *testing.T) { expectPlansAgree(t, c) })
	}
}

func TestPlansOfRandomConvolutionsAgreeWithTheKernels(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 5))
	draw := func(from, to int) int { return from + rng.IntN(to-from+1) }
	for tried := 0; tried < 150; {
		groups := draw(1, 3)
		pair := func(from, to int) [2]int { return [2]int{draw(from, to), draw(from, to)} }
		c := convCase{
			x:    []int{draw(1, 9), groups * draw(1, 20), draw(1, 20), draw(1, 40)},
			opts: ConvOptions{Stride: pair(1, 3), Pad: pair(0, 3), Dilation: pair(1, 2), Groups: groups},
		}
		c.opts.Extra = [2]int{draw(-c.opts.Pad[0], 2), draw(-c.opts.Pad[1], 2)}
		c.w = []int{groups * draw(1, 20), c.x[1] / groups, draw(1, 4), draw(1, 4)}
		if _, err := c.opts.infer(c.x, c.w); err != nil {
			continue // the kernel is larger than the image
		}
		tried++
		t.Run(fmt.Sprintf("%v*%v{%v}", c.x, c.w, c.opts), func(t *testing.T) { expectPlansAgree(t, c) })
	}
}

// expectPlansAgree compares every plan of a convolution and its gradients with its kernel.
func expectPlansAgree(t *testing.T, c convCase) {
	t.Helper()
	rng := rand.New(rand.NewPCG(11, 13))
	team := blas.NewTeam(2)
	defer team.Close()
	g := gorgonia.NewGraph()
	node := func(name string, shape ...int) *gorgonia.Node {
		return variable(g, name, dense[float32](random(rng, shape...)))
	}
	x, w, b := node("x", c.x...), node("w", c.w...), node("b", c.w[0])
	y, err := Conv2D(x, w, b, c.opts)
	if err != nil {
		t.Fatal(err)
	}
	gy := node("gy", y.Shape()...)
	grads, err := y.Op().(gorgonia.SDOp).SymDiff(gorgonia.Nodes{x, w, b}, y, gy)
	if err != nil {
		t.Fatal(err)
	}
	opts, err := c.opts.normalised()
	if err != nil {
		t.Fatal(err)
	}
	geometry := newConvGeometry(opts, x.Shape(), w.Shape(), y.Shape())
	for kind, planned := range []struct {
		node *gorgonia.Node
		in   gorgonia.Nodes
	}{convOutput: {y, gorgonia.Nodes{x, w, b}}, convInput: {grads[0], gorgonia.Nodes{x, w, gy}}, convWeight: {grads[1], gorgonia.Nodes{x, w, gy}}} {
		var values []gorgonia.Value
		var arrays [][]float32
		for _, n := range planned.in {
			values, arrays = append(values, n.Value()), append(arrays, n.Value().Data().([]float32))
		}
		v, err := planned.node.Op().Do(values...)
		if err != nil {
			t.Fatal(err)
		}
		want := undense[float32](t, v)
		for _, workers := range []gonumMultiplier{{workers: 1}, {workers: 3, team: team}} {
			result := tensor.New(tensor.Of(tensor.Float32), tensor.WithShape(planned.node.Shape()...))
			out := result.Data().([]float32)
			columns, err := convKind(kind).planColumns(geometry, workers, out, arrays)
			if err != nil {
				t.Fatal(err)
			}
			direct, ok := planDirect(convKind(kind), geometry, notRectified, workers, out, arrays)
			if ok != hasDirect() {
				t.Fatalf("a direct plan: %v, expected %v", ok, hasDirect())
			}
			for _, run := range []func() error{columns, columns, direct, direct} { // a second run finds what the first one left
				if run == nil {
					continue
				}
				for i := range out {
					out[i] = float32(math.NaN())
				}
				if err := run(); err != nil {
					t.Fatal(err)
				}
				expectClose(t, planned.node.Op().String(), undense[float32](t, result), want, 1e-4)
			}
			for _, after := range []rectifier{byReLU, byReLU6} {
				if convKind(kind) == convWeight || !ok {
					break
				}
				rectified, _ := planDirect(convKind(kind), geometry, after, workers, out, arrays)
				if err := rectified(); err != nil {
					t.Fatal(err)
				}
				cut := slices.Clone(v.Data().([]float32))
				if convKind(kind) == convOutput {
					rectify(after, cut)
				} else {
					rectifyGrad(after, arrays[0], cut)
				}
				want := undense[float32](t, tensor.New(tensor.WithShape(planned.node.Shape()...), tensor.WithBacking(cut)))
				expectClose(t, "rectified", undense[float32](t, result), want, 1e-4)
			}
		}
	}
}

func TestPlanningAllocatesOnce(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 13))
	team := blas.NewTeam(2)
	defer team.Close()
	for _, c := range []convCase{
		{[]int{8, 4, 6, 6}, []int{8, 4, 3, 3}, ConvOptions{}},
		{[]int{8, 4, 6, 6}, []int{5, 4, 3, 3}, ConvOptions{}},
		{[]int{8, 4, 6, 6}, []int{8, 4, 1, 1}, ConvOptions{Stride: [2]int{2, 2}}},
	} {
		opts, err := c.opts.normalised()
		if err != nil {
			t.Fatal(err)
		}
		y, err := opts.infer(c.x, c.w)
		if err != nil {
			t.Fatal(err)
		}
		x, w, gy := random(rng, c.x...), random(rng, c.w...), random(rng, y...)
		for kind, shapes := range [][]array{convOutput: {gy, x, w}, convInput: {x, x, w, gy}, convWeight: {w, x, w, gy}} {
			var tensors []*tensor.Dense
			for _, a := range shapes {
				tensors = append(tensors, dense[float32](a))
			}
			run, err := convKind(kind).plan(opts, notRectified, gy.Shape, gonumMultiplier{2, team}, tensors[0], tensors[1:])
			if err != nil {
				t.Fatal(err)
			}
			if allocs := testing.AllocsPerRun(10, func() { _ = run() }); allocs > 0 {
				t.Errorf("%v: a run of kind %d allocates %v times, expected none", c, kind, allocs)
			}
		}
	}
}

// A line too long for places of 32 bits has no direct plan; the plan of columns then rectifies, too.
func TestPlansBeyondReachAreOfColumns(t *testing.T) {
	const far = 1 << 29
	x, w, gy := dense[float32](array{[]int{1, 1, 1, 2}, []float64{-1, 2}}), dense[float32](array{[]int{1, 1, 1, 2}, []float64{3, -5}}),
		dense[float32](array{[]int{1, 1, 1, 2}, []float64{1, 1}})
	opts, err := ConvOptions{Pad: [2]int{0, far}, Extra: [2]int{0, -far}, Dilation: [2]int{1, far}}.normalised()
	if err != nil {
		t.Fatal(err)
	}
	for kind, c := range []struct {
		in   []*tensor.Dense
		want []float32
	}{
		convOutput: {[]*tensor.Dense{x, w}, []float32{5, 0}}, // −5·x, cut off
		convInput:  {[]*tensor.Dense{x, w, gy}, []float32{0, -5}},
		convWeight: {[]*tensor.Dense{x, w, gy}, []float32{0, 1}},
	} {
		in, err := float32s(c.in)
		if err != nil {
			t.Fatal(err)
		}
		out, m := dense[float32](newArray(1, 1, 1, 2)), gonumMultiplier{workers: 1}
		after := byReLU
		if convKind(kind) == convWeight {
			after = notRectified
		}
		geometry := newConvGeometry(opts, x.Shape(), w.Shape(), gy.Shape())
		if _, ok := planDirect(convKind(kind), geometry, after, m, out.Data().([]float32), in); ok {
			t.Errorf("kind %d has a direct plan", kind)
		}
		run, err := convKind(kind).plan(opts, after, gy.Shape(), m, out, c.in)
		if err != nil {
			t.Fatal(err)
		}
		if err := run(); err != nil {
			t.Fatal(err)
		}
		if got := out.Data().([]float32); !slices.Equal(got, c.want) {
			t.Errorf("kind %d gives %v, expected %v", kind, got, c.want)
		}
	}
}

// Rectifiers that plans take in cut infinities off and hand NaN on, as those of their own do, in whole tiles of rows and in
// what is left of them.
func TestPlannedRectifiersKeepNaNAndCutInfinities(t *testing.T) {
	const filters = 13
	inf := math.Inf(1)
	special := []float64{math.NaN(), inf, -inf}
	x, w := dense[float32](newArray(2, 1, 3, 7)), dense[float32](newArray(filters, 1, 3, 3))
	bias := dense[float32](filled(func(i []int) float64 { return special[i[0]%3] }, filters))
	opts, err := ConvOptions{Pad: [2]int{1, 1}}.normalised()
	if err != nil {
		t.Fatal(err)
	}
	for after, want := range map[rectifier][]float64{byReLU: {math.NaN(), inf, 0}, byReLU6: {math.NaN(), 6, 0}} {
		out := dense[float32](newArray(2, filters, 3, 7))
		run, err := newConv(opts, after, 3).Plan(gonumMultiplier{workers: 1}, out, []*tensor.Dense{x, w, bias})
		if err != nil {
			t.Fatal(err)
		}
		if err := run(); err != nil {
			t.Fatal(err)
		}
		for i, v := range out.Data().([]float32) {
			if f := i / 21 % filters; float64(v) != want[f%3] && !(v != v && f%3 == 0) {
				t.Fatalf("%v: element %d of filter %d is %v, expected %v", after, i%21, f, v, want[f%3])
			}
		}
	}
}
