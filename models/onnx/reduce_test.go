package onnx

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReduceByInput(t *testing.T) {
	b := NewBuilder("lengths", 17)
	x := b.Input("x", Float32, "N", 4)
	b.NodeTo("length", "ReduceL2", []string{x}, Ints("axes", 1), Int("keepdims", 1))
	b.NodeTo("all", "ReduceL2", []string{"length"}, Int("keepdims", 1))
	b.Output("all", Float32, "N", 1)
	m, err := b.Model("test", "1")
	if err != nil {
		t.Fatal(err)
	}
	m.ReduceByInput()
	if err := m.Check(); err != nil {
		t.Fatal(err)
	}
	g := m.Proto.Graph
	if n := g.Node[0]; len(n.Input) != 2 || len(n.Attribute) != 1 || n.Input[1] != g.Initializer[0].GetName() {
		t.Errorf("%v, expected its axes as an input", n)
	}
	if diff := cmp.Diff([]int64{1}, g.Initializer[0].Int64Data); diff != "" {
		t.Errorf("axes (-want +got):\n%s", diff)
	}
	if n := g.Node[1]; len(n.Input) != 1 || len(g.Initializer) != 1 {
		t.Errorf("%v, expected it as it was", n)
	}
}
