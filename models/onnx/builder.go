package onnx

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"
)

// Builder makes a model node by node. Methods that name a value return the name; a mistake is kept and returned by
// Model, so that calls can be strung together.
type Builder struct {
	graph *GraphProto
	opset int64
	taken map[string]bool // every name in the graph
	next  map[string]int  // the next number to try for a prefix
	err   error
}

// NewBuilder starts a model whose nodes are of the standard operator set with the given version.
func NewBuilder(graphName string, opset int64) *Builder {
	b := &Builder{
		graph: &GraphProto{Name: &graphName},
		opset: opset,
		taken: make(map[string]bool),
		next:  make(map[string]int),
	}
	if opset < 7 {
		b.fail("opset %d, expected 7 or more", opset)
	}
	return b
}

func (b *Builder) fail(format string, args ...any) {
	if b.err == nil {
		b.err = fmt.Errorf(format, args...)
	}
}

// Unique returns prefix when the graph has no such name yet, and else prefix_1, prefix_2, …; the name is then taken.
func (b *Builder) Unique(prefix string) string {
	name := prefix
	for name == "" || b.taken[name] {
		b.next[prefix]++
		name = prefix + "_" + strconv.Itoa(b.next[prefix])
	}
	b.taken[name] = true
	return name
}

func (b *Builder) take(name string) {
	if name == "" || b.taken[name] {
		b.fail("tensor %q is defined twice or has no name", name)
	}
	b.taken[name] = true
}

// Input declares an input of the graph. A dimension is a number (int, int64) or a symbol (string); "" is unknown.
func (b *Builder) Input(name string, elem ElemType, dims ...any) string {
	b.take(name)
	b.graph.Input = append(b.graph.Input, b.valueInfo(name, elem, dims))
	return name
}

// Output declares that the value of this name, which a node computes, is an output of the graph.
func (b *Builder) Output(name string, elem ElemType, dims ...any) string {
	b.graph.Output = append(b.graph.Output, b.valueInfo(name, elem, dims))
	return name
}

func (b *Builder) valueInfo(name string, elem ElemType, dims []any) *ValueInfoProto {
	shape := new(TensorShapeProto)
	for _, d := range dims {
		dim := new(TensorShapeProto_Dimension)
		switch d := d.(type) {
		case int:
			dim.Value = &TensorShapeProto_Dimension_DimValue{DimValue: int64(d)}
		case int64:
			dim.Value = &TensorShapeProto_Dimension_DimValue{DimValue: d}
		case string:
			if d != "" {
				dim.Value = &TensorShapeProto_Dimension_DimParam{DimParam: d}
			}
		default:
			b.fail("tensor %q: dimension %v is a %T, expected int, int64 or string", name, d, d)
		}
		shape.Dim = append(shape.Dim, dim)
	}
	return &ValueInfoProto{Name: &name, Type: &TypeProto{Value: &TypeProto_TensorType{
		TensorType: &TypeProto_Tensor{ElemType: new(int32(elem)), Shape: shape},
	}}}
}

// Float32 stores a constant of the given shape (nil: a scalar) under a name made by Unique, which it returns.
func (b *Builder) Float32(name string, shape []int, data []float32) string {
	return initializer(b, name, Float32, shape, data)
}

// Float64 is Float32 for double precision.
func (b *Builder) Float64(name string, shape []int, data []float64) string {
	return initializer(b, name, Float64, shape, data)
}

// Int64 is Float32 for 64-bit integers: shapes, axes, indices.
func (b *Builder) Int64(name string, shape []int, data []int64) string {
	return initializer(b, name, Int64, shape, data)
}

// Uint8 is Float32 for bytes.
func (b *Builder) Uint8(name string, shape []int, data []uint8) string {
	return initializer(b, name, Uint8, shape, data)
}

