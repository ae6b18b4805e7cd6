package onnx

import "iter"

// graphs yields the subgraphs that an If, Loop or Scan node holds.
func graphs(n *NodeProto) iter.Seq[*GraphProto] {
	return func(yield func(*GraphProto) bool) {
		for _, a := range n.GetAttribute() {
			if a.G != nil && !yield(a.G) {
				return
			}
			for _, g := range a.Graphs {
				if !yield(g) {
					return
				}
			}
		}
	}
}

// tensors yields every tensor that a graph stores, subgraphs included: initializers first, then those in the attributes
// of its nodes, in the file's order. The flag says whether the tensor is an initializer.
func tensors(g *GraphProto) iter.Seq2[*TensorProto, bool] {
	return func(yield func(*TensorProto, bool) bool) { yieldTensors(g, yield) }
}

func yieldTensors(g *GraphProto, yield func(*TensorProto, bool) bool) bool {
	for _, t := range g.GetInitializer() {
		if !yield(t, true) {
			return false
		}
	}
	for _, t := range g.GetSparseInitializer() {
		if !yieldSparse(t, true, yield) {
			return false
		}
	}
	for _, n := range g.GetNode() {
		for _, a := range n.GetAttribute() {
			if a.T != nil && !yield(a.T, false) {
				return false
			}
			for _, t := range a.Tensors {
				if !yield(t, false) {
					return false
				}
			}
			if a.SparseTensor != nil && !yieldSparse(a.SparseTensor, false, yield) {
				return false
			}
			for _, t := range a.SparseTensors {
				if !yieldSparse(t, false, yield) {
					return false
				}
			}
		}
		for sub := range graphs(n) {
			if !yieldTensors(sub, yield) {
				return false
			}
		}
	}
	return true
}

func yieldSparse(t *SparseTensorProto, initializer bool, yield func(*TensorProto, bool) bool) bool {
	return (t.Values == nil || yield(t.Values, initializer)) && (t.Indices == nil || yield(t.Indices, initializer))
}

// needs yields the names that a node reads: its inputs, and what its subgraphs take from outside of them.
func needs(n *NodeProto) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, name := range n.GetInput() {
			if name != "" && !yield(name) {
				return
			}
		}
		for sub := range graphs(n) {
			for name := range free(sub) {
				if !yield(name) {
					return
				}
			}
		}
	}
}

// free is the set of names that a subgraph reads and does not define.
func free(g *GraphProto) map[string]bool {
	used := make(map[string]bool)
	for _, n := range g.GetNode() {
		for name := range needs(n) {
			used[name] = true
		}
	}
	for _, v := range g.GetOutput() {
		used[v.GetName()] = true
	}
	for name := range defined(g) {
		delete(used, name)
	}
	return used
}

// defined yields the names that a graph itself defines: inputs, initializers, and outputs of its nodes.
func defined(g *GraphProto) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, v := range g.GetInput() {
			if !yield(v.GetName()) {
				return
			}
		}
		for _, t := range g.GetInitializer() {
			if !yield(t.GetName()) {
				return
			}
		}
		for _, t := range g.GetSparseInitializer() {
			if !yield(t.GetValues().GetName()) {
				return
			}
		}
		for _, n := range g.GetNode() {
			for _, name := range n.GetOutput() {
				if name != "" && !yield(name) {
					return
				}
			}
		}
	}
}

// rename gives a value another name wherever it is written or read, subgraphs included.
func rename(g *GraphProto, from, to string) {
	for _, n := range g.GetNode() {
		replace(n.Input, from, to)
		replace(n.Output, from, to)
		for sub := range graphs(n) {
			rename(sub, from, to)
		}
	}
	for _, vs := range [][]*ValueInfoProto{g.GetInput(), g.GetOutput(), g.GetValueInfo()} {
		for _, v := range vs {
			if v.GetName() == from {
				v.Name = &to
			}
		}
	}
	for _, t := range g.GetInitializer() {
		if t.GetName() == from {
			t.Name = &to
		}
	}
}

func replace(names []string, from, to string) {
	for i, name := range names {
		if name == from {
			names[i] = to
		}
	}
}
