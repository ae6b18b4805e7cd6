package onnx

import (
	"fmt"
	"slices"
	"strings"
)

// cycle describes the first cycle among the nodes of a graph, as `"a" (Add), "b" (Relu)`, each node reading what the
// next one makes; it is empty when there is none.
func cycle(g *GraphProto) string {
	producer := make(map[string]int)
	for i, n := range g.GetNode() {
		for _, name := range n.Output {
			if name != "" {
				producer[name] = i
			}
		}
	}
	const unseen, onPath, done = 0, 1, 2
	state := make([]int, len(g.GetNode()))
	// The path lies in a slice, not on the stack: its length is the file's to choose.
	type visit struct {
		node  int
		reads []int
	}
	enter := func(i int) visit {
		state[i] = onPath
		v := visit{node: i}
		for name := range needs(g.Node[i]) {
			if p, ok := producer[name]; ok {
				v.reads = append(v.reads, p)
			}
		}
		return v
	}
	for first := range g.GetNode() {
		if state[first] != unseen {
			continue
		}
		path := []visit{enter(first)}
		for len(path) > 0 {
			top := &path[len(path)-1]
			if len(top.reads) == 0 {
				state[top.node] = done
				path = path[:len(path)-1]
				continue
			}
			next := top.reads[0]
			top.reads = top.reads[1:]
			switch state[next] {
			case unseen:
				path = append(path, enter(next))
			case onPath:
				start := slices.IndexFunc(path, func(v visit) bool { return v.node == next })
				var nodes []*NodeProto
				for _, v := range path[start:] {
					nodes = append(nodes, g.Node[v.node])
				}
				return describeNodes(nodes)
			}
		}
	}
	return ""
}

// describeNodes lists the first candidates of some nodes.
func describeNodes(nodes []*NodeProto) string {
	var names []string
	for _, n := range nodes[:min(len(nodes), candidates)] {
		names = append(names, fmt.Sprintf("%q (%s)", clip(n.GetName()), clip(n.GetOpType())))
	}
	if rest := len(nodes) - len(names); rest > 0 {
		names = append(names, fmt.Sprintf("%d more", rest))
	}
	return strings.Join(names, ", ")
}
