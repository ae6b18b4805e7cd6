package onnx

import (
	"math"
	"slices"
)

// FoldBatchNorm merges each BatchNormalization node into the Conv or Gemm node before it and returns how many it
// merged. With s = γ/√(σ²+ε), per output channel,
//
//	w' = s·w,  b' = s·(b − μ) + β
//
// computed in float64 and rounded to the weights' own type. A pair is left alone when the normalisation is in training
// mode, when something else reads the value between the two, or when weights or statistics are not constants of the
// document in float32 or float64.
func (m *Model) FoldBatchNorm() int {
	g := m.Proto.GetGraph()
	f := folder{graph: g, constants: constants(g), producer: make(map[string]*NodeProto), uses: make(map[string]int)}
	for _, n := range g.GetNode() {
		for _, name := range n.Output {
			f.producer[name] = n
		}
		for name := range needs(n) {
			f.uses[name]++
		}
	}
	for _, v := range g.GetOutput() {
		f.uses[v.GetName()]++
	}
	merged := make(map[*NodeProto]bool)
	for _, n := range g.GetNode() {
		if n.GetOpType() == "BatchNormalization" && domain(n.GetDomain()) == "" && f.fold(n) {
			merged[n] = true
		}
	}
	if len(merged) == 0 {
		return 0
	}
	g.Node = slices.DeleteFunc(g.Node, func(n *NodeProto) bool { return merged[n] })
	f.prune()
	return len(merged)
}

// folder is the state of one FoldBatchNorm.
type folder struct {
	graph     *GraphProto
	constants map[string]*TensorProto
	producer  map[string]*NodeProto
	uses      map[string]int // readers of a value, outputs of the graph included
	stale     []string       // constants that folded nodes no longer read
}

// constants are the tensors that no caller can change: initializers that are not inputs, and values of Constant nodes.
func constants(g *GraphProto) map[string]*TensorProto {
	c := make(map[string]*TensorProto)
	for _, t := range g.GetInitializer() {
		c[t.GetName()] = t
	}
	for _, v := range g.GetInput() {
		delete(c, v.GetName())
	}
	for _, n := range g.GetNode() {
		if n.GetOpType() == "Constant" && len(n.Output) == 1 {
			if a := attribute(n, "value"); a != nil && a.T != nil {
				c[n.Output[0]] = a.T
			}
		}
	}
	return c
}

func attribute(n *NodeProto, name string) *AttributeProto {
	for _, a := range n.GetAttribute() {
		if a.GetName() == name {
			return a
		}
	}
	return nil
}

// vector is a constant of n elements, of shape (n) or (1,n).
func (f *folder) vector(name string, n int) ([]float64, bool) {
	t := f.constants[name]
	if t == nil || len(t.Dims) == 0 || t.Dims[len(t.Dims)-1] != int64(n) {
		return nil, false
	}
	values, err := floats(t)
	return values, err == nil && len(values) == n
}

// fold merges bn into the node before it, or changes nothing.
func (f *folder) fold(bn *NodeProto) bool {
	if len(bn.Input) != 5 || attribute(bn, "training_mode").GetI() != 0 || !onlyFirst(bn.Output) {
		return false
	}
	x := bn.Input[0]
	n := f.producer[x]
	if n == nil || domain(n.GetDomain()) != "" || len(n.Output) != 1 || len(n.Input) < 2 || f.uses[x] != 1 {
		return false
	}
	weight := f.constants[n.Input[1]]
	channelAxis := 0
	switch n.GetOpType() {
	case "Conv":
		if weight == nil || len(weight.Dims) < 3 {
			return false
		}
	case "Gemm":
		if weight == nil || len(weight.Dims) != 2 || attribute(n, "beta").GetF() != 1 && attribute(n, "beta") != nil {
			return false
		}
		if attribute(n, "transB").GetI() == 0 {
			channelAxis = 1
		}
	default:
		return false
	}
	w, err := floats(weight)
	if err != nil || len(w) == 0 {
		return false
	}
	channels := int(weight.Dims[channelAxis])
	scale, shift, ok := f.affine(bn, channels)
	if !ok {
		return false
	}
	bias := make([]float64, channels)
	if len(n.Input) > 2 && n.Input[2] != "" {
		if bias, ok = f.vector(n.Input[2], channels); !ok {
			return false
		}
	}
	perChannel := len(w) / channels
	for i := range w {
		if channelAxis == 0 {
			w[i] *= scale[i/perChannel]
		} else {
			w[i] *= scale[i%channels]
		}
	}
	for c := range bias {
		bias[c] = scale[c]*bias[c] + shift[c]
	}
	f.replace(n, ElemType(weight.GetDataType()), weight.Dims, w, bias)
	n.Output[0] = bn.Output[0]
	f.stale = append(f.stale, bn.Input[1:]...)
	f.producer[bn.Output[0]] = n
	return true
}

