package quantize

import (
	"fmt"
	"math"
	"slices"

	"rkd/models/onnx"
)

// Range is the interval that the activations of a tensor are quantised over; values outside are clipped.
type Range struct{ Low, High float64 }

// affine is uint8: real = scale·(q − zero).
type affine struct {
	scale float32
	zero  uint8
}

func (r Range) affine() affine {
	low, high := min(r.Low, 0), max(r.High, 0)
	scale := float32((high - low) / 255)
	if scale < math.SmallestNonzeroFloat32*1e10 {
		scale = 1 // all zeros
	}
	return affine{scale, uint8(min(max(math.Round(-low/float64(scale)), 0), 255))}
}

// flow says which activations of a graph are quantised, given its quantised layers.
type flow struct {
	// tensors lists the quantised activations in the graph's order.
	tensors []string
	// like maps a tensor to another one whose range it has, since the operator between them only moves values.
	like map[string]string
}

// movers are operators that move values and change none.
var movers = []string{"MaxPool", "Flatten", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Identity"}

// adders are operators that a runtime has for 8 bits, with a range of their own.
var adders = []string{"Add", "Concat", "AveragePool", "GlobalAveragePool"}

// rectifiers merge with the operator before them: their values lie in the range of the pair behind them.
var rectifiers = []string{"Relu", "Clip"}

// activations finds the activations that are quantised when the layers in quantised are. Those are the layers' inputs
// and, behind a rectifier where there is one, their results, and the results of operators between quantised tensors.
// The graph's outputs stay in float.
func (g *graph) activations(quantised func(name string) bool) flow {
	f := flow{like: map[string]string{}}
	in := map[string]bool{}
	add := func(name string) {
		if !in[name] && !g.outputs[name] && g.constants[name] == nil {
			in[name] = true
			f.tensors = append(f.tensors, name)
		}
	}
	layers := map[*onnx.NodeProto]bool{}
	for _, l := range g.layers() {
		if quantised(l.Name) {
			layers[l.node] = true
		}
	}
	for _, n := range g.Node {
		switch {
		case layers[n]:
			add(n.Input[0])
			add(g.behind(n))
		case slices.Contains(movers, n.GetOpType()) && in[n.Input[0]]:
			f.like[n.Output[0]] = n.Input[0]
			add(n.Output[0])
		case slices.Contains(adders, n.GetOpType()) &&
			!slices.ContainsFunc(n.Input, func(name string) bool { return !in[name] }):
			add(g.behind(n))
		}
	}
	return f
}

// behind is the tensor that holds a node's result after a rectifier that nothing else reads.
func (g *graph) behind(n *onnx.NodeProto) string {
	out := n.Output[0]
	if readers := g.readers[out]; len(readers) == 1 && !g.outputs[out] &&
		slices.Contains(rectifiers, readers[0].GetOpType()) && readers[0].Input[0] == out {
		return readers[0].Output[0]
	}
	return out
}

// Tensors lists the activations whose ranges Int8 needs, of a model all of whose layers are quantised.
func Tensors(m *onnx.Model) ([]string, error) {
	g, err := open(m)
	if err != nil {
		return nil, err
	}
	return g.activations(func(string) bool { return true }).tensors, nil
}

// Int8 returns a copy of m in QDQ form: each quantised layer reads activations of uint8, with one scale and zero point
// a tensor, and weights of int8, symmetric with a scale for each output channel,
//
//	x ≈ s·(q − z), q in 0…255;   w_c ≈ s_c·q, q in −127…127;   the bias is int32 with scale s·s_c
//
// and a runtime computes in integers where it can. quantised says by name which layers; the others stay in float.
// Batch normalisation is folded first.
//
// It returns ErrModel where a range is missing, for an operator set below 13, and where no layer is quantised.
func Int8(m *onnx.Model, ranges map[string]Range, quantised func(layer string) bool) (*onnx.Model, error) {
	g, err := open(m)
	if err != nil {
		return nil, err
	}
	f := g.activations(quantised)
	params := map[string]affine{}
	for _, name := range f.tensors {
		of := name
		for f.like[of] != "" {
			of = f.like[of]
		}
		r, ok := ranges[of]
		if !ok {
			return nil, fmt.Errorf("%w: the range of %q is not known", ErrModel, of)
		}
		params[name] = r.affine()
	}
	weights := map[*onnx.NodeProto][]*onnx.NodeProto{} // nodes before each layer
	for _, l := range g.layers() {
		if quantised(l.Name) {
			if weights[l.node], err = g.quantiseLayer(l, params[l.node.Input[0]]); err != nil {
				return nil, err
			}
		}
	}
	if len(weights) == 0 {
		return nil, fmt.Errorf("%w: no layer is quantised", ErrModel)
	}
	pairs := map[string][]*onnx.NodeProto{}
	renamed := map[string]string{}
	for _, name := range f.tensors {
		if renamed[name], pairs[name], err = g.pair(name, params[name]); err != nil {
			return nil, err
		}
	}
	var nodes []*onnx.NodeProto
	for _, v := range g.Input {
		nodes = append(nodes, pairs[v.GetName()]...)
	}
	for _, n := range g.Node {
		for i, name := range n.Input {
			if to := renamed[name]; to != "" {
				n.Input[i] = to
			}
		}
		nodes = append(append(nodes, weights[n]...), n)
		for _, name := range n.Output {
			nodes = append(nodes, pairs[name]...)
		}
	}
	g.Node = nodes
	g.clean()
	return g.model, g.model.Check()
}

// pair makes QuantizeLinear and DequantizeLinear of an activation, and names what its readers are to read.
func (g *graph) pair(name string, a affine) (string, []*onnx.NodeProto, error) {
	scale, err := g.initializer(name+"_scale", onnx.Float32, nil, []float32{a.scale})
	if err != nil {
		return "", nil, err
	}
	zero, err := g.initializer(name+"_zero", onnx.Uint8, nil, []uint8{a.zero})
	if err != nil {
		return "", nil, err
	}
	q, dq := g.unused(name+"_quantised"), g.unused(name+"_dequantised")
	return dq, []*onnx.NodeProto{
		node(q, "QuantizeLinear", name, scale, zero), node(dq, "DequantizeLinear", q, scale, zero),
	}, nil
}

// quantiseLayer replaces weight and bias of a layer by 8 and 32 bits.
func (g *graph) quantiseLayer(l Layer, input affine) ([]*onnx.NodeProto, error) {
	t := g.constants[l.node.Input[1]]
	w, err := g.model.Float32s(t)
	if err != nil {
		return nil, err
	}
	channels := int(t.Dims[l.axis])
	stride := 1 // between elements of one channel's neighbours
	for _, d := range t.Dims[l.axis+1:] {
		stride *= int(d)
	}
	of := func(i int) int { return i / stride % channels }
	var bias []float32
	if len(l.node.Input) > 2 && l.node.Input[2] != "" && g.constants[l.node.Input[2]] != nil {
		if bias, err = g.model.Float32s(g.constants[l.node.Input[2]]); err != nil {
			return nil, err
		}
	}
	scales := make([]float32, channels)
	for i, v := range w {
		scales[of(i)] = max(scales[of(i)], float32(math.Abs(float64(v))))
	}
	for c := range scales {
		scales[c] /= 127
		if len(bias) == channels { // the bias in units of both scales must fit 32 bits
			scales[c] = max(scales[c], float32(math.Abs(float64(bias[c]))/(float64(input.scale)*(1<<30))))
		}
		if scales[c] < math.SmallestNonzeroFloat32*1e10 {
			scales[c] = 1
		}
	}
	q := make([]int8, len(w))
	for i, v := range w {
		q[i] = int8(min(max(math.RoundToEven(float64(v)/float64(scales[of(i)])), -127), 127))
	}
	dq, err := g.dequantised(t.GetName(), onnx.Int8, t.Dims, q, scales, make([]int8, channels), l.axis)
	if err != nil {
		return nil, err
	}
	l.node.Input[1] = dq.Output[0]
	nodes := []*onnx.NodeProto{dq}
	if len(bias) == channels {
		units, both := make([]int32, channels), make([]float32, channels)
		for c, v := range bias {
			both[c] = input.scale * scales[c]
			units[c] = int32(math.RoundToEven(float64(v) / float64(both[c])))
		}
		dq, err := g.dequantised(l.node.Input[2], onnx.Int32, []int64{int64(channels)}, units, both,
			make([]int32, channels), 0)
		if err != nil {
			return nil, err
		}
		l.node.Input[2] = dq.Output[0]
		nodes = append(nodes, dq)
	}
	return nodes, nil
}

// dequantised adds a constant with a scale and a zero point for each channel, and makes the node that reads it.
func (g *graph) dequantised(name string, elem onnx.ElemType, dims []int64, values any, scales []float32, zeros any,
	axis int,
) (*onnx.NodeProto, error) {
	channels := []int64{int64(len(scales))}
	q, err := g.initializer(name+"_quantised", elem, dims, values)
	if err != nil {
		return nil, err
	}
	scale, err := g.initializer(name+"_scale", onnx.Float32, channels, scales)
	if err != nil {
		return nil, err
	}
	zero, err := g.initializer(name+"_zero", elem, channels, zeros)
	if err != nil {
		return nil, err
	}
	n := node(g.unused(name+"_dequantised"), "DequantizeLinear", q, scale, zero)
	at := int64(axis)
	axisName := "axis"
	n.Attribute = []*onnx.AttributeProto{{Name: &axisName, Type: onnx.AttributeProto_INT.Enum(), I: &at}}
	return n, nil
}
