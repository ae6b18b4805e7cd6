package onnx

import (
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"
)

func stored(e ElemType, dims []int64, raw []byte, typed func(*TensorProto)) *TensorProto {
	t := &TensorProto{Name: proto.String("w"), DataType: new(int32(e)), Dims: dims, RawData: raw}
	if typed != nil {
		typed(t)
	}
	return t
}

func raw(tb testing.TB, data any) []byte {
	tb.Helper()
	b, err := binary.Append(nil, binary.LittleEndian, data)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestFloat32sReadsEveryWidth(t *testing.T) {
	inf := float32(math.Inf(1))
	for name, test := range map[string]struct {
		tensor *TensorProto
		want   []float32
	}{
		"float32 raw": {stored(Float32, []int64{2}, raw(t, []float32{1.5, -2}), nil), []float32{1.5, -2}},
		"float32 typed": {
			stored(Float32, []int64{2}, nil, func(t *TensorProto) { t.FloatData = []float32{1.5, -2} }),
			[]float32{1.5, -2},
		},
		"float64 raw": {stored(Float64, []int64{1, 2}, raw(t, []float64{0.1, -2}), nil), []float32{0.1, -2}},
		"float64 typed": {
			stored(Float64, []int64{1}, nil, func(t *TensorProto) { t.DoubleData = []float64{0.1} }),
			[]float32{0.1},
		},
		// 1, −2, largest, smallest normal, smallest subnormal, negative zero, infinity
		"float16 raw": {
			stored(Float16, []int64{7}, raw(t, []uint16{0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x8000, 0x7c00}), nil),
			[]float32{1, -2, 65504, 0x1p-14, 0x1p-24, float32(math.Copysign(0, -1)), inf},
		},
		"float16 typed": {
			stored(Float16, []int64{1}, nil, func(t *TensorProto) { t.Int32Data = []int32{0x3555} }),
			[]float32{0.333251953125},
		},
		"bfloat16 raw": {stored(BFloat16, []int64{2}, raw(t, []uint16{0x3f80, 0xc049}), nil), []float32{1, -3.140625}},
		"bfloat16 typed": {
			stored(BFloat16, []int64{1}, nil, func(t *TensorProto) { t.Int32Data = []int32{0x7f80} }),
			[]float32{inf},
		},
		"scalar":      {stored(Float32, nil, raw(t, []float32{3}), nil), []float32{3}},
		"no elements": {stored(Float32, []int64{0}, nil, nil), nil},
	} {
		got, err := new(Model).Float32s(test.tensor)
		if err != nil || !slices.EqualFunc(got, test.want,
			func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }) {
			t.Errorf("%s: %v, %v, expected %v", name, got, err, test.want)
		}
	}
	nan, err := new(Model).Float32s(stored(Float16, []int64{1}, raw(t, []uint16{0x7e00}), nil))
	if err != nil || !math.IsNaN(float64(nan[0])) {
		t.Errorf("float16 NaN: %v, %v", nan, err)
	}
}

func TestInt64sReadsEveryWidth(t *testing.T) {
	typed := func(t *TensorProto) { t.Int32Data = []int32{1, 0} }
	for name, test := range map[string]struct {
		tensor *TensorProto
		want   []int64
	}{
		"int64 raw":   {stored(Int64, []int64{2}, raw(t, []int64{-1, 1 << 40}), nil), []int64{-1, 1 << 40}},
		"int64 typed": {stored(Int64, []int64{1}, nil, func(t *TensorProto) { t.Int64Data = []int64{7} }), []int64{7}},
		"int32 raw":   {stored(Int32, []int64{2}, raw(t, []int32{-1, 5}), nil), []int64{-1, 5}},
		"int16 raw":   {stored(Int16, []int64{1}, raw(t, []int16{-3}), nil), []int64{-3}},
		"int8 raw":    {stored(Int8, []int64{1}, raw(t, []int8{-3}), nil), []int64{-3}},
		"uint16 raw":  {stored(Uint16, []int64{1}, raw(t, []uint16{65535}), nil), []int64{65535}},
		"bool raw":    {stored(Bool, []int64{2}, []byte{1, 0}, nil), []int64{1, 0}},
		"bool typed":  {stored(Bool, []int64{2}, nil, typed), []int64{1, 0}},
		"int32 typed": {stored(Int32, []int64{2}, nil, typed), []int64{1, 0}},
	} {
		if got, err := new(Model).Int64s(test.tensor); err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, %v, expected %v", name, got, err, test.want)
		}
	}
}