func initializer[T any](b *Builder, name string, e ElemType, shape []int, data []T) string {
	name = b.Unique(name)
	dims := make([]int64, len(shape))
	for i, d := range shape {
		dims[i] = int64(d)
	}
	if n, err := elements(dims); err != nil || n != int64(len(data)) {
		b.fail("initializer %q: %d values for shape %v", name, len(data), shape)
	}
	t, err := newTensor(name, e, dims, data)
	if err != nil {
		b.fail("%w", err)
	}
	b.graph.Initializer = append(b.graph.Initializer, t)
	return name
}

// Attr is an attribute of a node.
type Attr struct{ proto *AttributeProto }

// Int is an integer attribute.
func Int(name string, v int64) Attr {
	return Attr{&AttributeProto{Name: &name, Type: AttributeProto_INT.Enum(), I: &v}}
}

// Ints is an attribute that is a list of integers.
func Ints(name string, v ...int64) Attr {
	return Attr{&AttributeProto{Name: &name, Type: AttributeProto_INTS.Enum(), Ints: slices.Clone(v)}}
}

// Float is a float attribute.
func Float(name string, v float32) Attr {
	return Attr{&AttributeProto{Name: &name, Type: AttributeProto_FLOAT.Enum(), F: &v}}
}

// String is an attribute that is a text.
func String(name, v string) Attr {
	return Attr{&AttributeProto{Name: &name, Type: AttributeProto_STRING.Enum(), S: []byte(v)}}
}

// Node appends a node of a standard operator and returns the name of its output, which is made from the operator's:
// conv_1, conv_2, … An empty input name leaves an optional input out.
func (b *Builder) Node(op string, inputs []string, attrs ...Attr) string {
	prefix := strings.ToLower(op)
	b.next[prefix]++
	output := b.Unique(prefix + "_" + strconv.Itoa(b.next[prefix]))
	b.append(output, op, inputs, attrs)
	return output
}

// NodeTo is Node with an output name of the caller's choice.
func (b *Builder) NodeTo(output, op string, inputs []string, attrs ...Attr) {
	b.take(output)
	b.append(output, op, inputs, attrs)
}

func (b *Builder) append(output, op string, inputs []string, attrs []Attr) {
	n := &NodeProto{
		Name:   proto.String(output),
		OpType: proto.String(op),
		Input:  slices.Clone(inputs),
		Output: []string{output},
	}
	for _, a := range attrs {
		n.Attribute = append(n.Attribute, a.proto)
	}
	b.graph.Node = append(b.graph.Node, n)
}

// Rename gives the value that a node made another name everywhere, so that an output of the graph can be called what
// its users expect.
func (b *Builder) Rename(from, to string) {
	if from == to {
		return
	}
	if !b.taken[from] {
		b.fail("tensor %q cannot be renamed to %q: there is no such tensor", from, to)
	}
	b.take(to)
	delete(b.taken, from)
	rename(b.graph, from, to)
}

// Model finishes the graph and checks it. The IR version is the oldest that knows the operator set, so that old
// runtimes read the file too.
func (b *Builder) Model(producer, version string) (*Model, error) {
	if b.err != nil {
		return nil, fmt.Errorf("building graph %q: %w", b.graph.GetName(), b.err)
	}
	m := &Model{Proto: &ModelProto{
		IrVersion:       proto.Int64(irVersion(b.opset)),
		ProducerName:    &producer,
		ProducerVersion: &version,
		OpsetImport:     []*OperatorSetIdProto{{Domain: proto.String(""), Version: &b.opset}},
		Graph:           b.graph,
	}}
	if err := m.Check(); err != nil {
		return nil, fmt.Errorf("building graph %q: %w", b.graph.GetName(), err)
	}
	return m, nil
}

// irVersion follows the table of released versions in the specification; initializers need not be inputs from 4 on.
func irVersion(opset int64) int64 {
	switch {
	case opset <= 9:
		return 4
	case opset == 10:
		return 5
	case opset == 11:
		return 6
	case opset <= 14:
		return 7
	case opset <= 18:
		return 8
	case opset <= 20:
		return 9
	}
	return 10
}
