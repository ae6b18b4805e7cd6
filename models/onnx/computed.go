package onnx

// Computed is a tensor that a node of the main graph computes.
type Computed struct {
	Tensor
	// Op is the operator of the node, Node its position in the graph, from 0.
	Op   string
	Node int
	// Readers are the operators that read the tensor, in the graph's order; empty where nothing but the caller does.
	Readers []string
	// Output says that the graph returns the tensor.
	Output bool
}

// Computed lists what the nodes of the main graph compute, in the graph's order, with the types and shapes that the
// file states. Shapes are not inferred.
func (m *Model) Computed() []Computed {
	g := m.Proto.GetGraph()
	info := valueInfos(g)
	readers := make(map[string][]string)
	for _, n := range g.GetNode() {
		for name := range needs(n) {
			readers[name] = append(readers[name], n.GetOpType())
		}
	}
	returned := make(map[string]bool)
	for _, v := range g.GetOutput() {
		returned[v.GetName()] = true
	}
	var list []Computed
	for i, n := range g.GetNode() {
		for _, name := range n.Output {
			if name == "" {
				continue
			}
			c := Computed{Tensor: Tensor{Name: name}, Op: n.GetOpType(), Node: i, Readers: readers[name], Output: returned[name]}
			if v := info[name]; v != nil {
				c.Tensor = describe(v)
			}
			list = append(list, c)
		}
	}
	return list
}
