package onnx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// ElemType is the type of a tensor's elements. Values are those of TensorProto.DataType in the specification, which are
// also ONNX Runtime's.
type ElemType int32

// Element types by their numbers in the specification.
const (
	Undefined   ElemType = 0
	Float32     ElemType = 1
	Uint8       ElemType = 2
	Int8        ElemType = 3
	Uint16      ElemType = 4
	Int16       ElemType = 5
	Int32       ElemType = 6
	Int64       ElemType = 7
	StringElem  ElemType = 8
	Bool        ElemType = 9
	Float16     ElemType = 10
	Float64     ElemType = 11
	Uint32      ElemType = 12
	Uint64      ElemType = 13
	Complex64   ElemType = 14
	Complex128  ElemType = 15
	BFloat16    ElemType = 16
	float8First ElemType = 17 // four 8-bit floats
	float8Last  ElemType = 20
	Uint4       ElemType = 21
	Int4        ElemType = 22
)

// elem holds a type's name, its width in bits, and the TensorProto field that carries it when raw_data does not.
type elem struct {
	name  string
	bits  int64 // 0: no fixed width
	field string
}

var elems = [...]elem{
	{"undefined", 0, ""},
	{"float32", 32, "float_data"},
	{"uint8", 8, "int32_data"},
	{"int8", 8, "int32_data"},
	{"uint16", 16, "int32_data"},
	{"int16", 16, "int32_data"},
	{"int32", 32, "int32_data"},
	{"int64", 64, "int64_data"},
	{"string", 0, "string_data"},
	{"bool", 8, "int32_data"},
	{"float16", 16, "int32_data"},
	{"float64", 64, "double_data"},
	{"uint32", 32, "uint64_data"},
	{"uint64", 64, "uint64_data"},
	{"complex64", 64, "float_data"},
	{"complex128", 128, "double_data"},
	{"bfloat16", 16, "int32_data"},
	{"float8e4m3fn", 8, "int32_data"},
	{"float8e4m3fnuz", 8, "int32_data"},
	{"float8e5m2", 8, "int32_data"},
	{"float8e5m2fnuz", 8, "int32_data"},
	{"uint4", 4, "int32_data"},
	{"int4", 4, "int32_data"},
}

func (e ElemType) known() bool { return e >= 0 && int(e) < len(elems) }

// String is the type's name as NumPy spells it, or "type 99" for a number that the specification of this package lacks.
func (e ElemType) String() string {
	if !e.known() {
		return "type " + strconv.Itoa(int(e))
	}
	return elems[e].name
}

// IsFloat reports whether the type is a real floating-point number of any width.
func (e ElemType) IsFloat() bool {
	return e == Float32 || e == Float16 || e == Float64 || e == BFloat16 || e >= float8First && e <= float8Last
}

// IsInteger reports whether the type is an integer of any width, signed or not.
func (e ElemType) IsInteger() bool {
	switch e {
	case Int4, Int8, Int16, Int32, Int64, Uint4, Uint8, Uint16, Uint32, Uint64:
		return true
	}
	return false
}

// bytes is the size of n elements in raw_data; 4-bit elements lie two in a byte, the last one padded.
func (e ElemType) bytes(n int64) int64 {
	bits := elems[e].bits
	if bits < 8 {
		return (n + 1) / 2
	}
	return n * (bits / 8)
}

// Dim is one dimension of a shape: a number, a symbol (Param), or unknown (Value 0 and no Param). A dimension that is
// really 0 does not occur in practice and reads as unknown.
type Dim struct {
	Value int64
	Param string
}

// Fixed reports whether the dimension is a number.
func (d Dim) Fixed() bool { return d.Value > 0 }

// String is the number, the symbol, or "?".
func (d Dim) String() string {
	switch {
	case d.Fixed():
		return strconv.FormatInt(d.Value, 10)
	case d.Param != "":
		return d.Param
	}
	return "?"
}

// Tensor describes a value of the graph. Shape is nil when the file does not say it, Elem Undefined when the file does
// not say that either or when the value is no tensor.
type Tensor struct {
	Name  string
	Elem  ElemType
	Shape []Dim
}

