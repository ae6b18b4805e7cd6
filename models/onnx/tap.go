package onnx

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/agnivade/levenshtein"
	"google.golang.org/protobuf/proto"
)

// ErrUnknownTensor is wrapped by errors about a name that the graph does not compute.
var ErrUnknownTensor = errors.New("unknown tensor")

// Tap makes exactly the named tensors the outputs of the graph, in this order. Any input, and any output of a node of
// the main graph, can be tapped. Nodes, initializers and inputs that none of them needs are removed.
//
// An output keeps the type that the file gives it; where the file says none it leaves without a type, which ONNX
// Runtime infers. Errors wrap ErrUnknownTensor and list the nearest names.
func (m *Model) Tap(names ...string) error {
	if len(names) == 0 {
		return errors.New("tapping no tensor, expected at least one name")
	}
	g := m.Proto.GetGraph()
	producer := make(map[string]*NodeProto)
	for _, n := range g.GetNode() {
		for _, name := range n.Output {
			if name != "" {
				producer[name] = n
			}
		}
	}
	info := valueInfos(g)
	inputs := make(map[string]bool)
	for _, t := range m.Inputs() {
		inputs[t.Name] = true
	}
	var outputs []*ValueInfoProto
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			return fmt.Errorf("tapping tensor %q twice, expected each name once", name)
		}
		if producer[name] == nil && !inputs[name] {
			return unknownTensor(g, name)
		}
		v := info[name]
		if v == nil {
			v = &ValueInfoProto{Name: proto.String(name)}
		}
		outputs = append(outputs, v)
	}
	g.Output = outputs
	keep(g, producer, names)
	return nil
}

// valueInfos maps names to what the file says about their types; of several statements an output's wins.
func valueInfos(g *GraphProto) map[string]*ValueInfoProto {
	info := make(map[string]*ValueInfoProto)
	for _, vs := range [][]*ValueInfoProto{g.GetValueInfo(), g.GetInput(), g.GetOutput()} {
		for _, v := range vs {
			info[v.GetName()] = v
		}
	}
	return info
}

// keep removes from the graph whatever the wanted tensors do not depend on.
func keep(g *GraphProto, producer map[string]*NodeProto, wanted []string) {
	needed := make(map[string]bool)
	nodes := make(map[*NodeProto]bool)
	todo := slices.Clone(wanted)
	for len(todo) > 0 {
		name := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if needed[name] {
			continue
		}
		needed[name] = true
		n := producer[name]
		if n == nil || nodes[n] {
			continue
		}
		nodes[n] = true
		todo = slices.AppendSeq(todo, needs(n))
	}
	g.Node = slices.DeleteFunc(g.Node, func(n *NodeProto) bool { return !nodes[n] })
	for _, n := range g.Node {
		for _, name := range n.Output {
			needed[name] = true // a needed node's other outputs remain
		}
	}
	unneeded := func(v *ValueInfoProto) bool { return !needed[v.GetName()] }
	g.Input = slices.DeleteFunc(g.Input, unneeded)
	g.ValueInfo = slices.DeleteFunc(g.ValueInfo, func(v *ValueInfoProto) bool {
		return unneeded(v) || slices.Contains(wanted, v.GetName())
	})
	g.Initializer = slices.DeleteFunc(g.Initializer, func(t *TensorProto) bool { return !needed[t.GetName()] })
	g.SparseInitializer = slices.DeleteFunc(g.SparseInitializer, func(t *SparseTensorProto) bool {
		return !needed[t.GetValues().GetName()]
	})
}

// candidates is how many names an error about an unknown one lists.
const candidates = 5

// unknownTensor lists the tensors whose names are nearest to the unknown one.
func unknownTensor(g *GraphProto, name string) error {
	type near struct {
		name     string
		distance int
	}
	var all []near
	seen := make(map[string]bool)
	for _, n := range g.GetNode() {
		for _, output := range n.Output {
			if output != "" && !seen[output] {
				seen[output] = true
				all = append(all, near{output, levenshtein.ComputeDistance(clip(name), clip(output))})
			}
		}
	}
	if len(all) == 0 {
		return fmt.Errorf("%w %q: no node of the graph computes anything", ErrUnknownTensor, name)
	}
	// Of equally near names, the later in the graph come first: embeddings tend to be at a model's end.
	slices.Reverse(all)
	slices.SortStableFunc(all, func(a, b near) int { return a.distance - b.distance })
	listed := make([]string, 0, candidates)
	for _, c := range all[:min(candidates, len(all))] {
		listed = append(listed, fmt.Sprintf("%q", clip(c.name)))
	}
	text := strings.Join(listed, ", ")
	if rest := len(all) - len(listed); rest > 0 {
		text += fmt.Sprintf(" and %d more", rest)
	}
	return fmt.Errorf("%w %q, expected one that the graph computes: %s", ErrUnknownTensor, clip(name), text)
}

// clip bounds a name from a file, so that a hostile one takes neither much time nor a whole screen.
func clip(name string) string {
	const most = 200
	if len(name) <= most {
		return name
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(name[cut]) {
		cut--
	}
	return name[:cut] + "…"
}
