package arch_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/student/arch"
)

// everything is an architecture with every kind of layer.
var everything = arch.Config{Layers: []arch.Layer{
	{Kind: arch.Conv, Out: 4, Pad: 1},
	{Kind: arch.BatchNorm},
	{Kind: arch.ReLU},
	{Kind: arch.Residual, Body: []arch.Layer{
		{Kind: arch.Conv, Out: 4, Pad: 1, Groups: 4},
		{Kind: arch.BatchNorm},
		{Kind: arch.ReLU},
		{Kind: arch.Conv, Out: 6, Kernel: 1},
	}, Shortcut: []arch.Layer{{Kind: arch.Conv, Out: 6, Kernel: 1}}},
	{Kind: arch.MaxPool, Kernel: 2},
	{Kind: arch.AvgPool, Kernel: 3, Stride: 1, Pad: 1},
	{Kind: arch.Conv, Out: 5, Kernel: 3, Pad: 2, Dilation: 2, Stride: 2},
	{Kind: arch.Pad, Pad: 1, Columns: &arch.Window{Pad: 2}},
	{Kind: arch.HardSwish},
	{Kind: arch.ConvTranspose, Out: 4, Kernel: 3, Stride: 2, Pad: 1, OutputPad: 1},
	{Kind: arch.SiLU},
	{Kind: arch.Concat, Branches: [][]arch.Layer{
		{{Kind: arch.Conv, Out: 3, Kernel: 3, Pad: 1, Columns: &arch.Window{Kernel: 1}}, {Kind: arch.LeakyReLU, Slope: 0.2}},
		{}, // the input itself
		{{Kind: arch.ReLU6}},
		{},
	}},
	{Kind: arch.LayerNorm},
	{Kind: arch.GELU},
	{Kind: arch.Dropout, Rate: 0.25},
	{Kind: arch.Flatten},
	{Kind: arch.Linear, Out: 7},
	{Kind: arch.LayerNorm},
	{Kind: arch.Sigmoid},
	{Kind: arch.Linear, Out: 7},
	{Kind: arch.Softmax},
	{Kind: arch.Linear, Out: 7},
	{Kind: arch.BatchNorm},
	{Kind: arch.Tanh},
	{Kind: arch.Dropout, Rate: 0.1},
}}

func TestShortForms(t *testing.T) {
	tests := map[string]struct {
		config     arch.Config
		input      []int
		dim        int
		normalize  bool
		parameters int
	}{
		// 9·8 + 2·8, 72·16 + 2·16, 144·32 + 2·32, (288+1)·16
		"demo student":   {arch.Config{Conv: []int{8, 16, 32}}, []int{1, 28, 28}, 16, false, 88 + 1184 + 4672 + 4624},
		"without norm":   {arch.Config{Conv: []int{8}, Norm: "none"}, []int{1, 4, 4}, 2, true, 80 + (32+1)*2},
		"global pooling": {arch.Config{Conv: []int{8}, Head: "avg", Pool: "avg"}, []int{3, 8, 8}, 4, false, 216 + 16 + 36},
		"no pool, max":   {arch.Config{Conv: []int{8}, Head: "max", Pool: "none"}, []int{3, 8, 8}, 4, false, 216 + 16 + 36},
		"mlp": {
			arch.Config{MLP: []int{512, 256}}, []int{1, 28, 28}, 64, false, 784*512 + 1024 + 512*256 + 512 + 257*64,
		},
		"mlp on features": {arch.Config{MLP: []int{4}, Norm: "none"}, []int{10}, 2, false, 44 + 10},
		"no hidden layer": {arch.Config{MLP: []int{}}, []int{10}, 2, false, 22},
	}
	for name, test := range tests {
		n, err := arch.New(test.config, test.input, test.dim, test.normalize)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if n.Parameters() != test.parameters {
			t.Errorf("%s: %d parameters, expected %d", name, n.Parameters(), test.parameters)
		}
		w := n.Init(1, tensor.Float32)
		x := input(test.input, 3, func(int) float64 { return 0.5 }, tensor.Float32)
		for _, training := range []bool{true, false} {
			g, err := n.Build(x, w, training)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			} else if got := g.Embedding.Shape(); !got.Eq(tensor.Shape{3, test.dim}) {
				t.Errorf("%s: embedding is %v, expected (3,%d)", name, got, test.dim)
			}
		}
	}
}

func TestInitFollowsTheSeed(t *testing.T) {
	n, err := arch.New(everything, []int{2, 8, 8}, 3, true)
	if err != nil {
		t.Fatal(err)
	}
	a, b, other := n.Init(5, tensor.Float32), n.Init(5, tensor.Float32), n.Init(6, tensor.Float32)
	for i := range a.Params {
		v, same, differs := floats(a.Params[i]), floats(b.Params[i]), floats(other.Params[i])
		if !slices.Equal(v, same) {
			t.Errorf("%s differs for the same seed", a.Params[i].Name)
		}
		if strings.Contains(a.Params[i].Name, "conv") && slices.Equal(v, differs) {
			t.Errorf("%s is the same for another seed", a.Params[i].Name)
		}
	}
	if limit := 1 / math.Sqrt(2*9); slices.Max(floats(a.Params[0])) > float32(limit) ||
		slices.Min(floats(a.Params[0])) < float32(-limit) {
		t.Errorf("first weight leaves ±1/√fan_in = ±%g", limit)
	}
}

