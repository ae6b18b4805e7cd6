package onnx

import (
	"slices"

	"google.golang.org/protobuf/proto"
)

// Part is the part of the model that the named tensors depend on, with exactly these as outputs: Tap on a copy. The
// copy shares nodes and tensors with m, whose lists of them do not change; do not modify either in place.
//
// Errors are those of Tap.
func (m *Model) Part(names ...string) (*Model, error) {
	g := m.Proto.GetGraph()
	part := &Model{Dir: m.Dir, Proto: &ModelProto{
		IrVersion:   m.Proto.IrVersion,
		OpsetImport: m.Proto.OpsetImport,
		Functions:   m.Proto.Functions,
		Graph: &GraphProto{
			Name:              proto.String(g.GetName()),
			Node:              slices.Clone(g.GetNode()),
			Initializer:       slices.Clone(g.GetInitializer()),
			SparseInitializer: slices.Clone(g.GetSparseInitializer()),
			Input:             slices.Clone(g.GetInput()),
			Output:            slices.Clone(g.GetOutput()),
			ValueInfo:         slices.Clone(g.GetValueInfo()),
		},
	}}
	if err := part.Tap(names...); err != nil {
		return nil, err
	}
	return part, nil
}

// Opset is the version of the standard operator set that the model's nodes are of; 1 where the file does not say.
func (m *Model) Opset() int64 {
	for _, o := range m.Proto.GetOpsetImport() {
		if domain(o.GetDomain()) == "" {
			return o.GetVersion()
		}
	}
	return 1
}
