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

// ToONNX adds the inference graph of net to b: input names the tensor with the samples, (N,Input...) float32 with any N; it
// returns the name of the embedding, (N,Dim). The weights become initializers under their own names.
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
	if !lowers(n) {
		return "", fmt.Errorf("%w: node %q is a %v", ErrOperator, n.Name(), n.Op())
	}
	var inputs []string
	for _, child := range children(n) {
		name, err := l.node(child)
		if err != nil {
			return "", err
		}
		inputs = append(inputs, name)
	}
	if lowerer, ok := n.Op().(op.Lowerer); ok {
		return lowerer.Lower(l.builder, inputs)
	}
	return l.builder.Node("Add", inputs), nil
}

// lowers says whether a node has an ONNX counterpart.
func lowers(n *gorgonia.Node) bool {
	_, ok := n.Op().(op.Lowerer)
	return ok || op.IsSum(n, children(n))
}

// children are the inputs of a node's operator, in its order.
func children(n *gorgonia.Node) []*gorgonia.Node {
	var list []*gorgonia.Node
	for it := n.Graph().From(n.ID()); it.Next(); {
		list = append(list, it.Node().(*gorgonia.Node))
	}
	for len(list) > 0 && len(list) < n.Op().Arity() { // a child that is given twice is listed once
		list = append(list, list[0])
	}
	return list
}