// onlyFirst reports whether the optional outputs of a node are absent.
func onlyFirst(outputs []string) bool {
	return len(outputs) > 0 && !slices.ContainsFunc(outputs[1:], func(name string) bool { return name != "" })
}

// affine is the normalisation as y = scale·x + shift per channel.
func (f *folder) affine(bn *NodeProto, channels int) (scale, shift []float64, ok bool) {
	var p [4][]float64 // γ, β, μ, σ²
	for i := range p {
		if p[i], ok = f.vector(bn.Input[1+i], channels); !ok {
			return nil, nil, false
		}
	}
	epsilon := 1e-5 // the operator's default
	if a := attribute(bn, "epsilon"); a != nil {
		epsilon = float64(a.GetF())
	}
	scale, shift = make([]float64, channels), make([]float64, channels)
	for c := range channels {
		scale[c] = p[0][c] / math.Sqrt(p[3][c]+epsilon)
		shift[c] = p[1][c] - scale[c]*p[2][c]
		if math.IsNaN(scale[c]) || math.IsInf(scale[c], 0) {
			return nil, nil, false
		}
	}
	return scale, shift, true
}

// replace gives a node new weights and bias, under names of their own since others may read the old ones.
func (f *folder) replace(n *NodeProto, e ElemType, dims []int64, w, bias []float64) {
	f.stale = append(f.stale, n.Input[1:]...)
	weightName := f.add(n.Input[1]+"_folded", e, dims, w)
	biasName := f.add(n.Input[1]+"_bias_folded", e, []int64{int64(len(bias))}, bias)
	n.Input = []string{n.Input[0], weightName, biasName}
}

func (f *folder) add(name string, e ElemType, dims []int64, values []float64) string {
	name = unusedName(f.graph, name)
	t := &TensorProto{Name: &name, DataType: new(int32(e)), Dims: slices.Clone(dims)}
	if e == Float64 {
		t.DoubleData = values
	} else {
		for _, v := range values {
			t.FloatData = append(t.FloatData, float32(v))
		}
	}
	f.graph.Initializer = append(f.graph.Initializer, t)
	f.constants[name] = t
	return name
}

// prune removes the constants that only folded nodes had read, and what the file says about values that are gone.
func (f *folder) prune() {
	g := f.graph
	used := make(map[string]bool)
	for _, n := range g.Node {
		for name := range needs(n) {
			used[name] = true
		}
	}
	for _, v := range g.Output {
		used[v.GetName()] = true
	}
	stale := func(name string) bool { return !used[name] && slices.Contains(f.stale, name) }
	g.Initializer = slices.DeleteFunc(g.Initializer, func(t *TensorProto) bool { return stale(t.GetName()) })
	g.Node = slices.DeleteFunc(g.Node, func(n *NodeProto) bool {
		return n.GetOpType() == "Constant" && len(n.Output) == 1 && stale(n.Output[0])
	})
	exists := make(map[string]bool)
	for name := range defined(g) {
		exists[name] = true
	}
	g.ValueInfo = slices.DeleteFunc(g.ValueInfo, func(v *ValueInfoProto) bool { return !exists[v.GetName()] })
}
