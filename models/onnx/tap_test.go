package onnx

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func ops(m *Model) []string {
	var names []string
	for _, n := range m.Proto.Graph.Node {
		names = append(names, n.GetOpType())
	}
	return names
}

func TestTapKeepsWhatTheTensorsNeed(t *testing.T) {
	for name, test := range map[string]struct {
		file         string
		tap          []string
		ops, inputs  []string
		initializers int
	}{
		"inside": {
			"conv_bn.onnx",
			[]string{"/Relu_output_0"},
			[]string{"Conv", "BatchNormalization", "Relu"},
			[]string{"input"},
			6,
		},
		"two of them, in this order": {
			"conv_bn.onnx",
			[]string{"/linear/Gemm_output_0", "/conv/Conv_output_0"},
			[]string{"Conv", "BatchNormalization", "Relu", "Conv", "BatchNormalization", "Relu", "ReduceMean", "Gemm"},
			[]string{"input"},
			13,
		},
		"the output itself":             {"half.onnx", []string{"y"}, []string{"Cast", "MatMul"}, []string{"x"}, 1},
		"an input":                      {"half.onnx", []string{"x"}, nil, []string{"x"}, 0},
		"what branches read stays":      {"subgraph.onnx", []string{"y"}, []string{"Abs", "If"}, []string{"x", "flag"}, 0},
		"an input nobody needs is gone": {"subgraph.onnx", []string{"unused"}, []string{"Neg"}, []string{"x"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			m := load(t, test.file)
			if err := m.Tap(test.tap...); err != nil {
				t.Fatal(err)
			}
			var outputs, inputs []string
			for _, o := range m.Outputs() {
				outputs = append(outputs, o.Name)
			}
			for _, i := range m.Inputs() {
				inputs = append(inputs, i.Name)
			}
			if !slices.Equal(outputs, test.tap) || !slices.Equal(inputs, test.inputs) {
				t.Errorf("got inputs %v and outputs %v, want %v and %v", inputs, outputs, test.inputs, test.tap)
			}
			if diff := cmp.Diff(test.ops, ops(m)); diff != "" {
				t.Errorf("operators (-want +got):\n%s", diff)
			}
			if got := len(m.Proto.Graph.Initializer); got != test.initializers {
				t.Errorf("got %d initializers, want %d", got, test.initializers)
			}
			if err := m.Check(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestTapNamesTheNearestTensors(t *testing.T) {
	m := load(t, "conv_bn.onnx")
	err := m.Tap("/Relu_2_output_0")
	if !errors.Is(err, ErrUnknownTensor) {
		t.Fatalf("got error %v, want ErrUnknownTensor", err)
	}
	want := `unknown tensor "/Relu_2_output_0", expected one that the graph computes: ` +
		`"/Relu_1_output_0", "/Relu_output_0", "/ReduceMean_output_0"`
	if !strings.HasPrefix(err.Error(), want) || !strings.HasSuffix(err.Error(), "and 4 more") {
		t.Errorf("got  %v\nwant %s …", err, want)
	}
	if m.Tap() == nil || m.Tap("embedding", "embedding") == nil {
		t.Error("tapping nothing, or a tensor twice, is no error")
	}
}

func TestCastToFloatKeepsTheName(t *testing.T) {
	m := load(t, "half.onnx")
	if err := m.CastToFloat("y"); err != nil {
		t.Fatal(err)
	}
	want := Tensor{"y", Float32, []Dim{{Param: "N"}, {Value: 3}}}
	if diff := cmp.Diff([]Tensor{want}, m.Outputs()); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
	if got := ops(m); !slices.Equal(got, []string{"Cast", "MatMul", "Cast"}) {
		t.Errorf("got operators %v", got)
	}
	if err := m.Check(); err != nil {
		t.Error(err)
	}
	if err := m.CastToFloat("y"); err != nil || len(ops(m)) != 3 {
		t.Errorf("casting a float32 output: error %v, operators %v, want nothing done", err, ops(m))
	}
	if err := m.CastToFloat("h"); !errors.Is(err, ErrUnknownTensor) {
		t.Errorf("got error %v, want ErrUnknownTensor for what is no output", err)
	}
}

func TestCastToFloatRenamesInsideSubgraphs(t *testing.T) {
	m := load(t, "subgraph.onnx")
	if err := m.Tap("y", "outer"); err != nil {
		t.Fatal(err)
	}
	if err := m.CastToFloat("outer"); err != nil {
		t.Fatal(err)
	}
	for _, n := range m.Proto.Graph.Node {
		for sub := range graphs(n) {
			if got := sub.Node[0].Input[0]; got != "outer_raw" {
				t.Errorf("the branch reads %q, want outer_raw", got)
			}
		}
	}
	if err := m.Check(); err != nil {
		t.Error(err)
	}
}

func TestCastFromFloatKeepsTheName(t *testing.T) {
	m := load(t, "half.onnx")
	m.Proto.Graph.Input[0].Type.GetTensorType().ElemType = new(int32(Float16))
	if err := m.CastFromFloat("x"); err != nil {
		t.Fatal(err)
	}
	want := Tensor{"x", Float32, []Dim{{Param: "N"}, {Value: 4}}}
	if diff := cmp.Diff([]Tensor{want}, m.Inputs()); diff != "" {
		t.Errorf("inputs (-want +got):\n%s", diff)
	}
	if got := m.Proto.Graph.Node[1].Input[0]; got != "x_cast" {
		t.Errorf("the first node of the file reads %q, want x_cast", got)
	}
	if err := m.Check(); err != nil {
		t.Error(err)
	}
	if err := m.CastFromFloat("x"); err != nil || len(ops(m)) != 3 {
		t.Errorf("casting a float32 input: error %v, operators %v, want nothing done", err, ops(m))
	}
	if err := m.CastFromFloat("y"); !errors.Is(err, ErrUnknownTensor) {
		t.Errorf("got error %v, want ErrUnknownTensor for what is no input", err)
	}
}
