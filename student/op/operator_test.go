package op

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// rejection is an operator with inputs that it must refuse.
type rejection struct {
	op     build
	shapes [][]int
	want   error
}

// expectRejected checks the error of each, and that it names the operator.
func expectRejected(t *testing.T, cases map[string]rejection) {
	t.Helper()
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			n, err := c.op(inputs(c.shapes...))
			if !errors.Is(err, c.want) {
				t.Fatalf("node %v, error %v, want %v", n, err, c.want)
			}
			if n != nil {
				t.Errorf("a node beside the error %v", err)
			}
		})
	}
}

// inputs are the nodes a, b, … of a new graph.
func inputs(shapes ...[]int) gorgonia.Nodes {
	g, rng := gorgonia.NewGraph(), rand.New(rand.NewPCG(7, 7))
	var nodes gorgonia.Nodes
	for i, s := range shapes {
		nodes = append(nodes, variable(g, string(rune('a'+i)), dense[float32](random(rng, s...))))
	}
	return nodes
}

// expectMerged checks whether Gorgonia takes f and g on the same inputs for one node.
func expectMerged(t *testing.T, want bool, f, g build, shapes ...[]int) {
	t.Helper()
	in := inputs(shapes...)
	a, err := f(in)
	if err != nil {
		t.Fatal(err)
	}
	b, err := g(in)
	if err != nil {
		t.Fatal(err)
	}
	if merged := a.Op().Hashcode() == b.Op().Hashcode(); merged != want {
		t.Errorf("%v and %v: equal hashes %t, want %t", a.Op(), b.Op(), merged, want)
	}
}

func TestEveryOperatorRefusesNilAndMixedTypes(t *testing.T) {
	eachSpec(t, func(t *testing.T, s spec, g golden) {
		graph := gorgonia.NewGraph()
		nodes := make(gorgonia.Nodes, len(g.Inputs))
		if n, err := s.op(nodes); !errors.Is(err, ErrShape) || n != nil {
			t.Errorf("nil inputs: node %v, error %v, want ErrShape", n, err)
		}
		for i, in := range g.Inputs {
			nodes[i] = variable(graph, string(rune('a'+i)), dense[float32](in))
		}
		if len(nodes) > 1 {
			nodes[1] = variable(graph, "other", dense[float64](g.Inputs[1]))
			if n, err := s.op(nodes); !errors.Is(err, ErrType) || n != nil {
				t.Errorf("mixed types: node %v, error %v, want ErrType", n, err)
			}
		}
	})
}

func TestIntegersAreRefused(t *testing.T) {
	x := gorgonia.NewTensor(gorgonia.NewGraph(), tensor.Int, 2, gorgonia.WithShape(2, 3), gorgonia.WithName("x"))
	if _, err := ReLU(x); !errors.Is(err, ErrType) {
		t.Errorf("error %v, want ErrType", err)
	}
}

func TestValuesThatDoNotFitAreRefusedAtRunTime(t *testing.T) {
	in := inputs([]int{2, 3}, []int{4, 3})
	y, err := Linear(in[0], in[1], nil)
	if err != nil {
		t.Fatal(err)
	}
	x, w := in[0].Value(), in[1].Value()
	transposed := x.(*tensor.Dense).Clone().(*tensor.Dense)
	if err := transposed.T(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		values []gorgonia.Value
		want   error
	}{
		"one input missing":   {[]gorgonia.Value{x}, ErrShape},
		"another shape":       {[]gorgonia.Value{x, x}, nil},
		"a wrong width":       {[]gorgonia.Value{x, dense[float32](newArray(4, 2))}, ErrShape},
		"mixed types":         {[]gorgonia.Value{x, dense[float64](newArray(4, 3))}, ErrType},
		"a transposed view":   {[]gorgonia.Value{dense[float32](newArray(5, 2)), transposed}, ErrType},
		"a view in its place": {[]gorgonia.Value{w, view(t, w)}, ErrType},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := y.Op().Do(c.values...); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
}

// view is a column range of a matrix: not contiguous.
func view(t *testing.T, v gorgonia.Value) gorgonia.Value {
	t.Helper()
	wide := dense[float32](newArray(v.Shape()[0], v.Shape()[1]+1))
	s, err := wide.Slice(nil, gorgonia.S(0, v.Shape()[1]))
	if err != nil {
		t.Fatal(err)
	}
	return s.(*tensor.Dense)
}

func TestGradientOperatorsAreNotDifferentiable(t *testing.T) {
	in := inputs([]int{2, 3, 4, 4})
	stats, err := BatchStats(in[0])
	if err != nil {
		t.Fatal(err)
	}
	op := stats.Op().(gorgonia.SDOp)
	if wrt := op.DiffWRT(1); len(wrt) != 1 || wrt[0] {
		t.Errorf("DiffWRT is %v, want one false", wrt)
	}
	if _, err := op.SymDiff(in, stats, stats); err == nil || !strings.Contains(err.Error(), "BatchStats") {
		t.Errorf("error %v, want one that names the operator", err)
	}
}

func TestOfKnowsTheSumOfGradients(t *testing.T) {
	in := inputs([]int{2, 3}, []int{2, 3}, []int{3})
	sum, err := gorgonia.Add(in[0], in[1])
	if err != nil {
		t.Fatal(err)
	}
	product, err := gorgonia.HadamardProd(in[0], in[1])
	if err != nil {
		t.Fatal(err)
	}
	if o := Of(sum); o == nil || o.String() != "Add" {
		t.Errorf("the operator of Gorgonia's sum is %v, expected Add", o)
	}
	if o := Of(product); o != nil {
		t.Errorf("the operator of Gorgonia's product is %v, expected none", o)
	}
}