// The gradient of a whole network, every kind of layer in it, against central differences in float64.
func TestGradientOfTheWholeNetwork(t *testing.T) {
	n, err := arch.New(everything, []int{2, 8, 8}, 3, true)
	if err != nil {
		t.Fatal(err)
	}
	w := n.Init(5, tensor.Float64)
	x := input([]int{2, 8, 8}, 4, func(i int) float64 { return math.Sin(float64(i) * 1.7) }, tensor.Float64)
	// The objective is Σ cᵢ·eᵢ with fixed c, so its gradient at the embedding is c.
	objective := 0.0
	r := newTrainer(t, n, w, x, func(embedding, gradient gorgonia.Value) {
		e, c := embedding.Data().([]float64), gradient.Data().([]float64)
		objective = 0
		for i := range e {
			c[i] = math.Cos(float64(i) * 2.3)
			objective += c[i] * e[i]
		}
	})
	r.graph.Step.Value().Data().([]float64)[0] = 3
	run := func() float64 {
		r.run(t)
		return objective
	}
	run()
	var symbolic [][]float64
	for _, v := range r.gradients {
		symbolic = append(symbolic, slices.Clone(v.Data().([]float64)))
	}
	const h = 1e-5
	for i, p := range w.Params {
		data := p.Value.Data().([]float64)
		for j := 0; j < len(data); j += max(1, len(data)/5) {
			was := data[j]
			data[j] = was + h
			up := run()
			data[j] = was - h
			down := run()
			data[j] = was
			numeric := (up - down) / (2 * h)
			if math.Abs(numeric-symbolic[i][j]) > 1e-6*max(1, math.Abs(numeric)) {
				t.Errorf("%s[%d]: gradient %v, central difference %v", p.Name, j, symbolic[i][j], numeric)
			}
		}
	}
}

