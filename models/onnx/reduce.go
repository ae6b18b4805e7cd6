package onnx

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"
)

// ReduceByInput gives the nodes ReduceL2, which have their axes as an attribute up to operator set 17, the form of 18:
// axes as an input.
func (m *Model) ReduceByInput() {
	g := m.Proto.Graph
	for i, n := range g.Node {
		at := slices.IndexFunc(n.Attribute, func(a *AttributeProto) bool { return a.GetName() == "axes" })
		if n.GetOpType() != "ReduceL2" || at < 0 {
			continue
		}
		axes := n.Attribute[at].Ints
		name := fmt.Sprintf("%s.axes_%d", n.GetName(), i)
		g.Initializer = append(g.Initializer, &TensorProto{
			Name: &name, DataType: proto.Int32(int32(Int64)), Dims: []int64{int64(len(axes))}, Int64Data: slices.Clone(axes),
		})
		n.Attribute = slices.Delete(n.Attribute, at, at+1)
		n.Input = append(n.Input, name)
	}
}
