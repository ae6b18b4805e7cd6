package quantize

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/proto"

	"rkd/models/onnx"
)

// ErrModel reports a model that cannot be quantised.
var ErrModel = errors.New("the model cannot be quantised")

// opset is the first in which QuantizeLinear takes a scale for each channel.
const opset = 13

// Layer is a node with weights of its own: Conv, Gemm or MatMul.
type Layer struct {
	Name    string // of the tensor that it computes
	Op      string
	Weights int // number
	node    *onnx.NodeProto
	axis    int // of the weight's channels
}

// graph is a model with what rewriting looks up.
type graph struct {
	*onnx.GraphProto
	model     *onnx.Model
	constants map[string]*onnx.TensorProto
	readers   map[string][]*onnx.NodeProto
	outputs   map[string]bool
	names     map[string]bool
}

// open copies a model for rewriting, with batch normalisation folded.
func open(m *onnx.Model) (*graph, error) {
	clone := &onnx.Model{Proto: proto.Clone(m.Proto).(*onnx.ModelProto), Dir: m.Dir}
	for _, o := range clone.Proto.OpsetImport {
		if o.GetDomain() == "" && o.GetVersion() < opset {
			return nil, fmt.Errorf("%w: operator set %d, expected %d or later", ErrModel, o.GetVersion(), opset)
		}
	}
	clone.FoldBatchNorm()
	g := &graph{
		GraphProto: clone.Proto.Graph, model: clone, constants: map[string]*onnx.TensorProto{}, outputs: map[string]bool{},
		names: map[string]bool{},
	}
	for _, t := range g.Initializer {
		g.constants[t.GetName()], g.names[t.GetName()] = t, true
	}
	for _, v := range slices.Concat(g.Input, g.Output) {
		g.names[v.GetName()] = true
	}
	for _, v := range g.Output {
		g.outputs[v.GetName()] = true
	}
	for _, n := range g.Node {
		for _, name := range n.Output {
			g.names[name] = true
		}
	}
	g.index()
	return g, nil
}

func (g *graph) index() {
	g.readers = map[string][]*onnx.NodeProto{}
	for _, n := range g.Node {
		for _, name := range n.Input {
			if name != "" && !slices.Contains(g.readers[name], n) {
				g.readers[name] = append(g.readers[name], n)
			}
		}
	}
}

// layers lists the nodes that can be quantised, in the graph's order.
func (g *graph) layers() []Layer {
	var all []Layer
	for _, n := range g.Node {
		l := Layer{Op: n.GetOpType(), node: n}
		if n.GetDomain() != "" || len(n.Input) < 2 || len(n.Output) != 1 {
			continue
		}
		weight := g.constants[n.Input[1]]
		if weight == nil || weight.GetDataType() != int32(onnx.Float32) || g.constants[n.Input[0]] != nil {
			continue
		}
		switch {
		case l.Op == "Conv" && len(weight.Dims) == 4:
		case l.Op == "Gemm" && len(weight.Dims) == 2 && integer(n, "transA") == 0 && one(n, "alpha") && one(n, "beta"):
			l.axis = 1 - int(integer(n, "transB"))
		case l.Op == "MatMul" && len(weight.Dims) == 2:
			l.axis = 1
		default:
			continue
		}
		l.Name, l.Weights = n.Output[0], 1
		for _, d := range weight.Dims {
			l.Weights *= int(d)
		}
		all = append(all, l)
	}
	return all
}

// Layers lists the layers of a model that can be quantised.
func Layers(m *onnx.Model) ([]Layer, error) {
	g, err := open(m)
	if err != nil {
		return nil, err
	}
	return g.layers(), nil
}

func attribute(n *onnx.NodeProto, name string) *onnx.AttributeProto {
	for _, a := range n.Attribute {
		if a.GetName() == name {
			return a
		}
	}
	return nil
}

func integer(n *onnx.NodeProto, name string) int64 { return attribute(n, name).GetI() }

