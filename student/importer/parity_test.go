package importer_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/models/onnx"
	"rkd/models/ort"
	"rkd/models/ort/orttest"
	"rkd/student/arch"
	"rkd/student/importer"
)

// imported is a network with the body that Import makes of m.
func imported(m *onnx.Model, o importer.Options, head arch.Head) (*arch.Network, error) {
	body, err := importer.Import(m, o)
	if err != nil {
		return nil, err
	}
	return arch.FromBody(body, o.Input, head)
}

func floats(t arch.Tensor) []float32 { return t.Value.Data().([]float32) }

// normal are n normally distributed numbers.
func normal(n int) []float32 {
	r := rand.New(rand.NewPCG(7, 11))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// withIdentity gives the head the identity matrix, so that the embedding is the tensor that the head stands on.
func withIdentity(w *arch.Weights) *arch.Weights {
	for _, p := range w.Params[len(w.Params)-2:] {
		data, dims := p.Value.Data().([]float32), p.Value.Shape()
		clear(data)
		for i := range dims[0] {
			if len(dims) == 2 {
				data[i*dims[1]+i] = 1
			}
		}
	}
	return w
}

// embed runs the network on x, (n,Input...).
func embed(tb testing.TB, n *arch.Network, w *arch.Weights, x []float32, training bool) []float32 {
	tb.Helper()
	shape := append([]int{len(x) / tensor.Shape(n.Input).TotalSize()}, n.Input...)
	in := gorgonia.NewTensor(gorgonia.NewGraph(), tensor.Float32, len(shape), gorgonia.WithShape(shape...),
		gorgonia.WithName("input"), gorgonia.WithValue(tensor.New(tensor.WithShape(shape...), tensor.WithBacking(x))))
	g, err := n.Build(in, w, training)
	if err != nil {
		tb.Fatal(err)
	}
	vm := gorgonia.NewTapeMachine(in.Graph())
	defer func() { _ = vm.Close() }()
	if err := vm.RunAll(); err != nil {
		tb.Fatal(err)
	}
	return slices.Clone(g.Embedding.Value().Data().([]float32))
}

// channelsLast turns images (N,C,H,W) into (N,H,W,C).
func channelsLast(x []float32, shape []int) ([]float32, []int) {
	y := make([]float32, 0, len(x))
	c, area := shape[1], shape[2]*shape[3]
	for n := range shape[0] {
		for i := range area {
			for j := range c {
				y = append(y, x[(n*c+j)*area+i])
			}
		}
	}
	return y, []int{shape[0], shape[2], shape[3], c}
}

// original runs the model in ONNX Runtime up to a tensor, on x of the given shape; images are averaged, as the head
// does.
func original(tb testing.TB, m *onnx.Model, output string, shape []int, x []float32) (y []float32, dim int) {
	tb.Helper()
	orttest.Start(tb)
	part, err := m.Part(output)
	if err != nil {
		tb.Fatal(err)
	}
	part.Proto = proto.CloneOf(part.Proto)
	if dims := part.Proto.Graph.Input[0].Type.GetTensorType().Shape.GetDim(); len(dims) == len(shape) {
		if len(dims) == 4 && int(dims[3].GetDimValue()) == shape[1] {
			x, shape = channelsLast(x, shape)
		}
		// ONNX Runtime would refuse a size that the file does not state, and floating-point numbers for pixels.
		part.Proto.Graph.Input[0].Type.GetTensorType().ElemType = proto.Int32(int32(onnx.Float32))
		for i, d := range shape {
			dims[i].Value = &onnx.TensorShapeProto_Dimension_DimValue{DimValue: int64(d)}
		}
	}
	part.Proto.Graph.Output[0].Type = nil
	part.Proto.Graph.ValueInfo = nil
	s, err := ort.NewSession(part, ort.Options{Threads: 2})
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	in, err := ort.NewTensor(shape, x)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	out := make([]ort.Value, 1)
	if err := s.Run(tb.Context(), []ort.Value{in}, out); err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = out[0].Close() }()
	data, got := out[0].(*ort.Tensor[float32]).Data(), out[0].Shape()
	area := tensor.Shape(got[2:]).TotalSize()
	if len(got) == 2 {
		area = 1
	}
	for i := range len(data) / area {
		var sum float64
		for _, v := range data[i*area:][:area] {
			sum += float64(v)
		}
		y = append(y, float32(sum/float64(area)))
	}
	return y, got[1]
}

// expectParity compares the student with the original at the tapped tensor, relative to the largest element.
func expectParity(tb testing.TB, m *onnx.Model, output string, input []int, batch int) {
	tb.Helper()
	expectParityOf(tb, m, importer.Options{Output: output, Input: input}, batch, false, true)
}

// expectParityOf compares in inference or in training mode, or both.
func expectParityOf(tb testing.TB, m *onnx.Model, o importer.Options, batch int, modes ...bool) {
	tb.Helper()
	shape := append([]int{batch}, o.Input...)
	x := normal(tensor.Shape(shape).TotalSize())
	if m.Inputs()[0].Elem.IsInteger() {
		for i, v := range x {
			x[i] = float32(math.Round(50 * float64(v)))
		}
	}
	want, dim := original(tb, m, o.Output, shape, x)
	n, err := imported(m, o, arch.Head{Dim: dim})
	if err != nil {
		tb.Fatal(err)
	}
	w := withIdentity(n.Init(1, tensor.Float32))
	for _, training := range modes {
		got := embed(tb, n, w, x, training)
		if len(got) != len(want) {
			tb.Fatalf("%d numbers, expected %d", len(got), len(want))
		}
		largest, worst := 1e-6, 0.0
		for i := range want {
			largest = max(largest, math.Abs(float64(want[i])))
			worst = max(worst, math.Abs(float64(got[i]-want[i])))
			if math.IsNaN(float64(got[i])) {
				worst = math.Inf(1)
			}
		}
		if worst > 1e-4*largest {
			tb.Errorf("differs from ONNX Runtime by %g of %g (training %t), expected 1e-4 of it", worst, largest, training)
		}
		tb.Logf("differs by %.2g, largest %.3g; %d parameters", worst/largest, largest, n.Parameters())
	}
}
