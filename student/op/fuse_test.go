package op

import (
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/student/internal/conv"
)

// Operators that are fused compute what the two do one after the other, bit by bit, whatever their output held and on
// however many processors.
func TestFusedOperatorsComputeTheSame(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	rng := rand.New(rand.NewPCG(7, 7))
	pool := func(o PoolOptions) func(x *gorgonia.Node) (*gorgonia.Node, error) {
		return func(x *gorgonia.Node) (*gorgonia.Node, error) { return MaxPool2D(x, o) }
	}
	norm := func(x *gorgonia.Node) (*gorgonia.Node, error) {
		gamma := variable(x.Graph(), "gamma", dense[float32](random(rng, 3)))
		beta := variable(x.Graph(), "beta", dense[float32](random(rng, 3)))
		return batchNormOp(1e-5)(gorgonia.Nodes{x, gamma, beta})
	}
	residual := func(x *gorgonia.Node) (*gorgonia.Node, error) {
		y, err := norm(x)
		if err != nil {
			return nil, err
		}
		return Add(x, y)
	}
	convolution := func(x *gorgonia.Node) (*gorgonia.Node, error) {
		w, b := variable(x.Graph(), "w", dense[float32](random(rng, 3, 3, 3, 3))),
			variable(x.Graph(), "b", dense[float32](random(rng, 3)))
		return Conv2D(x, w, b, ConvOptions{Pad: [2]int{1, 1}})
	}
	both := 0 // a convolution with its activation, and the next one's input gradient with the mask
	if conv.HasDirect() {
		both = 2
	}
	for name, c := range map[string]struct {
		below func(x *gorgonia.Node) (*gorgonia.Node, error) // before the activation
		by    func(x *gorgonia.Node) (*gorgonia.Node, error) // the activation, ReLU if nil
		above func(x *gorgonia.Node) (*gorgonia.Node, error) // after it
		fused int
	}{
		"convolutions":                         {below: convolution, above: convolution, fused: both},
		"convolutions and ReLU6":               {below: convolution, by: ReLU6, above: convolution, fused: both},
		"normalisation":                        {below: norm, fused: 3}, // forward, its sums and its input's gradient
		"normalisation and a sum":              {below: residual, fused: 1},
		"normalisation and pooling of halves":  {below: norm, above: pool(square2), fused: 5},
		"normalisation and pooling of maxima":  {below: norm, above: pool(overlapping), fused: 2},
		"normalisation and pooling of others":  {below: norm, above: avgPoolOf(overlapping), fused: 3},
		"normalisation and then normalisation": {below: norm, above: norm, fused: 3},
		"pooling of halves":                    {above: pool(square2), fused: 2},
		"pooling that overlaps":                {above: pool(overlapping), fused: 1},
	} {
		t.Run(name, func(t *testing.T) {
			if c.by == nil {
				c.by = ReLU
			}
			g := gorgonia.NewGraph()
			x := variable(g, "x", dense[float32](random(rng, 4, 3, 9, 8)))
			y := x
			for _, layer := range []func(x *gorgonia.Node) (*gorgonia.Node, error){c.below, c.by, c.above} {
				if layer == nil {
					continue
				}
				var err error
				if y, err = layer(y); err != nil {
					t.Fatal(err)
				}
			}
			gy := variable(g, "gy", dense[float32](random(rng, y.Shape()...)))
			grads, err := gorgonia.Backpropagate(gorgonia.Nodes{y}, gorgonia.Nodes{gy}, gorgonia.Nodes{x})
			if err != nil {
				t.Fatal(err)
			}
			fused := 0
			values := make(map[*gorgonia.Node]gorgonia.Value)
			var value func(n *gorgonia.Node) gorgonia.Value
			do := func(op gorgonia.Op, of []*gorgonia.Node, shape tensor.Shape) []float32 {
				var in []gorgonia.Value
				for _, n := range of {
					in = append(in, value(n))
				}
				dirty := dense[float32](filled(func([]int) float64 { return math.NaN() }, shape...))
				v, err := op.(gorgonia.UsePreallocDoer).UsePreallocDo(dirty, in...)
				if err != nil {
					t.Fatal(err)
				}
				return v.Data().([]float32)
			}
			value = func(n *gorgonia.Node) gorgonia.Value {
				if v, ok := values[n]; ok {
					return v
				}
				if n.IsVar() {
					return n.Value()
				}
				want := do(n.Op(), Inputs(n), n.Shape())
				if f := Of(n); f != nil {
					for _, inner := range Inputs(n) {
						if inner.IsVar() {
							continue
						}
						op, of := f.Fuse(Site{Node: n, Inner: inner, Exclusive: true})
						if op == nil {
							continue
						}
						fused++
						for _, processors := range []int{1, 5} {
							runtime.GOMAXPROCS(processors)
							if got := do(op, of, n.Shape()); !slices.EqualFunc(got, want, func(a, b float32) bool {
								return math.Float32bits(a) == math.Float32bits(b) || a == 0 && b == 0
							}) {
								t.Errorf("%v gives %v on %d processors, expected %v", op, got, processors, want)
							}
						}
					}
				}
				values[n] = dense[float32](array{n.Shape(), float64s(want)})
				return values[n]
			}
			value(y)
			value(grads[0])
			if fused != c.fused {
				t.Errorf("%d operators were fused, expected %d", fused, c.fused)
			}
		})
	}
}

func avgPoolOf(o PoolOptions) func(x *gorgonia.Node) (*gorgonia.Node, error) {
	return func(x *gorgonia.Node) (*gorgonia.Node, error) { return AvgPool2D(x, o) }
}

func float64s(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}