func TestArchitectureThatCannotBeBuilt(t *testing.T) {
	image := []int{1, 8, 8}
	tests := map[string]struct {
		config arch.Config
		input  []int
		says   string
	}{
		"nothing given": {arch.Config{}, image, "expected one"},
		"ONNX beside a form": {
			arch.Config{Conv: []int{4}, ONNX: "m.onnx"}, image, "2 of conv, mlp, layers, preset and onnx",
		},
		"ONNX without Import": {arch.Config{ONNX: "m.onnx"}, image, "imported"},
		"output without ONNX": {arch.Config{Conv: []int{4}, Output: "y"}, image, "output and batch_norm belong to onnx"},
		"two forms": {
			arch.Config{Conv: []int{4}, MLP: []int{4}}, image, "2 of conv, mlp, layers, preset and onnx",
		},
		"unknown norm": {arch.Config{Conv: []int{4}, Norm: "group"}, image, `norm is "group"`},
		"unknown pool": {arch.Config{Conv: []int{4}, Pool: "min"}, image, `pool is "min"`},
		"unknown head": {arch.Config{Conv: []int{4}, Head: "min"}, image, `head is "min"`},
		"pool of mlp":  {arch.Config{MLP: []int{4}, Pool: "max"}, image, "belong to conv"},
		"norm of layers": {
			arch.Config{Layers: []arch.Layer{{Kind: arch.Flatten}}, Norm: "batch"}, image, "short forms",
		},
		"unknown kind":          {arch.Config{Layers: []arch.Layer{{Kind: "attention"}}}, image, "layer 0 (attention)"},
		"too many pools":        {arch.Config{Conv: []int{4, 4, 4, 4}}, image, "do not fit"},
		"width 0":               {arch.Config{Conv: []int{0}}, image, "0 out"},
		"groups":                {arch.Config{Layers: []arch.Layer{{Kind: arch.Conv, Out: 4, Groups: 3}}}, image, "3 groups"},
		"linear on an image":    {arch.Config{Layers: []arch.Layer{{Kind: arch.Linear, Out: 4}}}, image, "flatten or pool"},
		"embedding of an image": {arch.Config{Layers: []arch.Layer{{Kind: arch.ReLU}}}, image, "flatten or pool"},
		"conv on features":      {arch.Config{Conv: []int{4}}, []int{10}, "expected (channels,height,width)"},
		"residual shapes": {
			arch.Config{Layers: []arch.Layer{{Kind: arch.Residual, Body: []arch.Layer{{Kind: arch.MaxPool}}}}},
			image,
			"expected equal shapes",
		},
		"unknown preset":       {arch.Config{Preset: "resnet50"}, image, `preset is "resnet50", expected conv4`},
		"width below 0":        {arch.Config{Preset: "conv4", Width: -1}, image, "width is -1"},
		"width without preset": {arch.Config{MLP: []int{4}, Width: 8}, image, "width belongs to preset"},
		"norm of preset":       {arch.Config{Preset: "conv4", Norm: "none"}, image, "short forms"},
		"image too small":      {arch.Config{Preset: "conv4"}, image, "do not fit an input of [64 1 1]"},
		"width without end":    {arch.Config{Preset: "conv4", Width: 1 << 40}, image, "expected 1 to 4096"},
		"channels without end": {one(arch.Layer{Kind: arch.Conv, Out: 1 << 62}), image, "expected at most"},
		"weights without end":  {arch.Config{MLP: []int{1 << 29, 1 << 29}}, image, "expected at most"},
		"windows without end":  {one(arch.Layer{Kind: arch.Conv, Out: 1, Dilation: 1 << 62}), image, "do not fit"},
		"pad without end":      {one(arch.Layer{Kind: arch.Pad, Pad: 1 << 62}), image, "expected 0 to 65536"},
		"stride without end": {
			one(arch.Layer{Kind: arch.ConvTranspose, Out: 1, Stride: 1 << 16}), image, "expected at most",
		},
		"slope":                  {one(arch.Layer{Kind: arch.LeakyReLU, Slope: 2}), image, "slope is 2"},
		"rate":                   {one(arch.Layer{Kind: arch.Dropout}), image, "rate is 0"},
		"softmax of an image":    {one(arch.Layer{Kind: arch.Softmax}), image, "expected (features)"},
		"negative pad":           {one(arch.Layer{Kind: arch.Pad, Pad: -1}), image, "pad is -1"},
		"pad of features":        {one(arch.Layer{Kind: arch.Pad, Pad: 1}), []int{10}, "expected (channels,height,width)"},
		"output_pad of stride 1": {one(arch.Layer{Kind: arch.ConvTranspose, Out: 1, OutputPad: 1}), image, "output_pad 1"},
		"output_pad of conv":     {one(arch.Layer{Kind: arch.Conv, Out: 1, OutputPad: 1}), image, "output_pad 1"},
		"groups of transposed":   {one(arch.Layer{Kind: arch.ConvTranspose, Out: 4, Groups: 3}), image, "3 groups"},
		"padding leaves nothing": {one(arch.Layer{Kind: arch.ConvTranspose, Out: 1, Kernel: 1, Pad: 4}), image, "pad 4"},
		"columns too wide": {
			one(arch.Layer{Kind: arch.MaxPool, Columns: &arch.Window{Kernel: 9}}), image,
			"along the width kernel 9",
		},
		"dilated pooling": {one(arch.Layer{Kind: arch.MaxPool, Columns: &arch.Window{Dilation: 2}}), image, "dilation 2"},
		"one branch":      {one(arch.Layer{Kind: arch.Concat, Branches: [][]arch.Layer{{}}}), image, "1 branches"},
		"branches of two sizes": {
			one(arch.Layer{Kind: arch.Concat, Branches: [][]arch.Layer{{}, {{Kind: arch.MaxPool}}}}),
			image, "branch 1 [1 4 4]",
		},
		"layer of a branch": {
			one(arch.Layer{Kind: arch.Concat, Branches: [][]arch.Layer{{}, {{Kind: "x"}}}}), image,
			"0.concat.branches.1.0 (x)",
		},
		"input of two dimensions": {arch.Config{MLP: []int{4}}, []int{8, 8}, "samples of shape"},
	}
	for name, test := range tests {
		_, err := arch.New(test.config, test.input, 3, false)
		if !errors.Is(err, arch.ErrConfig) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s gives %v, expected ErrConfig that says %q", name, err, test.says)
		}
	}
	if _, err := arch.New(arch.Config{MLP: []int{4}}, image, 0, false); !errors.Is(err, arch.ErrConfig) {
		t.Errorf("embedding_dim 0 gives %v, expected ErrConfig", err)
	}
}

// one is an architecture of one layer and a flatten.
func one(l arch.Layer) arch.Config { return arch.Config{Layers: []arch.Layer{l, {Kind: arch.Flatten}}} }

func floats(t arch.Tensor) []float32 { return t.Value.Data().([]float32) }

// input is a node of n samples whose i-th value is f(i).
func input(shape []int, n int, f func(int) float64, dt tensor.Dtype) *gorgonia.Node {
	full := append(tensor.Shape{n}, shape...)
	value := tensor.New(tensor.Of(dt), tensor.WithShape(full...))
	for i := range full.TotalSize() {
		if dt == tensor.Float64 {
			value.Set(i, f(i))
		} else {
			value.Set(i, float32(f(i)))
		}
	}
	return gorgonia.NewTensor(gorgonia.NewGraph(), dt, len(full), gorgonia.WithShape(full...), gorgonia.WithName("x"),
		gorgonia.WithValue(value))
}
