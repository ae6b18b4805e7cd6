package op

import (
	"fmt"

	"rkd/models/onnx"
)

// Lowerer is an operator's third face: it adds to a model the ONNX nodes (operator set 17, float32) that compute the same
// as Do. inputs are the names of its inputs' tensors, in the operator's order; it returns the name of its output. Every
// operator of this package that can stand in an inference graph is one, and every operator of a gradient that ONNX has a
// good form of. The others run as kernels: BatchNorm and BatchStats with their gradients, which the runtime has no training
// kernel for; the gradients of poolings and ReLU, which a pass over memory in Go beats; a convolution's weight gradient.
type Lowerer interface {
	Lower(b *onnx.Builder, inputs []string) (string, error)
}

// lowerTo adds one node of the ONNX operator.
func (o *operator) lowerTo(b *onnx.Builder, operator string, inputs []string, attrs ...onnx.Attr) (string, error) {
	if len(inputs) != o.Arity() {
		return "", fmt.Errorf("lowering %s: %d inputs, expected %d", o.name, len(inputs), o.Arity())
	}
	return b.Node(operator, inputs, attrs...), nil
}

// pair is an attribute of two numbers, rows before columns.
func pair(name string, v [2]int) onnx.Attr { return onnx.Ints(name, int64(v[0]), int64(v[1])) }

// pads is the padding, the same at the beginning and at the end of each axis.
func pads(v [2]int) onnx.Attr {
	return onnx.Ints("pads", int64(v[0]), int64(v[1]), int64(v[0]), int64(v[1]))
}

// Reshaper is an operator whose output is its input's elements in their order, in another shape: an engine need not copy.
type Reshaper interface{ Reshapes() }

// gradient is an operator of gradients with an ONNX form. It has no gradient itself.
type gradient struct {
	operator
	lower func(b *onnx.Builder, inputs []string) string
}

// Lower adds the operator's ONNX form.
func (l *gradient) Lower(b *onnx.Builder, inputs []string) (string, error) {
	if len(inputs) != l.Arity() {
		return "", fmt.Errorf("lowering %s: %d inputs, expected %d", l.name, len(inputs), l.Arity())
	}
	return l.lower(b, inputs), nil
}
