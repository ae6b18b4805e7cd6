package op

import (
	"math/rand/v2"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/student/internal/blas"
)

// gonumMultiplier is a Multiplier for a number of workers.
type gonumMultiplier int

func (m gonumMultiplier) Workers() int { return int(m) }

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

func TestPlannedConvolutionsAgreeWithTheKernels(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 13))
	for name, c := range map[string]struct {
		x, w []int
		opts ConvOptions
	}{
		"one size":                {[]int{5, 3, 7, 9}, []int{4, 3, 3, 3}, ConvOptions{Pad: [2]int{1, 1}}},
		"samples left over":       {[]int{67, 16, 14, 14}, []int{4, 16, 3, 3}, ConvOptions{Pad: [2]int{1, 1}}},
		"kernel beyond the image": {[]int{3, 2, 3, 2}, []int{4, 2, 5, 5}, ConvOptions{Pad: [2]int{2, 2}}},
		"strides":                 {[]int{5, 3, 8, 9}, []int{4, 3, 3, 2}, ConvOptions{Stride: [2]int{2, 3}, Pad: [2]int{1, 0}}},
		"dilation":                {[]int{5, 3, 9, 9}, []int{4, 3, 3, 3}, ConvOptions{Dilation: [2]int{2, 1}, Pad: [2]int{2, 1}}},
		"groups":                  {[]int{5, 4, 6, 6}, []int{6, 2, 3, 3}, ConvOptions{Groups: 2}},
		"points":                  {[]int{5, 4, 6, 6}, []int{6, 4, 1, 1}, ConvOptions{}},
	} {
		t.Run(name, func(t *testing.T) {
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
			for what, planned := range map[string]struct {
				node    *gorgonia.Node
				planner Planner
				in      gorgonia.Nodes
			}{
				"y":  {y, y.Op().(Planner), gorgonia.Nodes{x, w, b}},
				"gx": {grads[0], grads[0].Op().(Planner), gorgonia.Nodes{x, w, gy}},
				"gw": {grads[1], grads[1].Op().(Planner), gorgonia.Nodes{x, w, gy}},
			} {
				var values []gorgonia.Value
				var tensors []*tensor.Dense
				for _, n := range planned.in {
					values, tensors = append(values, n.Value()), append(tensors, n.Value().(*tensor.Dense))
				}
				v, err := planned.node.Op().Do(values...)
				if err != nil {
					t.Fatal(err)
				}
				want := undense[float32](t, v)
				for _, workers := range []gonumMultiplier{1, 3} {
					out := tensor.New(tensor.Of(tensor.Float32), tensor.WithShape(planned.node.Shape()...))
					run, err := planned.planner.Plan(workers, out, tensors)
					if err != nil {
						t.Fatal(err)
					}
					for range 2 { // the second run finds what the first one left
						if err := run(); err != nil {
							t.Fatal(err)
						}
						expectClose(t, what, undense[float32](t, out), want, 1e-4)
					}
				}
			}
		})
	}
}

func TestPlanningAllocatesOnce(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 13))
	g := gorgonia.NewGraph()
	x := variable(g, "x", dense[float32](random(rng, 8, 4, 6, 6)))
	w := variable(g, "w", dense[float32](random(rng, 8, 4, 3, 3)))
	y, err := Conv2D(x, w, nil, ConvOptions{})
	if err != nil {
		t.Fatal(err)
	}
	out := tensor.New(tensor.Of(tensor.Float32), tensor.WithShape(y.Shape()...))
	run, err := y.Op().(Planner).Plan(gonumMultiplier(1), out, []*tensor.Dense{x.Value().(*tensor.Dense), w.Value().(*tensor.Dense)})
	if err != nil {
		t.Fatal(err)
	}
	if allocs := testing.AllocsPerRun(10, func() { _ = run() }); allocs > 0 {
		t.Errorf("a run allocates %v times, expected none", allocs)
	}
}