func TestValuesRefuseWhatTheyCannotRead(t *testing.T) {
	m := new(Model)
	for name, tensor := range map[string]*TensorProto{
		"too short": stored(Float32, []int64{3}, raw(t, []float32{1, 2}), nil),
		"strings":   stored(StringElem, []int64{1}, nil, func(t *TensorProto) { t.StringData = [][]byte{[]byte("a")} }),
		"complex":   stored(Complex64, []int64{1}, raw(t, []float32{1, 2}), nil),
		"float8":    stored(float8First, []int64{1}, []byte{1}, nil),
		"no type":   stored(Undefined, nil, nil, nil),
		"negative":  stored(Float32, []int64{-1}, nil, nil),
		"no location": stored(Float32, []int64{1}, nil,
			func(t *TensorProto) { t.DataLocation = TensorProto_EXTERNAL.Enum() }),
	} {
		if got, err := m.Float32s(tensor); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: Float32s gives %v, %v, expected an error", name, got, err)
		}
		if got, err := m.Int64s(tensor); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: Int64s gives %v, %v, expected an error", name, got, err)
		}
	}
}

func TestFloat32sReadsExternalData(t *testing.T) {
	m := &Model{Dir: t.TempDir()}
	if err := os.WriteFile(filepath.Join(m.Dir, "w.bin"), raw(t, []float32{1, 2, 3}), 0o600); err != nil {
		t.Fatal(err)
	}
	w := stored(Float32, []int64{2}, nil, func(t *TensorProto) {
		t.DataLocation = TensorProto_EXTERNAL.Enum()
		t.ExternalData = []*StringStringEntryProto{
			{Key: proto.String("location"), Value: proto.String("w.bin")},
			{Key: proto.String("offset"), Value: proto.String("4")},
		}
	})
	if got, err := m.Float32s(w); err != nil || !slices.Equal(got, []float32{2, 3}) {
		t.Errorf("%v, %v, expected [2 3]", got, err)
	}
	w.Dims = []int64{3}
	if got, err := m.Float32s(w); !errors.Is(err, ErrExternal) {
		t.Errorf("behind the end: %v, %v, expected ErrExternal", got, err)
	}
}

func TestPartLeavesTheModelAsItIs(t *testing.T) {
	m := load(t, "conv_bn.onnx")
	before := proto.CloneOf(m.Proto)
	inside := m.Proto.Graph.Node[0].Output[0]
	part, err := m.Part(inside)
	if err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(before, m.Proto) {
		t.Error("the model has changed")
	}
	if got := part.Outputs(); len(got) != 1 || got[0].Name != inside || len(part.Proto.Graph.Node) != 1 {
		t.Errorf("the part has %d nodes and the outputs %v, expected one node and %q",
			len(part.Proto.Graph.Node), got, inside)
	}
	if err := part.Check(); err != nil {
		t.Error(err)
	}
	if part.Opset() != m.Opset() || m.Opset() < 7 {
		t.Errorf("operator set %d of the part, %d of the model", part.Opset(), m.Opset())
	}
	if _, err := m.Part("nothing"); !errors.Is(err, ErrUnknownTensor) {
		t.Errorf("error is %v, expected ErrUnknownTensor", err)
	}
}

func TestCheckDescribesCycles(t *testing.T) {
	b := NewBuilder("test", 17)
	x := b.Input("x", Float32, 1)
	y := b.Node("Relu", []string{b.Node("Add", []string{b.Node("Neg", []string{x}), x})})
	b.Output(y, Float32, 1)
	m, err := b.Model("rkd", "test")
	if err != nil {
		t.Fatal(err)
	}
	order := proto.CloneOf(m.Proto).Graph.Node
	m.Proto.Graph.Node[1].Input[1] = y
	want := `not a usable ONNX model: node 1 (Add "add_1"): input "relu_1" is not defined by anything before it: ` +
		`the graph has a cycle: "add_1" (Add), "relu_1" (Relu)`
	if err := m.Check(); err == nil || err.Error() != want || !errors.Is(err, ErrFormat) {
		t.Errorf("error is %v, expected %s", err, want)
	}
	slices.Reverse(order)
	m.Proto.Graph.Node = order
	want = `not a usable ONNX model: node 0 (Relu "relu_1"): input "add_1" is not defined by anything before it`
	if err := m.Check(); err == nil || err.Error() != want {
		t.Errorf("error is %v, expected %s", err, want)
	}
}
