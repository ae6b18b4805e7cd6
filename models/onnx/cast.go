package onnx

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"
)

// CastToFloat appends a node that casts an output of the graph to float32; the output keeps its name, and what it was
// is renamed inside the graph. An output that is float32 already is left alone.
func (m *Model) CastToFloat(output string) error {
	g := m.Proto.GetGraph()
	i := indexOf(g.GetOutput(), output)
	if i < 0 {
		return fmt.Errorf("casting output: %w %q, expected an output of the graph", ErrUnknownTensor, clip(output))
	}
	if describe(g.Output[i]).Elem == Float32 {
		return nil
	}
	if indexOf(g.Input, output) >= 0 {
		return fmt.Errorf("casting output %q: it is an input of the graph, expected a computed tensor", output)
	}
	raw := unusedName(g, output+"_raw")
	v := asFloat(g.Output[i])
	rename(g, output, raw)
	g.Output[i] = v
	g.Node = append(g.Node, castNode(g, raw, output, Float32))
	return nil
}

// CastFromFloat makes an input of the graph float32 and prepends a node that casts it to what the graph wants; the
// input keeps its name. An input that is float32 already is left alone.
func (m *Model) CastFromFloat(input string) error {
	g := m.Proto.GetGraph()
	i := indexOf(g.GetInput(), input)
	if i < 0 {
		return fmt.Errorf("casting input: %w %q, expected an input of the graph", ErrUnknownTensor, clip(input))
	}
	e := describe(g.Input[i]).Elem
	switch {
	case e == Float32:
		return nil
	case e == Undefined:
		return fmt.Errorf("casting input %q: the file does not say its element type", input)
	case indexOf(g.Output, input) >= 0:
		return fmt.Errorf("casting input %q: it is an output of the graph, expected an input only", input)
	}
	cast := unusedName(g, input+"_cast")
	v := asFloat(g.Input[i])
	rename(g, input, cast)
	g.Input[i] = v
	g.Node = slices.Insert(g.Node, 0, castNode(g, input, cast, e))
	return nil
}

func indexOf(vs []*ValueInfoProto, name string) int {
	return slices.IndexFunc(vs, func(v *ValueInfoProto) bool { return v.GetName() == name })
}

// asFloat is a value's description with elements of float32.
func asFloat(v *ValueInfoProto) *ValueInfoProto {
	v = proto.CloneOf(v)
	if tensor := v.GetType().GetTensorType(); tensor != nil {
		tensor.ElemType = new(int32(Float32))
	}
	return v
}

func castNode(g *GraphProto, from, to string, e ElemType) *NodeProto {
	return &NodeProto{
		Name:      proto.String(unusedName(g, to+"_node")),
		OpType:    proto.String("Cast"),
		Input:     []string{from},
		Output:    []string{to},
		Attribute: []*AttributeProto{Int("to", int64(e)).proto},
	}
}

// unusedName returns prefix, or prefix with underscores appended, such that no value of the graph has that name.
func unusedName(g *GraphProto, prefix string) string {
	taken := make(map[string]bool)
	collectNames(g, taken)
	for taken[prefix] {
		prefix += "_"
	}
	return prefix
}

func collectNames(g *GraphProto, names map[string]bool) {
	for name := range defined(g) {
		names[name] = true
	}
	for _, n := range g.GetNode() {
		names[n.GetName()] = true
		for _, input := range n.Input {
			names[input] = true
		}
		for sub := range graphs(n) {
			collectNames(sub, names)
		}
	}
}