// one reports whether an attribute is 1, its default.
func one(n *onnx.NodeProto, name string) bool {
	a := attribute(n, name)
	return a == nil || a.GetF() == 1
}

// unused makes a name that the graph does not have.
func (g *graph) unused(name string) string {
	for g.names[name] {
		name += "_"
	}
	g.names[name] = true
	return name
}

// initializer adds a constant.
func (g *graph) initializer(name string, elem onnx.ElemType, dims []int64, data any) (string, error) {
	raw, err := binary.Append(nil, binary.LittleEndian, data)
	if err != nil {
		return "", fmt.Errorf("encoding %q: %w", name, err)
	}
	name = g.unused(name)
	g.Initializer = append(g.Initializer, &onnx.TensorProto{
		Name: &name, DataType: proto.Int32(int32(elem)), Dims: dims, RawData: raw,
	})
	return name, nil
}

// node makes a node of one output, which is named after it.
func node(output, op string, inputs ...string) *onnx.NodeProto {
	return &onnx.NodeProto{
		Name: proto.String(output), OpType: proto.String(op), Input: inputs, Output: []string{output},
	}
}

// clean removes constants that nothing reads any more, and what the file says of the types of tensors within.
func (g *graph) clean() {
	g.index()
	g.Initializer = slices.DeleteFunc(g.Initializer, func(t *onnx.TensorProto) bool {
		return len(g.readers[t.GetName()]) == 0 && !g.outputs[t.GetName()]
	})
	g.ValueInfo = nil
}

// Float16 returns a copy of m whose weights are stored in 16 bits, half the size; arithmetic stays in 32 bits, and a
// runtime widens the weights once, when it opens the model. Weights of less than 2 elements, and tensors with values
// that 16 bits cannot hold, stay as they are.
func Float16(m *onnx.Model) (*onnx.Model, error) {
	g, err := open(m)
	if err != nil {
		return nil, err
	}
	var casts []*onnx.NodeProto
	for _, t := range g.Initializer {
		if t.GetDataType() != int32(onnx.Float32) {
			continue
		}
		values, err := g.model.Float32s(t)
		if err != nil {
			return nil, err
		}
		if len(values) < 2 || slices.ContainsFunc(values, func(v float32) bool { return math.Abs(float64(v)) > 65504 }) {
			continue
		}
		name := t.GetName()
		half := g.unused(name + "_float16")
		raw := make([]byte, 0, 2*len(values))
		for _, v := range values {
			raw = binary.LittleEndian.AppendUint16(raw, toFloat16(v))
		}
		dims := t.Dims
		t.Reset()
		t.Name, t.DataType, t.Dims, t.RawData = &half, proto.Int32(int32(onnx.Float16)), dims, raw
		cast := node(name, "Cast", half)
		cast.Attribute = []*onnx.AttributeProto{{
			Name: proto.String("to"), Type: onnx.AttributeProto_INT.Enum(), I: proto.Int64(int64(onnx.Float32)),
		}}
		casts = append(casts, cast)
	}
	g.Node = append(casts, g.Node...)
	g.clean()
	return g.model, g.model.Check()
}

// toFloat16 rounds to the nearest number of 16 bits, ties to even; v is within ±65504.
func toFloat16(v float32) uint16 {
	sign := uint16(math.Float32bits(v) >> 16 & 0x8000)
	x := math.Abs(float64(v))
	_, exponent := math.Frexp(x)
	// The last place of a normal number is 2^(exponent−11); subnormal ones share 2^−24.
	place := max(exponent-11, -24)
	units := math.RoundToEven(math.Ldexp(x, -place))
	if units == 0 {
		return sign
	}
	if place == -24 { // units below 1024 are subnormal, and 1024 is the first normal number
		return sign | uint16(units)
	}
	// Units of 2048 carry into the exponent.
	return sign | (uint16(place+25)<<10 + uint16(units) - 1024)
}
