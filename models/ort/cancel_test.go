package ort

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"rkd/models/onnx"
)

// endless is a model whose only node loops for 2⁶³ iterations: y = x, added to itself again and again.
func endless(t *testing.T) *onnx.Model {
	t.Helper()
	elem := func(name string, e onnx.ElemType, dims ...any) *onnx.ValueInfoProto {
		shape := new(onnx.TensorShapeProto)
		for _, d := range dims {
			shape.Dim = append(shape.Dim, &onnx.TensorShapeProto_Dimension{
				Value: &onnx.TensorShapeProto_Dimension_DimValue{DimValue: int64(d.(int))},
			})
		}
		return &onnx.ValueInfoProto{Name: &name, Type: &onnx.TypeProto{Value: &onnx.TypeProto_TensorType{
			TensorType: &onnx.TypeProto_Tensor{ElemType: new(int32(e)), Shape: shape},
		}}}
	}
	body := &onnx.GraphProto{
		Name: new("body"),
		Input: []*onnx.ValueInfoProto{
			elem("iteration", onnx.Int64), elem("go_on", onnx.Bool), elem("before", onnx.Float32, 1, 4),
		},
		Node: []*onnx.NodeProto{
			{OpType: new("Identity"), Input: []string{"go_on"}, Output: []string{"going_on"}},
			{OpType: new("Add"), Input: []string{"before", "before"}, Output: []string{"after"}},
		},
		Output: []*onnx.ValueInfoProto{elem("going_on", onnx.Bool), elem("after", onnx.Float32, 1, 4)},
	}
	b := onnx.NewBuilder("endless", 17)
	x := b.Input("x", onnx.Float32, 1, 4)
	iterations := b.Int64("iterations", nil, []int64{math.MaxInt64})
	b.NodeTo("y", "Identity", []string{x})
	b.Output("y", onnx.Float32, 1, 4)
	m, err := b.Model("test", "1")
	if err != nil {
		t.Fatal(err)
	}
	m.Proto.Graph.Node = []*onnx.NodeProto{{
		OpType: new("Loop"), Input: []string{iterations, "", x}, Output: []string{"y"},
		Attribute: []*onnx.AttributeProto{{Name: new("body"), Type: onnx.AttributeProto_GRAPH.Enum(), G: body}},
	}}
	return m
}

func TestAnEndlessModelEndsWithTheContext(t *testing.T) {
	s := session(t, endless(t), Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		done <- s.Run(ctx, []Value{tensor(t, make([]float32, 4), 1, 4)}, make([]Value, 1))
	}()
	select {
	case err := <-done:
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the context's error", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("the model still runs a minute after its context has ended")
	}
}

func TestRunAfterACancelledOne(t *testing.T) {
	s := session(t, loadModel(t, "conv_bn.onnx"), Options{})
	g := readGolden(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Run(ctx, []Value{tensor(t, g.Input, 2, 1, 6, 6)}, make([]Value, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
	run(t, s, tensor(t, g.Input, 2, 1, 6, 6))
}
