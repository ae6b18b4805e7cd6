package engine

import (
	"errors"
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/models/onnx"
	"rkd/student/arch"
	"rkd/student/op"
)

// ErrOperator reports a node whose operator has no ONNX counterpart.
var ErrOperator = errors.New("operator cannot be lowered to ONNX")

// ToONNX adds the inference graph of net to b: input names the tensor with the samples, (N,Input...) float32 with any
// N; it returns the name of the embedding, (N,Dim). The weights become initializers under their own names.
func ToONNX(b *onnx.Builder, input string, net *arch.Network, weights *arch.Weights) (string, error) {
	shape := append(tensor.Shape{1}, net.Input...)
	x := gorgonia.NewTensor(gorgonia.NewGraph(), tensor.Float32, len(shape), gorgonia.WithShape(shape...),
		gorgonia.WithName("input"))
	graph, err := net.Build(x, weights, false)
	if err != nil {
		return "", err
	}
	l := &lowering{builder: b, names: map[*gorgonia.Node]string{x: input}, leaf: func(n *gorgonia.Node) (string, error) {
		if !n.IsVar() {
			return "", nil
		}
		value, ok := n.Value().(*tensor.Dense)
		if !ok {
			return "", fmt.Errorf("%w: input %q has no value", ErrOperator, n.Name())
		}
		return b.Float32(n.Name(), value.Shape(), value.Data().([]float32)), nil
	}}
	return l.node(graph.Embedding)
}

// lowering walks a graph from an output to its inputs and adds each node once.
type lowering struct {
	builder *onnx.Builder
	names   map[*gorgonia.Node]string // of the tensors that nodes have become
	// leaf returns the name of the tensor of a node at which the walk ends, and "" for one to be computed here.
	leaf func(n *gorgonia.Node) (string, error)
}

func (l *lowering) node(n *gorgonia.Node) (string, error) {
	if name, ok := l.names[n]; ok {
		return name, nil
	}
	name, err := l.add(n)
	if err != nil {
		return "", err
	}
	l.names[n] = name
	return name, nil
}

func (l *lowering) add(n *gorgonia.Node) (string, error) {
	if name, err := l.leaf(n); name != "" || err != nil {
		return name, err
	}
	operator := op.Of(n)
	if operator == nil || !operator.Lowers() {
		return "", fmt.Errorf("%w: node %q is a %v", ErrOperator, n.Name(), n.Op())
	}
	var inputs []string
	for _, child := range op.Inputs(n) {
		name, err := l.node(child)
		if err != nil {
			return "", err
		}
		inputs = append(inputs, name)
	}
	return operator.Lower(l.builder, inputs)
}
