package op

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gorgonia.org/gorgonia"
)

// Operators that are fused compute what the two do one after the other, bit by bit.
func TestFusedOperatorsComputeTheSame(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	pool := func(o PoolOptions) func(x *gorgonia.Node) (*gorgonia.Node, error) {
		return func(x *gorgonia.Node) (*gorgonia.Node, error) { return MaxPool2D(x, o) }
	}
	for name, c := range map[string]struct {
		below func(x *gorgonia.Node) (*gorgonia.Node, error) // before ReLU
		above func(x *gorgonia.Node) (*gorgonia.Node, error) // after it
		fused int
	}{
		"pooling of halves":     {above: pool(PoolOptions{Kernel: [2]int{2, 2}}), fused: 1},
		"pooling that overlaps": {above: pool(PoolOptions{Kernel: [2]int{3, 3}, Stride: [2]int{2, 2}, Pad: [2]int{1, 1}}), fused: 1},
	} {
		t.Run(name, func(t *testing.T) {
			g := gorgonia.NewGraph()
			x := variable(g, "x", dense[float32](random(rng, 4, 3, 9, 8)))
			y := x
			for _, layer := range []func(x *gorgonia.Node) (*gorgonia.Node, error){c.below, ReLU, c.above} {
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
			children := func(n *gorgonia.Node) (list []*gorgonia.Node) {
				for it := g.From(n.ID()); it.Next(); {
					list = append(list, it.Node().(*gorgonia.Node))
				}
				return list
			}
			do := func(op gorgonia.Op, of []*gorgonia.Node) []float32 {
				var in []gorgonia.Value
				for _, n := range of {
					in = append(in, value(n))
				}
				v, err := op.Do(in...)
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
				want := do(n.Op(), children(n))
				if f, ok := n.Op().(Fuser); ok {
					for _, inner := range children(n) {
						if inner.IsVar() {
							continue
						}
						op, of := f.Fuse(children(n), inner, children)
						if op == nil {
							continue
						}
						fused++
						got := do(op, of)
						if !slices.EqualFunc(got, want, func(a, b float32) bool {
							return math.Float32bits(a) == math.Float32bits(b) || a == 0 && b == 0
						}) {
							t.Errorf("%v gives %v, expected %v", op, got, want)
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

func float64s(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}
