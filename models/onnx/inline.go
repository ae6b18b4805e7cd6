package onnx

import (
	"fmt"
	"slices"
	"strconv"

	"google.golang.org/protobuf/proto"
)

// mostInlined bounds the nodes that inlining makes: nested functions multiply.
const mostInlined = 1 << 17

// Inlined is the model with every call of a model-local function replaced by the function's nodes, those of functions
// that it calls included; m itself if it has no functions. The copy shares nodes and tensors with m, which does not
// change; do not modify either in place. Tensors and nodes inside a function are named "call/inner", where call is the
// name of the node that calls it.
//
// Errors wrap ErrFormat: a function that calls itself, is declared twice, holds a subgraph, or is written for another
// version of the standard operator set than the model, and a call with more inputs or outputs than its function has.
func (m *Model) Inlined() (*Model, error) {
	if len(m.Proto.GetFunctions()) == 0 {
		return m, nil
	}
	in := &inliner{opset: m.Opset(), functions: make(map[functionKey]*FunctionProto), names: make(map[string]bool)}
	for _, f := range m.Proto.Functions {
		key := functionKey{domain(f.GetDomain()), f.GetName(), f.GetOverload()}
		if in.functions[key] != nil {
			return nil, fmt.Errorf("%w: function %q is declared twice", ErrFormat, clip(f.GetName()))
		}
		in.functions[key] = f
	}
	g := m.Proto.GetGraph()
	for name := range defined(g) {
		in.names[name] = true
	}
	if err := in.add(g.GetNode(), nil); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	inlined := &Model{Dir: m.Dir, source: m.source, Proto: &ModelProto{
		IrVersion: m.Proto.IrVersion, ProducerName: m.Proto.ProducerName, ProducerVersion: m.Proto.ProducerVersion,
		Domain: m.Proto.Domain, ModelVersion: m.Proto.ModelVersion, DocString: m.Proto.DocString,
		OpsetImport: m.Proto.OpsetImport, MetadataProps: m.Proto.MetadataProps,
		Graph: &GraphProto{
			Node: in.nodes, Name: g.Name, DocString: g.DocString, Initializer: g.GetInitializer(), Input: g.GetInput(),
			Output: g.GetOutput(), ValueInfo: g.GetValueInfo(), SparseInitializer: g.GetSparseInitializer(),
		},
	}}
	return inlined, nil
}

type functionKey struct{ domain, name, overload string }

// inliner collects the nodes of a graph without calls.
type inliner struct {
	opset     int64
	functions map[functionKey]*FunctionProto
	names     map[string]bool // of tensors
	nodes     []*NodeProto
}

// add appends nodes; calling lists the functions whose bodies they are of.
func (in *inliner) add(nodes []*NodeProto, calling []*FunctionProto) error {
	for _, n := range nodes {
		f := in.functions[functionKey{domain(n.GetDomain()), n.GetOpType(), n.GetOverload()}]
		if f == nil {
			if len(in.nodes) == mostInlined {
				return fmt.Errorf("the functions make more than %d nodes", mostInlined)
			}
			in.nodes = append(in.nodes, n)
			continue
		}
		if slices.Contains(calling, f) {
			return fmt.Errorf("function %q calls itself", clip(f.GetName()))
		}
		body, err := in.body(f, n)
		if err != nil {
			return fmt.Errorf("node %q: function %q: %w", clip(n.GetName()), clip(f.GetName()), err)
		}
		if err := in.add(body, append(slices.Clone(calling), f)); err != nil {
			return err
		}
	}
	return nil
}

// body is a function's nodes for one call.
func (in *inliner) body(f *FunctionProto, call *NodeProto) ([]*NodeProto, error) {
	if len(call.Input) > len(f.Input) || len(call.Output) > len(f.Output) {
		return nil, fmt.Errorf("called with %d inputs and %d outputs, expected at most %d and %d",
			len(call.Input), len(call.Output), len(f.Input), len(f.Output))
	}
	for _, o := range f.GetOpsetImport() {
		if domain(o.GetDomain()) == "" && o.GetVersion() != in.opset {
			return nil, fmt.Errorf("written for version %d of the standard operator set, expected %d as the model",
				o.GetVersion(), in.opset)
		}
	}
	prefix := call.GetName()
	if prefix == "" {
		prefix = f.GetName()
	}
	names := make(map[string]string) // inside → outside
	for i, name := range f.Input {
		names[name] = "" // left out
		if i < len(call.Input) {
			names[name] = call.Input[i]
		}
	}
	var nodes []*NodeProto
	for i, name := range f.Output {
		if i >= len(call.Output) || call.Output[i] == "" {
			continue
		}
		if from, ok := names[name]; ok { // an input handed through, or an output given twice
			nodes = append(nodes, &NodeProto{
				OpType: proto.String("Identity"), Name: proto.String(prefix + "/" + name),
				Input: []string{from}, Output: []string{call.Output[i]},
			})
			continue
		}
		names[name] = call.Output[i]
	}
	attributes := make(map[string]*AttributeProto)
	for _, list := range [][]*AttributeProto{f.GetAttributeProto(), call.GetAttribute()} { // defaults first
		for _, a := range list {
			attributes[a.GetName()] = a
		}
	}
	var body []*NodeProto
	for _, inner := range f.GetNode() {
		n, err := in.node(inner, prefix, names, attributes)
		if err != nil {
			return nil, err
		}
		body = append(body, n)
	}
	return append(body, nodes...), nil
}

// node is a node of a function's body for one call.
func (in *inliner) node(
	inner *NodeProto, prefix string, names map[string]string, attributes map[string]*AttributeProto,
) (*NodeProto, error) {
	for range graphs(inner) {
		return nil, fmt.Errorf("node %q (%s) holds a subgraph, expected none in a function",
			clip(inner.GetName()), clip(inner.GetOpType()))
	}
	n := &NodeProto{
		OpType: inner.OpType, Domain: inner.Domain, Overload: inner.Overload,
		Name: proto.String(prefix + "/" + inner.GetName()),
	}
	for _, name := range inner.Input {
		n.Input = append(n.Input, in.outside(name, prefix, names))
	}
	for _, name := range inner.Output {
		n.Output = append(n.Output, in.outside(name, prefix, names))
	}
	for _, a := range inner.Attribute {
		if a.GetRefAttrName() != "" {
			given := attributes[a.GetRefAttrName()]
			if given == nil {
				continue // the operator's own default holds
			}
			named := proto.CloneOf(given)
			named.Name = a.Name
			a = named
		}
		n.Attribute = append(n.Attribute, a)
	}
	return n, nil
}

// outside is what a tensor of a function is called in the graph.
func (in *inliner) outside(name, prefix string, names map[string]string) string {
	if name == "" {
		return ""
	}
	if known, ok := names[name]; ok {
		return known
	}
	free := prefix + "/" + name
	for i := 2; in.names[free]; i++ {
		free = prefix + "/" + name + "_" + strconv.Itoa(i)
	}
	in.names[free] = true
	names[name] = free
	return free
}
