package onnx

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFoldFollowsTheFormula(t *testing.T) {
	b := NewBuilder("g", 17)
	x := b.Input("x", Float64, "N", 2)
	w := b.Float64("w", []int{2, 3}, []float64{1, 2, 3, 4, 5, 6}) // (I,O)
	h := b.Node("Gemm", []string{x, w, b.Float64("b", []int{3}, []float64{1, -1, 2})})
	gamma, beta := []float64{2, 0.5, -1}, []float64{0.25, 0, 3}
	mean, variance := []float64{1, 2, -3}, []float64{4, 0.25, 1}
	b.NodeTo("y", "BatchNormalization", []string{
		h, b.Float64("gamma", []int{3}, gamma), b.Float64("beta", []int{3}, beta),
		b.Float64("mean", []int{3}, mean), b.Float64("variance", []int{3}, variance),
	}, Float("epsilon", 0.5))
	b.Output("y", Float64, "N", 3)
	m, err := b.Model("test", "1")
	if err != nil {
		t.Fatal(err)
	}
	if n := m.FoldBatchNorm(); n != 1 {
		t.Fatalf("folded %d normalisations, want 1", n)
	}
	if err := m.Check(); err != nil {
		t.Fatal(err)
	}
	g := m.Proto.Graph
	if len(g.Node) != 1 || len(g.Initializer) != 2 || g.Node[0].Output[0] != "y" {
		t.Fatalf("got %d nodes and %d initializers, want the Gemm with weights and bias alone", len(g.Node),
			len(g.Initializer))
	}
	var wantW, wantB []float64
	bias := []float64{1, -1, 2}
	for i := range 6 {
		c := i % 3
		wantW = append(wantW, float64(i+1)*gamma[c]/math.Sqrt(variance[c]+0.5))
	}
	for c := range 3 {
		wantB = append(wantB, (bias[c]-mean[c])*gamma[c]/math.Sqrt(variance[c]+0.5)+beta[c])
	}
	for i, want := range [][]float64{wantW, wantB} {
		got := g.Initializer[i].DoubleData
		if len(got) != len(want) {
			t.Fatalf("got %d values, want %d", len(got), len(want))
		}
		for j := range want {
			if math.Abs(got[j]-want[j]) > 1e-14 {
				t.Errorf("%s: got %v, want %v", g.Initializer[i].GetName(), got, want)
				break
			}
		}
	}
}

func TestFoldMergesConvAndGemmOfAnExportedModel(t *testing.T) {
	m := load(t, "conv_bn.onnx")
	if n := m.FoldBatchNorm(); n != 3 {
		t.Fatalf("folded %d normalisations, want 3", n)
	}
	want := []string{"Conv", "Relu", "Conv", "Relu", "ReduceMean", "Gemm"}
	if diff := cmp.Diff(want, ops(m)); diff != "" {
		t.Errorf("operators (-want +got):\n%s", diff)
	}
	if got := len(m.Proto.Graph.Initializer); got != 6 {
		t.Errorf("got %d initializers, want 6", got)
	}
	if err := m.Check(); err != nil {
		t.Error(err)
	}
	if n := m.FoldBatchNorm(); n != 0 {
		t.Errorf("folded %d more in a second pass, want 0", n)
	}
}

func TestFoldLeavesAlone(t *testing.T) {
	node := func(m *Model, op string) *NodeProto {
		i := slices.IndexFunc(m.Proto.Graph.Node, func(n *NodeProto) bool { return n.GetOpType() == op })
		return m.Proto.Graph.Node[i]
	}
	for name, change := range map[string]func(m *Model){
		"a second reader": func(m *Model) { node(m, "Relu").Input[0] = "/conv/Conv_output_0" },
		"a tapped value": func(m *Model) {
			m.Proto.Graph.Output = append(m.Proto.Graph.Output, &ValueInfoProto{Name: new("/conv/Conv_output_0")})
		},
		"training mode": func(m *Model) {
			bn := node(m, "BatchNormalization")
			bn.Attribute = append(bn.Attribute, Int("training_mode", 1).proto)
		},
		"overridable weights": func(m *Model) {
			m.Proto.Graph.Input = append(m.Proto.Graph.Input, &ValueInfoProto{Name: new("conv.weight")})
		},
		"statistics of another length": func(m *Model) { node(m, "BatchNormalization").Input[3] = "bn3.running_mean" },
		"a foreign operator":           func(m *Model) { node(m, "Conv").Domain = new("com.example") },
		"another group of weights":     func(m *Model) { node(m, "Conv").Input[1] = "linear.bias" },
	} {
		t.Run(name, func(t *testing.T) {
			m := load(t, "conv_bn.onnx")
			change(m)
			if n := m.FoldBatchNorm(); n != 2 {
				t.Errorf("folded %d normalisations, want the other 2 only", n)
			}
		})
	}
	if n := load(t, "external.onnx").FoldBatchNorm(); n != 0 {
		t.Errorf("folded %d normalisations whose weights lie outside of the document, want 0", n)
	}
}

func TestFoldKeepsSharedWeights(t *testing.T) {
	m := load(t, "conv_bn.onnx")
	conv := m.Proto.Graph.Node[0]
	m.Proto.Graph.Node = append(m.Proto.Graph.Node, &NodeProto{
		OpType: new("Conv"), Input: []string{"input", conv.Input[1]}, Output: []string{"second"},
	})
	m.Proto.Graph.Output = append(m.Proto.Graph.Output, &ValueInfoProto{Name: new("second")})
	if n := m.FoldBatchNorm(); n != 3 {
		t.Fatalf("folded %d normalisations, want 3", n)
	}
	if err := m.Check(); err != nil {
		t.Errorf("the weights that another node reads are gone: %v", err)
	}
}
