package onnx

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// DependenceKind says why a node's result may not be a function of one row of a batch.
type DependenceKind int

// Kinds of dependence.
const (
	DependsOnChance   DependenceKind = iota + 1 // random numbers, or dropout left in training mode
	DependsOnTraining                           // batch normalisation left in training mode
	DependsOnBatch                              // a reduction along the first dimension
	DependsOnScale                              // one scale for a whole tensor: quantised at run time
	DependsOnSize                               // a batch of a fixed size: Reshape to constant numbers
)

// Dependence is a node of the main graph whose result may depend on more than one row of a batch.
type Dependence struct {
	Kind DependenceKind
	Op   string
	Node string // its name, or its first output's
	Size int64  // of DependsOnSize
}

// String reads `node "bn1" (BatchNormalization in training mode)`.
func (d Dependence) String() string {
	what := d.Op
	switch {
	case d.Kind == DependsOnTraining || d.Kind == DependsOnChance && d.Op == "Dropout":
		what += " in training mode"
	case d.Kind == DependsOnBatch:
		what += " over the batch"
	case d.Kind == DependsOnSize:
		what += fmt.Sprintf(" to %d rows", d.Size)
	}
	return fmt.Sprintf("node %q (%s)", clip(d.Node), what)
}

// random lists the operators that draw numbers.
var random = []string{
	"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial",
}

// Dependences lists the nodes of the main graph whose results may depend on more than one row of a batch, in the
// graph's order. That they really do is for a run to show: the rows of a batch need not be a tensor's first dimension.
func (m *Model) Dependences() []Dependence {
	g := m.Proto.GetGraph()
	constants := integerConstants(g)
	var list []Dependence
	for _, n := range g.GetNode() {
		d := Dependence{Op: n.GetOpType(), Node: n.GetName()}
		if d.Node == "" && len(n.Output) > 0 {
			d.Node = n.Output[0]
		}
		switch op := n.GetOpType(); {
		case domain(n.GetDomain()) != "":
			continue
		case slices.Contains(random, op), op == "Dropout" && dropsOut(n, constants):
			d.Kind = DependsOnChance
		case op == "BatchNormalization" && (attribute(n, "training_mode").GetI() != 0 || outputs(n) == 5):
			d.Kind = DependsOnTraining
		case op == "DynamicQuantizeLinear":
			d.Kind = DependsOnScale
		case alongBatch(n, constants):
			d.Kind = DependsOnBatch
		case op == "Reshape" && len(n.Input) > 1 && len(constants[n.Input[1]]) > 0 && constants[n.Input[1]][0] > 0:
			d.Kind, d.Size = DependsOnSize, constants[n.Input[1]][0]
		default:
			continue
		}
		list = append(list, d)
	}
	return list
}

// outputs counts the outputs of a node that have a name.
func outputs(n *NodeProto) int {
	return len(slices.DeleteFunc(slices.Clone(n.Output), func(name string) bool { return name == "" }))
}

// dropsOut says that a dropout's third input, its training mode, is true, or is computed.
func dropsOut(n *NodeProto, constants map[string][]int64) bool {
	if len(n.Input) < 3 || n.Input[2] == "" {
		return false
	}
	mode, constant := constants[n.Input[2]]
	return !constant || slices.ContainsFunc(mode, func(v int64) bool { return v != 0 })
}

// alongBatch says that a node reduces the first dimension of its input, or normalises along it.
func alongBatch(n *NodeProto, constants map[string][]int64) bool {
	switch op := n.GetOpType(); {
	case strings.HasPrefix(op, "Reduce"):
		axes := attribute(n, "axes").GetInts()
		if len(n.Input) > 1 && n.Input[1] != "" {
			var constant bool
			if axes, constant = constants[n.Input[1]]; !constant {
				return false
			}
		}
		return slices.Contains(axes, 0) || len(axes) == 0 && attribute(n, "noop_with_empty_axes").GetI() == 0
	case op == "Softmax" || op == "LogSoftmax" || op == "LpNormalization":
		axis := attribute(n, "axis")
		return axis != nil && axis.GetI() == 0
	}
	return false
}

// integerConstants are the values of the small int64 and bool tensors that a graph stores: shapes, axes, modes.
func integerConstants(g *GraphProto) map[string][]int64 {
	constants := make(map[string][]int64)
	add := func(name string, t *TensorProto) {
		if values, ok := integers(t); ok {
			constants[name] = values
		}
	}
	for _, t := range g.GetInitializer() {
		add(t.GetName(), t)
	}
	for _, n := range g.GetNode() {
		if n.GetOpType() == "Constant" && len(n.Output) == 1 {
			if a := attribute(n, "value"); a.GetT() != nil {
				add(n.Output[0], a.GetT())
			}
		}
	}
	return constants
}

// integers decodes an int64 or bool tensor of a few elements that lies in the document itself.
func integers(t *TensorProto) ([]int64, bool) {
	const most = 64
	n, err := elements(t.GetDims())
	if err != nil || n > most || t.GetDataLocation() == TensorProto_EXTERNAL || checkTensor(t) != nil {
		return nil, false
	}
	values := make([]int64, 0, n)
	switch ElemType(t.GetDataType()) {
	case Int64:
		if t.RawData == nil {
			return slices.Clone(t.Int64Data), true
		}
		for chunk := range slices.Chunk(t.RawData, 8) {
			values = append(values, int64(binary.LittleEndian.Uint64(chunk)))
		}
	case Bool:
		if t.RawData == nil {
			for _, v := range t.Int32Data {
				values = append(values, int64(v))
			}
			return values, true
		}
		for _, v := range t.RawData {
			values = append(values, int64(v))
		}
	default:
		return nil, false
	}
	return values, true
}

// HalfPrecision says that the model stores weights of 16 bits or fewer, so that its results are rounded coarsely.
func (m *Model) HalfPrecision() bool {
	for t := range tensors(m.Proto.GetGraph()) {
		if e := ElemType(t.GetDataType()); e.known() && elems[e].bits <= 16 && e != Bool && e != Undefined &&
			e != StringElem {
			return true
		}
	}
	return false
}
