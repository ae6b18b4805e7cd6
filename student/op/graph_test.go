package op

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/student/internal/blas"
)

// array is a tensor of the tests: what the references compute with and what the golden file holds.
type array struct {
	Shape []int     `json:"shape"`
	Data  []float64 `json:"data"`
}

func newArray(shape ...int) array {
	return array{shape, make([]float64, tensor.Shape(shape).TotalSize())}
}

// offset is the position of an element in Data.
func (a array) offset(index ...int) int {
	at := 0
	for axis, i := range index {
		at = at*a.Shape[axis] + i
	}
	return at
}

// at is an element.
func (a array) at(index ...int) float64 { return a.Data[a.offset(index...)] }

// filled is the array of a shape whose elements f gives.
func filled(f func(index []int) float64, shape ...int) array {
	a := newArray(shape...)
	index := make([]int, len(shape))
	for i := range a.Data {
		a.Data[i] = f(index)
		for axis := len(index) - 1; axis >= 0; axis-- {
			if index[axis]++; index[axis] < shape[axis] {
				break
			}
			index[axis] = 0
		}
	}
	return a
}

// dense is a as a tensor of element type T.
func dense[T blas.Float](a array) *tensor.Dense {
	data := make([]T, len(a.Data))
	for i, v := range a.Data {
		data[i] = T(v)
	}
	return tensor.New(tensor.WithShape(a.Shape...), tensor.WithBacking(data))
}

// undense is the opposite of dense.
func undense[T blas.Float](tb testing.TB, v gorgonia.Value) array {
	tb.Helper()
	data, err := elements[T](v)
	if err != nil {
		tb.Fatal(err)
	}
	a := newArray(v.Shape()...)
	for i, x := range data {
		a.Data[i] = float64(x)
	}
	return a
}

// random is an array of normally distributed elements.
func random(rng *rand.Rand, shape ...int) array {
	return filled(func([]int) float64 { return rng.NormFloat64() }, shape...)
}

// variable is an input of a graph that holds v.
func variable(g *gorgonia.ExprGraph, name string, v *tensor.Dense) *gorgonia.Node {
	return gorgonia.NewTensor(g, v.Dtype(), v.Dims(), gorgonia.WithShape(v.Shape()...), gorgonia.WithName(name),
		gorgonia.WithValue(v))
}

// build is an operator under test: inputs to output.
type build func(inputs gorgonia.Nodes) (*gorgonia.Node, error)

// graph is an operator in a graph, with its gradients, compiled.
type graph struct {
	*gorgonia.ExprGraph
	y      *gorgonia.Node
	output gorgonia.Value
	grads  []gorgonia.Value // nil for a constant
	vm     gorgonia.VM
}

// newGraph compiles f on the inputs and its gradients from gy on, except for those inputs that are constants.
func newGraph[T blas.Float](tb testing.TB, f build, inputs []array, constant []bool, gy array) *graph {
	tb.Helper()
	g := &graph{ExprGraph: gorgonia.NewGraph(), grads: make([]gorgonia.Value, len(inputs))}
	var nodes, wrt gorgonia.Nodes
	var position []int
	for i, in := range inputs {
		n := variable(g.ExprGraph, string(rune('a'+i)), dense[T](in))
		nodes = append(nodes, n)
		if !constant[i] {
			wrt, position = append(wrt, n), append(position, i)
		}
	}
	var err error
	if g.y, err = f(nodes); err != nil {
		tb.Fatal(err)
	}
	start, err := Bridge(g.y, func(_, out gorgonia.Value) error { return tensor.Copy(out.(*tensor.Dense), dense[T](gy)) })
	if err != nil {
		tb.Fatal(err)
	}
	grads, err := gorgonia.Backpropagate(gorgonia.Nodes{g.y}, gorgonia.Nodes{start}, wrt)
	if err != nil {
		tb.Fatal(err)
	}
	outputs := gorgonia.Nodes{gorgonia.Read(g.y, &g.output)}
	for i, n := range grads {
		outputs = append(outputs, gorgonia.Read(n, &g.grads[position[i]]))
	}
	program, locations, err := gorgonia.CompileFunction(g.ExprGraph, nodes, outputs)
	if err != nil {
		tb.Fatal(err)
	}
	g.vm = gorgonia.NewTapeMachine(g.ExprGraph, gorgonia.WithPrecompiled(program, locations))
	tb.Cleanup(func() { _ = g.vm.Close() })
	g.run(tb)
	return g
}

// run executes the graph once.
func (g *graph) run(tb testing.TB) {
	tb.Helper()
	if err := g.vm.RunAll(); err != nil {
		tb.Fatal(err)
	}
	g.vm.Reset()
}

// forward is f on the inputs, without gradients.
func forward[T blas.Float](tb testing.TB, f build, inputs []array) array {
	tb.Helper()
	g := gorgonia.NewGraph()
	var nodes gorgonia.Nodes
	for i, in := range inputs {
		nodes = append(nodes, variable(g, string(rune('a'+i)), dense[T](in)))
	}
	y, err := f(nodes)
	if err != nil {
		tb.Fatal(err)
	}
	vm := gorgonia.NewTapeMachine(g)
	defer func() { _ = vm.Close() }()
	if err := vm.RunAll(); err != nil {
		tb.Fatal(err)
	}
	return undense[T](tb, y.Value())
}

// golden is one case of PyTorch's.
type golden struct {
	Inputs []array  `json:"inputs"`
	GY     array    `json:"gy"`
	Output array    `json:"output"`
	Grads  []*array `json:"grads"` // nil for a constant
}

func (g golden) constants() []bool {
	constant := make([]bool, len(g.Grads))
	for i, grad := range g.Grads {
		constant[i] = grad == nil
	}
	return constant
}

func readGolden(tb testing.TB) map[string]golden {
	tb.Helper()
	cases := map[string]golden{}
	for _, file := range []string{"op_golden.json", "layer_golden.json", "graph_golden.json", "imported_golden.json"} {
		data, err := os.ReadFile(filepath.Join("testdata", file))
		if err == nil {
			err = json.Unmarshal(data, &cases)
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	return cases
}

// expectClose compares element by element, relative to the larger of 1 and want's largest element.
func expectClose(tb testing.TB, what string, got, want array, tolerance float64) {
	tb.Helper()
	if !tensor.Shape(got.Shape).Eq(tensor.Shape(want.Shape)) {
		tb.Fatalf("%s: shape %v, want %v", what, got.Shape, want.Shape)
	}
	scale := 1.0
	for _, v := range want.Data {
		scale = max(scale, math.Abs(v))
	}
	for i, v := range want.Data {
		if !(math.Abs(got.Data[i]-v) <= tolerance*scale) {
			tb.Fatalf("%s: element %d of %v is %v, want %v within %g", what, i, got.Shape, got.Data[i], v, tolerance*scale)
		}
	}
}
