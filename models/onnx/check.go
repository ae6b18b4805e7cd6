package onnx

import (
	"errors"
	"fmt"
)

// Check verifies the structure of the model without running it:
//
//   - there are an IR version, operator sets, and at least one output;
//   - every name is defined once, before the first node that reads it, so that the graph has no cycle and its nodes
//     stand in an order in which they can run; the same in subgraphs, which also see the names around them;
//   - every node has an operator, of a domain whose operator set is imported;
//   - every tensor's data are as long as its dimensions say, as far as they lie in the document.
//
// It does not know the operators: number and type of their inputs are the runtime's to verify. Errors wrap ErrFormat.
func (m *Model) Check() error {
	if err := m.check(); err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return nil
}

func (m *Model) check() error {
	g := m.Proto.GetGraph()
	switch {
	case g == nil:
		return errors.New("no graph")
	case m.Proto.GetIrVersion() < 1:
		return fmt.Errorf("field ir_version is %d, expected 1 or more", m.Proto.GetIrVersion())
	case len(g.Output) == 0:
		return errors.New("the graph has no output")
	}
	domains := make(map[string]bool)
	for _, o := range m.Proto.OpsetImport {
		if o.GetVersion() < 1 {
			return fmt.Errorf("field opset_import: version %d of domain %q, expected 1 or more", o.GetVersion(), o.GetDomain())
		}
		domains[domain(o.GetDomain())] = true
	}
	if len(domains) == 0 && m.Proto.GetIrVersion() < 3 {
		domains[""] = true // files older than the field use the first operator set
	}
	for t := range tensors(g) {
		if err := checkTensor(t); err != nil {
			return err
		}
	}
	err := checkGraph(g, domains, nil)
	if errors.Is(err, errUndefined) {
		if nodes := cycle(g); nodes != "" {
			return fmt.Errorf("%w: the graph has a cycle: %s", err, nodes)
		}
	}
	return err
}

var errUndefined = errors.New("is not defined by anything before it")

// domain maps the two spellings of the standard operators' domain to one.
func domain(name string) string {
	if name == "ai.onnx" {
		return ""
	}
	return name
}

// scope is the set of names that are defined so far in a graph, inside that of the graph around it.
type scope struct {
	names map[string]bool
	outer *scope
}

func (s *scope) has(name string) bool {
	for ; s != nil; s = s.outer {
		if s.names[name] {
			return true
		}
	}
	return false
}

func (s *scope) define(name string) error {
	if s.names[name] {
		return fmt.Errorf("tensor %q is defined twice", name)
	}
	s.names[name] = true
	return nil
}

func checkGraph(g *GraphProto, domains map[string]bool, outer *scope) error {
	s := &scope{names: make(map[string]bool), outer: outer}
	for _, v := range g.GetInput() {
		if v.GetName() == "" {
			return errors.New("an input of the graph has no name")
		}
		if err := s.define(v.GetName()); err != nil {
			return err
		}
	}
	if err := defineInitializers(g, s); err != nil {
		return err
	}
	for i, n := range g.GetNode() {
		if err := checkNode(n, domains, s); err != nil {
			return fmt.Errorf("node %d (%s %q): %w", i, n.GetOpType(), n.GetName(), err)
		}
	}
	for _, v := range g.GetOutput() {
		if !s.has(v.GetName()) {
			return fmt.Errorf("output %q is computed by no node", v.GetName())
		}
	}
	return nil
}

// defineInitializers adds the names of initializers, each of which may repeat that of an input: its default value.
func defineInitializers(g *GraphProto, s *scope) error {
	names := make(map[string]bool)
	define := func(name string) error {
		if name == "" {
			return errors.New("an initializer has no name")
		}
		if names[name] {
			return fmt.Errorf("initializer %q is defined twice", name)
		}
		names[name], s.names[name] = true, true
		return nil
	}
	for _, t := range g.GetInitializer() {
		if err := define(t.GetName()); err != nil {
			return err
		}
	}
	for _, t := range g.GetSparseInitializer() {
		if err := define(t.GetValues().GetName()); err != nil {
			return err
		}
	}
	return nil
}

func checkNode(n *NodeProto, domains map[string]bool, s *scope) error {
	if n.GetOpType() == "" {
		return errors.New("field op_type is empty, expected an operator")
	}
	if !domains[domain(n.GetDomain())] {
		return fmt.Errorf("no opset_import for domain %q", n.GetDomain())
	}
	for _, name := range n.GetInput() {
		if name != "" && !s.has(name) {
			return fmt.Errorf("input %q %w", name, errUndefined)
		}
	}
	for sub := range graphs(n) {
		if err := checkGraph(sub, domains, s); err != nil {
			return fmt.Errorf("subgraph %q: %w", sub.GetName(), err)
		}
	}
	for _, name := range n.GetOutput() {
		if name == "" {
			continue // an optional output that is not wanted
		}
		if err := s.define(name); err != nil {
			return err
		}
	}
	return nil
}

// checkTensor compares the length of a tensor's data with its dimensions.
func checkTensor(t *TensorProto) error {
	n, err := elements(t.GetDims())
	if err != nil {
		return fmt.Errorf("tensor %q: dimensions %v: %w", t.GetName(), t.GetDims(), err)
	}
	e := ElemType(t.GetDataType())
	if !e.known() || e == Undefined {
		return fmt.Errorf("tensor %q: field data_type is %d, which is no element type", t.GetName(), t.GetDataType())
	}
	if t.GetDataLocation() == TensorProto_EXTERNAL {
		return nil
	}
	field, have, want := "raw_data", int64(len(t.RawData)), int64(0)
	if t.RawData != nil {
		if elems[e].bits == 0 {
			return fmt.Errorf("tensor %q: %s elements in raw_data, expected %s", t.GetName(), e, elems[e].field)
		}
		want = e.bytes(n)
	} else {
		field, have, want = elems[e].field, typedLength(t, e), n
		switch {
		case e == Complex64 || e == Complex128:
			want = 2 * n
		case elems[e].bits == 4:
			want = e.bytes(n)
		}
	}
	if have != want {
		return fmt.Errorf("tensor %q: %d values in field %s, expected %d for %s of dimensions %v",
			t.GetName(), have, field, want, e, t.GetDims())
	}
	return nil
}

func typedLength(t *TensorProto, e ElemType) int64 {
	switch elems[e].field {
	case "float_data":
		return int64(len(t.FloatData))
	case "double_data":
		return int64(len(t.DoubleData))
	case "int64_data":
		return int64(len(t.Int64Data))
	case "uint64_data":
		return int64(len(t.Uint64Data))
	case "string_data":
		return int64(len(t.StringData))
	}
	return int64(len(t.Int32Data))
}
