package onnx

import "testing"

func TestComputedSaysWhatNodesMake(t *testing.T) {
	b := NewBuilder("test", 17)
	x := b.Input("input", Float32, "N", 4)
	hidden := b.Node("Relu", []string{x})
	b.NodeTo("embedding", "Neg", []string{hidden})
	b.Output("embedding", Float32, "N", 4)
	m, err := b.Model("test", "1")
	if err != nil {
		t.Fatal(err)
	}
	got := m.Computed()
	if len(got) != 2 {
		t.Fatalf("%d tensors, expected 2: %v", len(got), got)
	}
	if first := got[0]; first.Name != hidden || first.Op != "Relu" || first.Node != 0 || len(first.Readers) != 1 ||
		first.Readers[0] != "Neg" || first.Output {
		t.Errorf("first is %+v", first)
	}
	if last := got[1]; last.Name != "embedding" || len(last.Shape) != 2 || !last.Output || len(last.Readers) != 0 {
		t.Errorf("last is %+v", last)
	}
}
