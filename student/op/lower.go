package op

import "rkd/models/onnx"

// lowering adds to a model the ONNX nodes (operator set 17, float32) that compute an operator. in names the operator's
// inputs, in its order; it returns the name of the output.
//
// An operator has one if it can stand in an inference graph, or if it is the operator of a gradient with a good ONNX
// form. The others run as kernels: BatchNorm and BatchStats with their gradients, because the runtime has no training
// kernel for them; the gradients of pooling and ReLU, because one pass over memory in Go is faster; and the weight
// gradient of a convolution.
type lowering func(b *onnx.Builder, in []string) string

// onnxNode is a single node of an ONNX operator with the same inputs.
func onnxNode(operator string, attrs ...onnx.Attr) lowering {
	return func(b *onnx.Builder, in []string) string { return b.Node(operator, in, attrs...) }
}

// pair is an attribute of two numbers, rows before columns.
func pair(name string, v [2]int) onnx.Attr { return onnx.Ints(name, int64(v[0]), int64(v[1])) }

// pads is padding of the same size before and after each axis.
func pads(v [2]int) onnx.Attr {
	return onnx.Ints("pads", int64(v[0]), int64(v[1]), int64(v[0]), int64(v[1]))
}