// String reads `"input" float32 (N,1,28,28)`.
func (t Tensor) String() string {
	s := fmt.Sprintf("%q", t.Name)
	if t.Elem != Undefined {
		s += " " + t.Elem.String()
	}
	if t.Shape != nil {
		s += " " + ShapeString(t.Shape)
	}
	return s
}

// ShapeString writes a shape as (N,3,224,224), with ? for what is unknown.
func ShapeString(shape []Dim) string {
	parts := make([]string, len(shape))
	for i, d := range shape {
		parts[i] = d.String()
	}
	return "(" + strings.Join(parts, ",") + ")"
}

func describe(v *ValueInfoProto) Tensor {
	t := Tensor{Name: v.GetName()}
	tensor := v.GetType().GetTensorType()
	if tensor == nil {
		return t
	}
	t.Elem = ElemType(tensor.GetElemType())
	if tensor.Shape == nil {
		return t
	}
	t.Shape = make([]Dim, len(tensor.Shape.Dim))
	for i, d := range tensor.Shape.Dim {
		t.Shape[i] = Dim{Value: max(0, d.GetDimValue()), Param: d.GetDimParam()}
	}
	return t
}

func (m *Model) initializerNames() map[string]bool {
	names := make(map[string]bool)
	for _, t := range m.Proto.GetGraph().GetInitializer() {
		names[t.GetName()] = true
	}
	for _, t := range m.Proto.GetGraph().GetSparseInitializer() {
		names[t.GetValues().GetName()] = true
	}
	return names
}

// Inputs are the values that a caller has to give, in the file's order. Inputs that are initializers, as files before
// IR version 4 list them, are left out.
func (m *Model) Inputs() []Tensor {
	initial := m.initializerNames()
	var ts []Tensor
	for _, v := range m.Proto.GetGraph().GetInput() {
		if !initial[v.GetName()] {
			ts = append(ts, describe(v))
		}
	}
	return ts
}

// Outputs are the values that the graph returns, in the file's order.
func (m *Model) Outputs() []Tensor {
	var ts []Tensor
	for _, v := range m.Proto.GetGraph().GetOutput() {
		ts = append(ts, describe(v))
	}
	return ts
}

// elements is the product of a tensor's dimensions; a scalar has one.
func elements(dims []int64) (int64, error) {
	n := int64(1)
	for _, d := range dims {
		if d < 0 {
			return 0, fmt.Errorf("negative dimension %d", d)
		}
		if d > 0 && n > math.MaxInt64/16/d {
			return 0, errors.New("too many elements for a tensor")
		}
		n *= d
	}
	return n, nil
}

// floats decodes a float32 or float64 tensor that lies in the document itself.
func floats(t *TensorProto) ([]float64, error) {
	if err := checkTensor(t); err != nil {
		return nil, err
	}
	if t.GetDataLocation() == TensorProto_EXTERNAL {
		return nil, fmt.Errorf("tensor %q: its data lie in another file", t.GetName())
	}
	e := ElemType(t.GetDataType())
	if e == Float64 {
		if t.RawData == nil {
			return slices.Clone(t.DoubleData), nil
		}
		values := make([]float64, len(t.RawData)/8)
		_, err := binary.Decode(t.RawData, binary.LittleEndian, values)
		return values, err
	}
	if e != Float32 {
		return nil, fmt.Errorf("tensor %q: %s elements, expected float32 or float64", t.GetName(), e)
	}
	single := t.FloatData
	if t.RawData != nil {
		single = make([]float32, len(t.RawData)/4)
		if _, err := binary.Decode(t.RawData, binary.LittleEndian, single); err != nil {
			return nil, fmt.Errorf("tensor %q: %w", t.GetName(), err)
		}
	}
	values := make([]float64, len(single))
	for i, v := range single {
		values[i] = float64(v)
	}
	return values, nil
}

// newTensor makes an initializer with raw data; T is one of the fixed-size types that encoding/binary writes.
func newTensor[T any](name string, e ElemType, dims []int64, data []T) (*TensorProto, error) {
	raw, err := binary.Append(make([]byte, 0, binary.Size(data)), binary.LittleEndian, data)
	if err != nil {
		return nil, fmt.Errorf("encoding tensor %q: %w", name, err)
	}
	return &TensorProto{Name: &name, DataType: new(int32(e)), Dims: slices.Clone(dims), RawData: raw}, nil
}
