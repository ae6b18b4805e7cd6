package engine

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/models/ort"
	"rkd/student/arch"
	"rkd/student/op"
)

func TestOperatorsThatCannotRunAreNamed(t *testing.T) {
	g := gorgonia.NewGraph()
	x, _ := leaf(g, "x", 2, 3)
	y, err := gorgonia.Transpose(x, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = newPlan(gorgonia.Nodes{y}, nil, true)
	if !errors.Is(err, ErrOperator) || !strings.Contains(err.Error(), y.Name()) {
		t.Errorf("error is %v, expected ErrOperator with the name of %q", err, y.Name())
	}
}

func TestInputsWithoutAValueAreNamed(t *testing.T) {
	x := gorgonia.NewMatrix(gorgonia.NewGraph(), tensor.Float32, gorgonia.WithShape(2, 3), gorgonia.WithName("lonely"))
	y, err := op.ReLU(x)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newPlan(gorgonia.Nodes{y}, nil, true); !errors.Is(err, ErrOperator) ||
		!strings.Contains(err.Error(), "lonely") {
		t.Errorf("error is %v, expected ErrOperator with the name of the input", err)
	}
}

// A chain of kernels needs two buffers however long it is, and models between kernels make stages.
func TestPlanReusesMemoryAndCutsStages(t *testing.T) {
	g := gorgonia.NewGraph()
	x, _ := leaf(g, "x", 4, 8)
	y := x
	for range 6 {
		stats, err := op.BatchStats(y)
		if err != nil {
			t.Fatal(err)
		}
		gamma, _ := leaf(g, "gamma", 8)
		beta, _ := leaf(g, "beta", 8)
		if y, err = op.BatchNorm(y, stats, gamma, beta, 1e-5); err != nil {
			t.Fatal(err)
		}
	}
	last, err := op.Sigmoid(y)
	if err != nil {
		t.Fatal(err)
	}
	second, err := op.Softmax(last)
	if err != nil {
		t.Fatal(err)
	}
	p, err := newPlan(gorgonia.Nodes{second}, nil, true)
	if err != nil {
		t.Fatal(err)
	}
	memory := make(map[*float32]bool)
	for _, operation := range p.operations {
		if v := operation.output; len(v.data) == 32 && !v.kept {
			memory[&v.data[0]] = true
		}
	}
	if len(memory) != 2 {
		t.Errorf("%d buffers for a chain, expected 2", len(memory))
	}
	if len(p.runs) != 13 || len(p.runs[12]) != 2 {
		t.Errorf("%d runs, expected 12 kernels and a model of two nodes", len(p.runs))
	}
}

// operators counts what a plan computes, by the operators' names without attributes.
func operators(p *plan) map[string]int {
	count := make(map[string]int)
	for _, t := range p.operations {
		name, _, _ := strings.Cut(t.op.String(), "{")
		count[name]++
	}
	return count
}

// What follows a batch normalisation is computed with it, forward and backward, and so is what surrounds a ReLU: no
// pass over memory is left for ReLU, but for the one whose gradient comes from pooling alone.
func TestTrainingPlansFuseWhatFollowsNormalisation(t *testing.T) {
	for name, c := range map[string]struct {
		config arch.Config
		input  []int
		want   map[string]int // of what can be fused
	}{
		"convolution, normalisation, ReLU": {
			arch.Config{Layers: []arch.Layer{
				{Kind: arch.Conv, Out: 4, Pad: 1},
				{Kind: arch.BatchNorm},
				{Kind: arch.ReLU},
				{Kind: arch.Conv, Out: 4, Pad: 1},
				{Kind: arch.Flatten},
			}},
			[]int{1, 8, 8},
			map[string]int{"BatchNormReLU": 1, "ReLUBatchNormSums": 1, "ReLUBatchNormInputGrad": 1},
		},
		"normalisation, ReLU, halves": {
			arch.Config{Conv: []int{4, 8, 8}},
			[]int{1, 28, 28},
			map[string]int{
				"BatchNormReLUMaxPool2D": 3, "ReLUMaxPool2DBatchNormSums": 3, "ReLUMaxPool2DBatchNormInputGrad": 3,
			},
		},
		"normalisation, ReLU, pooling that overlaps": {
			arch.Config{Layers: []arch.Layer{
				{Kind: arch.Conv, Out: 4, Pad: 1},
				{Kind: arch.BatchNorm},
				{Kind: arch.ReLU},
				{Kind: arch.MaxPool, Kernel: 3, Stride: 2, Pad: 1},
				{Kind: arch.Flatten},
			}},
			[]int{1, 8, 8},
			map[string]int{
				"BatchNormReLU": 1, "MaxPool2D": 1, "ReLUMaxPool2DGrad": 1, "BatchNormSums": 1, "BatchNormInputGrad": 1,
			},
		},
		"ReLU, halves": {
			arch.Config{Layers: []arch.Layer{
				{Kind: arch.Conv, Out: 4, Pad: 1},
				{Kind: arch.ReLU},
				{Kind: arch.MaxPool},
				{Kind: arch.Flatten},
			}},
			[]int{1, 8, 8},
			map[string]int{"ReLUMaxPool2D": 1, "ReLUMaxPool2DGrad": 1},
		},
		"resnet20": { // nine blocks, two of which have a shortcut with a normalisation
			arch.Config{Preset: "resnet20"},
			[]int{3, 32, 32},
			map[string]int{
				"BatchNormReLU": 10, "ReLUBatchNormSums": 10, "ReLUBatchNormInputGrad": 10,
				"BatchNormAddReLU": 9, "BatchNorm": 2, "BatchNormSums": 11, "BatchNormInputGrad": 11,
				"AddReLUGrad": 8, "ReLUGrad": 1,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			net, err := arch.New(c.config, c.input, 4, false)
			if err != nil {
				t.Fatal(err)
			}
			x, _ := leaf(gorgonia.NewGraph(), "input", append([]int{2}, c.input...)...)
			graph, err := net.Build(x, net.Init(1, tensor.Float32), true)
			if err != nil {
				t.Fatal(err)
			}
			gradient, _ := leaf(x.Graph(), "gradient", 2, 4)
			grads, err := gorgonia.Backpropagate(gorgonia.Nodes{graph.Embedding}, gorgonia.Nodes{gradient}, graph.Params)
			if err != nil {
				t.Fatal(err)
			}
			p, err := newPlan(gorgonia.Nodes{graph.Embedding}, grads, true)
			if err != nil {
				t.Fatal(err)
			}
			got := operators(p)
			maps.DeleteFunc(got, func(name string, _ int) bool {
				return !strings.Contains(name, "ReLU") && !strings.Contains(name, "MaxPool") && !strings.HasPrefix(name, "+") &&
					!strings.HasPrefix(name, "BatchNorm")
			})
			if !maps.Equal(got, c.want) {
				t.Errorf("the plan computes %v, expected %v", got, c.want)
			}
		})
	}
}

// plansDepthwise reports whether the processor has direct convolution kernels: only they plan depthwise convolutions
// and fuse activations.
func plansDepthwise(t *testing.T) bool {
	t.Helper()
	g := gorgonia.NewGraph()
	x, _ := leaf(g, "x", 1, 2, 3, 3)
	w, _ := leaf(g, "w", 2, 1, 3, 3)
	y, err := op.Conv2D(x, w, nil, op.ConvOptions{Groups: 2})
	if err != nil {
		t.Fatal(err)
	}
	return op.Of(y).Plans([]tensor.Shape{x.Shape(), w.Shape()})
}

// An activation is fused into the convolution before it, and its mask into the input gradient of the one after it. In
// MobileNet's blocks with folded normalisation, only a ReLU that pooling follows keeps a gradient node.
func TestTrainingPlansFuseRectifiersWithConvolutions(t *testing.T) {
	depthwise := arch.Layer{Kind: arch.Conv, Out: 8, Pad: 1, Groups: 8}
	net, err := arch.New(arch.Config{Layers: []arch.Layer{
		{Kind: arch.Conv, Out: 8, Stride: 2, Pad: 1},
		{Kind: arch.ReLU6},
		depthwise,
		{Kind: arch.ReLU6},
		{Kind: arch.Conv, Out: 4, Kernel: 1}, // not rectified
		{Kind: arch.Conv, Out: 8, Kernel: 1},
		{Kind: arch.ReLU},
		depthwise,
		{Kind: arch.ReLU},
		{Kind: arch.GlobalAvgPool},
	}}, []int{3, 12, 12}, 4, false)
	if err != nil {
		t.Fatal(err)
	}
	x, _ := leaf(gorgonia.NewGraph(), "input", 2, 3, 12, 12)
	graph, err := net.Build(x, net.Init(1, tensor.Float32), true)
	if err != nil {
		t.Fatal(err)
	}
	gradient, _ := leaf(x.Graph(), "gradient", 2, 4)
	grads, err := gorgonia.Backpropagate(gorgonia.Nodes{graph.Embedding}, gorgonia.Nodes{gradient}, graph.Params)
	if err != nil {
		t.Fatal(err)
	}
	p, err := newPlan(gorgonia.Nodes{graph.Embedding}, grads, true)
	if err != nil {
		t.Fatal(err)
	}
	got := operators(p)
	maps.DeleteFunc(got, func(name string, _ int) bool {
		return !strings.Contains(name, "ReLU") && !strings.Contains(name, "Conv2D")
	})
	want := map[string]int{
		"ReLU6Conv2D": 2, "ReLUConv2D": 2, "Conv2D": 1, "Conv2DWeightGrad": 5,
		"ReLU6Conv2DInputGrad": 2, "ReLUConv2DInputGrad": 1, "Conv2DInputGrad": 1, "ReLUGrad": 1,
	}
	if !plansDepthwise(t) {
		want = map[string]int{
			"Conv2D": 5, "ReLU6": 2, "ReLU": 2, "Conv2DWeightGrad": 5, "Conv2DInputGrad": 4, "ReLU6Grad": 2, "ReLUGrad": 2,
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("the plan computes %v, expected %v", got, want)
	}
}

// What somebody else reads is computed for them, too.
func TestPlanComputesWhatIsFusedAndReadElsewhere(t *testing.T) {
	g := gorgonia.NewGraph()
	x, data := leaf(g, "x", 4, 8)
	gamma, ones := leaf(g, "gamma", 8)
	beta, _ := leaf(g, "beta", 8)
	gy, grad := leaf(g, "gy", 4, 8)
	for i := range data {
		data[i], grad[i], ones[i%8] = float32(i*7%5-2), float32(i+1), 1
	}
	stats, err := op.BatchStats(x)
	if err != nil {
		t.Fatal(err)
	}
	normalised, err := op.BatchNorm(x, stats, gamma, beta, 1e-5)
	if err != nil {
		t.Fatal(err)
	}
	y, err := op.ReLU(normalised)
	if err != nil {
		t.Fatal(err)
	}
	grads, err := gorgonia.Backpropagate(gorgonia.Nodes{y}, gorgonia.Nodes{gy}, gorgonia.Nodes{x, normalised})
	if err != nil {
		t.Fatal(err)
	}
	p, err := newPlan(gorgonia.Nodes{y}, grads, true)
	if err != nil {
		t.Fatal(err)
	}
	if got := operators(p); got["ReLUGrad"] != 1 || got["ReLUBatchNormInputGrad"] != 1 || got["ReLU"] != 0 {
		t.Errorf("the plan computes %v, expected ReLUGrad beside ReLUBatchNormInputGrad", got)
	}
	runs, err := p.compile(ort.Options{}, newProducts(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := runAll(runs); err != nil {
		t.Fatal(err)
	}
	for i, v := range p.values[grads[1]].data {
		want := float32(0)
		if p.values[y].data[i] > 0 {
			want = grad[i]
		}
		if v != want {
			t.Errorf("element %d of ReLU's gradient is %v, expected %v", i, v, want)
		}
	}
}
