package onnx_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"rkd/models/onnx"
)

// function declares a model-local function.
func function(name string, inputs, outputs []string, nodes ...*onnx.NodeProto) *onnx.FunctionProto {
	return &onnx.FunctionProto{
		Name: proto.String(name), Domain: proto.String("local"), Input: inputs, Output: outputs, Node: nodes,
		OpsetImport: []*onnx.OperatorSetIdProto{
			{Version: proto.Int64(17)},
			{Domain: proto.String("local"), Version: proto.Int64(1)},
		},
	}
}

func node(kind, domain string, inputs, outputs []string, attributes ...*onnx.AttributeProto) *onnx.NodeProto {
	return &onnx.NodeProto{
		OpType: proto.String(kind), Domain: proto.String(domain), Input: inputs, Output: outputs, Attribute: attributes,
		Name: proto.String("n_" + outputs[0]),
	}
}

// ref is an attribute that the caller of a function gives.
func ref(name, caller string) *onnx.AttributeProto {
	return &onnx.AttributeProto{
		Name: proto.String(name), RefAttrName: proto.String(caller),
		Type: onnx.AttributeProto_FLOAT.Enum(),
	}
}

func float(name string, v float32) *onnx.AttributeProto {
	return &onnx.AttributeProto{Name: proto.String(name), F: proto.Float32(v), Type: onnx.AttributeProto_FLOAT.Enum()}
}

// calling is a model of the given nodes, from x to y.
func calling(t *testing.T, nodes []*onnx.NodeProto, functions ...*onnx.FunctionProto) *onnx.Model {
	t.Helper()
	b := onnx.NewBuilder("test", 17)
	b.NodeTo("y", "Relu", []string{b.Input("x", onnx.Float32, "N", 3)})
	b.Output("y", onnx.Float32)
	m, err := b.Model("rkd", "test")
	if err != nil {
		t.Fatal(err)
	}
	m.Proto.Graph.Node, m.Proto.Functions = nodes, functions
	m.Proto.OpsetImport = append(m.Proto.OpsetImport, &onnx.OperatorSetIdProto{
		Domain:  proto.String("local"),
		Version: proto.Int64(1),
	})
	return m
}

func TestInlinedReplacesCalls(t *testing.T) {
	leaky := function("Leaky", []string{"X"}, []string{"Y"}, node("LeakyRelu", "", []string{"X"}, []string{"Y"},
		ref("alpha", "slope")))
	leaky.AttributeProto = []*onnx.AttributeProto{float("slope", 0.25)}
	act := function("Act", []string{"X", "B"}, []string{"Y", "S"},
		node("Sigmoid", "", []string{"X"}, []string{"S"}), node("Leaky", "local", []string{"S"}, []string{"T"}),
		node("Clip", "", []string{"T", "B"}, []string{"Y"}))
	same := function("Same", []string{"X"}, []string{"X"})
	for name, test := range map[string]struct {
		nodes []*onnx.NodeProto
		want  []string
	}{
		"nested, an input and an output left out": {
			[]*onnx.NodeProto{node("Act", "local", []string{"x"}, []string{"y"})},
			[]string{"n_y/S = Sigmoid of x", "n_y/T = LeakyRelu alpha=0.25 of n_y/S", "y = Clip of n_y/T,"},
		},
		"twice, names kept apart": {
			[]*onnx.NodeProto{
				node("Relu", "", []string{"x"}, []string{"n_y/S"}),
				node("Act", "local", []string{"n_y/S", "n_y/S"}, []string{"y"}),
			},
			[]string{
				"n_y/S = Relu of x", "n_y/S_2 = Sigmoid of n_y/S", "n_y/T = LeakyRelu alpha=0.25 of n_y/S_2",
				"y = Clip of n_y/T,n_y/S",
			},
		},
		"the caller's attribute": {
			[]*onnx.NodeProto{node("Leaky", "local", []string{"x"}, []string{"y"}, float("slope", 0.5))},
			[]string{"y = LeakyRelu alpha=0.5 of x"},
		},
		"an input handed through": {
			[]*onnx.NodeProto{node("Same", "local", []string{"x"}, []string{"y"})}, []string{"y = Identity of x"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := calling(t, test.nodes, leaky, act, same)
			before := proto.CloneOf(m.Proto)
			inlined, err := m.Inlined()
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, n := range inlined.Proto.Graph.Node {
				line := strings.Join(n.Output, ",") + " = " + n.GetOpType()
				for _, a := range n.Attribute {
					line += " " + a.GetName() + "=" + fmt.Sprint(a.GetF())
				}
				got = append(got, line+" of "+strings.Join(n.Input, ","))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("nodes are\n%s\nexpected\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
			if err := inlined.Check(); err != nil {
				t.Error(err)
			}
			if !proto.Equal(before, m.Proto) {
				t.Error("inlining changes the model")
			}
		})
	}
}

func TestFunctionsThatCannotBeInlined(t *testing.T) {
	call := []*onnx.NodeProto{node("F", "local", []string{"x"}, []string{"y"})}
	relu := node("Relu", "", []string{"X"}, []string{"Y"})
	other := function("F", []string{"X"}, []string{"Y"}, relu)
	other.OpsetImport[0].Version = proto.Int64(13)
	branch := node("If", "", []string{"X"}, []string{"Y"}, &onnx.AttributeProto{
		Name: proto.String("then_branch"),
		G:    &onnx.GraphProto{},
	})
	// Ten functions, each calling the next one twelve times.
	var deep []*onnx.FunctionProto
	for i := range 10 {
		f := function("F"+strings.Repeat("F", i), []string{"X"}, []string{"Y"})
		for range 12 {
			f.Node = append(f.Node, node("F"+strings.Repeat("F", i+1), "local", []string{"X"}, []string{"Y"}))
		}
		deep = append(deep, f)
	}
	for name, test := range map[string]struct {
		functions []*onnx.FunctionProto
		want      string
	}{
		"recursion": {[]*onnx.FunctionProto{function("F", []string{"X"}, []string{"Y"},
			node("F", "local", []string{"X"}, []string{"Y"}))}, `function "F" calls itself`},
		"declared twice": {
			[]*onnx.FunctionProto{function("F", []string{"X"}, []string{"Y"}, relu), function("F", nil, nil)},
			`function "F" is declared twice`,
		},
		"too many inputs": {
			[]*onnx.FunctionProto{function("F", nil, []string{"Y"})},
			"called with 1 inputs and 1 outputs, expected at most 0 and 1",
		},
		"other operator set": {[]*onnx.FunctionProto{other}, "version 13 of the standard operator set, expected 17"},
		"a subgraph": {
			[]*onnx.FunctionProto{function("F", []string{"X"}, []string{"Y"}, branch)},
			`node "n_Y" (If) holds a subgraph`,
		},
		"too many nodes": {deep, "more than 131072 nodes"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := calling(t, call, test.functions...).Inlined()
			if !errors.Is(err, onnx.ErrFormat) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, expected %q", err, test.want)
			}
		})
	}
}
