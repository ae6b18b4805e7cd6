package op

import (
	"math"
	"testing"

	"gorgonia.org/gorgonia"
)

func reluOp(in gorgonia.Nodes) (*gorgonia.Node, error) { return ReLU(in[0]) }

func reluSpecs() map[string]spec {
	s := spec{op: reluOp, reference: func(in []array) array {
		return filled(func(i []int) float64 { return math.Max(in[0].at(i...), 0) }, in[0].Shape...)
	}}
	return map[string]spec{"relu/matrix": s, "relu/images": s, "relu/zeros": s}
}

func TestReLUKeepsNaN(t *testing.T) {
	x := array{[]int{1, 3}, []float64{math.NaN(), math.Inf(-1), math.Inf(1)}}
	y := forward[float32](t, reluOp, []array{x})
	if !math.IsNaN(y.Data[0]) || y.Data[1] != 0 || !math.IsInf(y.Data[2], 1) {
		t.Errorf("ReLU(%v) = %v", x.Data, y.Data)
	}
}

func TestReLUGradientIsZeroWhereTheOutputIs(t *testing.T) {
	x := array{[]int{1, 3}, []float64{-1, 0, 1}}
	gy := array{[]int{1, 3}, []float64{math.Inf(1), math.NaN(), 3}}
	r := newGraph[float32](t, reluOp, []array{x}, []bool{false}, gy)
	expectClose(t, "gradient", undense[float32](t, r.grads[0]), array{[]int{1, 3}, []float64{0, 0, 3}}, 0)
}

func TestReLURefusesScalars(t *testing.T) {
	x := gorgonia.NewScalar(gorgonia.NewGraph(), gorgonia.Float32, gorgonia.WithName("x"))
	expectRejected(t, map[string]rejection{
		"scalar": {func(gorgonia.Nodes) (*gorgonia.Node, error) { return ReLU(x) }, nil, ErrShape},
	})
}
