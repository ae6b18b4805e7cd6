package op

import (
	"math"
	"testing"

	"gorgonia.org/gorgonia"
)

func leakyReLUOp(slope float64) build {
	return func(in gorgonia.Nodes) (*gorgonia.Node, error) { return LeakyReLU(in[0], slope) }
}

// unary is an operator without attributes.
func unary(f func(*gorgonia.Node) (*gorgonia.Node, error)) build {
	return func(in gorgonia.Nodes) (*gorgonia.Node, error) { return f(in[0]) }
}

// activation is a pointwise operator and its formula.
type activation struct {
	op    build
	value func(float64) float64
}

func activations() map[string]activation {
	phi := func(x float64) float64 { return (1 + math.Erf(x/math.Sqrt2)) / 2 }
	return map[string]activation{
		"relu6":      {unary(ReLU6), func(x float64) float64 { return math.Min(math.Max(x, 0), 6) }},
		"leaky relu": {leakyReLUOp(0.1), func(x float64) float64 { return math.Max(x, 0) + 0.1*math.Min(x, 0) }},
		"gelu":       {unary(GELU), func(x float64) float64 { return x * phi(x) }},
		"silu":       {unary(SiLU), func(x float64) float64 { return x / (1 + math.Exp(-x)) }},
		"hard swish": {unary(HardSwish), func(x float64) float64 { return x * math.Min(math.Max(x/6+0.5, 0), 1) }},
		"sigmoid":    {unary(Sigmoid), func(x float64) float64 { return (1 + math.Tanh(x/2)) / 2 }},
		"tanh":       {unary(Tanh), func(x float64) float64 { return 1 - 2/(math.Exp(2*x)+1) }},
	}
}

func activationSpecs() map[string]spec {
	all := map[string]spec{}
	for name, a := range activations() {
		s := spec{op: a.op, reference: func(in []array) array {
			return filled(func(i []int) float64 { return a.value(in[0].at(i...)) }, in[0].Shape...)
		}}
		all[name+"/matrix"], all[name+"/images"] = s, s
	}
	return all
}

// Far from 0 every activation is a constant or x itself, and so is its slope: nothing overflows on the way.
func TestActivationsFarFromZero(t *testing.T) {
	for name, want := range map[string]struct{ below, belowSlope, above, aboveSlope float64 }{
		"relu6":      {0, 0, 6, 0},
		"leaky relu": {-100, 0.1, 1000, 1},
		"gelu":       {0, 0, 1000, 1},
		"silu":       {0, 0, 1000, 1},
		"hard swish": {0, 0, 1000, 1},
		"sigmoid":    {0, 0, 1, 0},
		"tanh":       {-1, 0, 1, 0},
	} {
		x, gy := array{[]int{2}, []float64{-1000, 1000}}, array{[]int{2}, []float64{1, 1}}
		r := newGraph[float32](t, activations()[name].op, []array{x}, []bool{false}, gy)
		expectClose(t, name, undense[float32](t, r.output), array{[]int{2}, []float64{want.below, want.above}}, 1e-6)
		expectClose(t, name+"'s slope", undense[float32](t, r.grads[0]),
			array{[]int{2}, []float64{want.belowSlope, want.aboveSlope}}, 1e-6)
	}
}

func TestActivationsKeepNaN(t *testing.T) {
	x := array{[]int{1}, []float64{math.NaN()}}
	for name, a := range activations() {
		if y := forward[float32](t, a.op, []array{x}); !math.IsNaN(y.Data[0]) {
			t.Errorf("%s of NaN is %v", name, y.Data[0])
		}
	}
}

func TestReLU6HasNoGradientAtItsEnds(t *testing.T) {
	x, gy := array{[]int{4}, []float64{0, 1, 6, 7}}, array{[]int{4}, []float64{5, 5, 5, 5}}
	r := newGraph[float32](t, unary(ReLU6), []array{x}, []bool{false}, gy)
	expectClose(t, "gradient", undense[float32](t, r.grads[0]), array{[]int{4}, []float64{0, 5, 0, 0}}, 0)
}

func TestActivationsRefuseWhatDoesNotFit(t *testing.T) {
	scalar := gorgonia.NewScalar(gorgonia.NewGraph(), gorgonia.Float32, gorgonia.WithName("x"))
	cases := map[string]rejection{
		"slope 0":   {leakyReLUOp(0), [][]int{{2}}, ErrOption},
		"slope 1":   {leakyReLUOp(1), [][]int{{2}}, ErrOption},
		"slope NaN": {leakyReLUOp(math.NaN()), [][]int{{2}}, ErrOption},
	}
	for name, a := range activations() {
		cases[name+" of a scalar"] = rejection{
			func(gorgonia.Nodes) (*gorgonia.Node, error) { return a.op(gorgonia.Nodes{scalar}) }, nil, ErrShape,
		}
		cases[name+" of nothing"] = rejection{
			func(gorgonia.Nodes) (*gorgonia.Node, error) { return a.op(gorgonia.Nodes{nil}) }, nil, ErrShape,
		}
	}
	expectRejected(t, cases)
}

func TestLeakyReLUsThatDifferInSlopeAreTwoNodes(t *testing.T) {
	expectMerged(t, false, leakyReLUOp(0.1), leakyReLUOp(0.2), []int{2, 3})
	expectMerged(t, true, leakyReLUOp(0.1), leakyReLUOp(0.1), []int{2, 3})
}

func softmaxSpecs() map[string]spec {
	s := spec{op: unary(Softmax), reference: func(in []array) array {
		x := in[0]
		last := len(x.Shape) - 1
		return filled(func(i []int) float64 { // 1/Σ_k exp(x_k − x_i)
			var sum float64
			at := append([]int(nil), i...)
			for k := range x.Shape[last] {
				at[last] = k
				sum += math.Exp(x.at(at...) - x.at(i...))
			}
			return 1 / sum
		}, x.Shape...)
	}}
	return map[string]spec{
		"softmax/matrix": s, "softmax/images": s, "softmax/vector": s, "softmax/large": s, "softmax/one column": s,
	}
}

func BenchmarkActivation(b *testing.B) {
	for name, a := range activations() {
		b.Run(name, func(b *testing.B) {
			in := inputs([]int{64, 16, 48, 48})
			y, err := a.op(in)
			if err != nil {
				b.Fatal(err)
			}
			out := dense[float32](newArray(64, 16, 48, 48))
			b.SetBytes(4 * 64 * 16 * 48 * 48)
			for b.Loop() {
				if _, err := y.Op().(gorgonia.UsePreallocDoer).UsePreallocDo(out, in[0].Value()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
