package importer_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/models/onnx"
	"rkd/models/ort"
	"rkd/models/ort/orttest"
	"rkd/student/arch"
	"rkd/student/engine"
	"rkd/student/importer"
)

// load reads a model of testdata.
func load(tb testing.TB, path string) *onnx.Model {
	tb.Helper()
	m, err := onnx.Load(path)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

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

// The files are those of testdata/models.py and operators.py, which show between them every operator that Import knows.
var importable = map[string]struct {
	input      []int
	parameters int // in front of the head
}{
	"residual":      {[]int{3, 12, 12}, 162 + 6 + 324 + 6 + 35},
	"residual_raw":  {[]int{3, 12, 12}, 162 + 12 + 324 + 12 + 35},
	"inverted_11":   {[]int{3, 9, 9}, 16 + 40 + 30},
	"inverted_17":   {[]int{3, 9, 9}, 16 + 40 + 30},
	"fire":          {[]int{3, 9, 9}, 16 + 15 + 185},
	"dense":         {[]int{3, 8, 9}, 112 + 8 + 10 + 12},
	"shuffle":       {[]int{3, 8, 8}, 224 + 148 + 45},
	"shuffle_13":    {[]int{3, 8, 8}, 224 + 148 + 45},
	"shuffle_fixed": {[]int{3, 8, 8}, 224 + 148 + 45},
	"gated":         {[]int{3, 8, 8}, 224 + 18 + 24 + 54},
	"gated_11":      {[]int{3, 8, 8}, 224 + 18 + 24 + 54},
	"decoder":       {[]int{3, 4, 4}, 112 + 512},
	"mlp":           {[]int{6}, 56 + 16 + 36},
	"mlp_images":    {[]int{3, 2, 2}, 104 + 36},
	"curved":        {[]int{3, 6, 6}, 112 + 4 + 20 + 1 + 20 + 25},
	"curved_raw":    {[]int{3, 6, 6}, 112 + 4 + 20 + 1 + 20 + 25},
	"composed":      {[]int{3, 6, 6}, 108 + 4 + 25 + 15 + 1},
	"channels_last": {[]int{3, 12, 12}, 108 + 4 + 4 + 80 + 45*6 + 6},
	"opset_9":       {[]int{3, 6, 6}, 168 + 12 + 28},
	"widths":        {[]int{3, 4, 4}, 108 + 80 + 15},
	"sum":           {[]int{3, 6, 6}, 108 + 108 + 4},
	"swish_24":      {[]int{3, 6, 6}, 108},
	"functions":     {[]int{4, 6, 6}, 3*144 + 2*4},
	"ceil":          {[]int{3, 10, 9}, 12 + 144},
	"pixels":        {[]int{3, 6, 6}, 108},
	"half":          {[]int{3, 6, 6}, 108},
	"normalized":    {[]int{5}, 20 + 4 + 16},
}

func testModel(tb testing.TB, name string) *onnx.Model {
	tb.Helper()
	return load(tb, "testdata/onnx/"+name+".onnx")
}

func TestImportedStudentsComputeWhatTheFileDoes(t *testing.T) {
	for name, want := range importable {
		t.Run(name, func(t *testing.T) {
			batch := 3
			if name == "shuffle_fixed" {
				batch = 1
			}
			expectParity(t, testModel(t, name), "output", want.input, batch)
			n, err := imported(testModel(t, name), importer.Options{Input: want.input}, arch.Head{Dim: 1})
			if err != nil {
				t.Fatal(err)
			}
			params := n.Init(1, tensor.Float32).Params
			head := params[len(params)-2].Value.Size() + 1
			if got := n.Parameters() - head; got != want.parameters {
				t.Errorf("%d parameters in front of the head, expected %d", got, want.parameters)
			}
			listed := 0
			for _, s := range n.Summaries() {
				listed += int(s.Parameters)
			}
			if listed != n.Parameters() {
				t.Errorf("summaries list %d parameters, expected %d", listed, n.Parameters())
			}
		})
	}
}

// A file that was made for one size is imported for others, and for a number of samples that is not the file's.
func TestImportFitsOtherSizes(t *testing.T) {
	for name, input := range map[string][]int{"residual": {3, 20, 15}, "shuffle": {3, 12, 8}, "fire": {3, 5, 7}} {
		t.Run(name, func(t *testing.T) { expectParity(t, testModel(t, name), "output", input, 2) })
	}
	m := testModel(t, "shuffle_fixed")
	n, err := imported(m, importer.Options{Input: []int{3, 8, 8}}, arch.Head{Dim: 5})
	if err != nil {
		t.Fatal(err)
	}
	x := normal(3 * 3 * 8 * 8)
	w := n.Init(1, tensor.Float32)
	if all, last := embed(t, n, w, x, false), embed(t, n, w, x[2*3*8*8:], false); !slices.Equal(all[2*5:], last) {
		t.Errorf("the third of three samples gives %v, alone %v", all[2*5:], last)
	}
}

// Every tensor of a graph that has the shape of one can be tapped.
func TestImportTapsTensorsInside(t *testing.T) {
	m := testModel(t, "residual")
	for _, n := range m.Proto.Graph.Node {
		t.Run(n.GetOpType(), func(t *testing.T) { expectParity(t, m, n.Output[0], []int{3, 12, 12}, 2) })
	}
}

// What is exported is what was trained: the student's own ONNX form, every operator of the import in it.
func TestImportedStudentsAreExported(t *testing.T) {
	orttest.Start(t)
	for name, file := range importable {
		t.Run(name, func(t *testing.T) {
			n, err := imported(testModel(t, name), importer.Options{Input: file.input}, arch.Head{Dim: 4, Normalize: true})
			if err != nil {
				t.Fatal(err)
			}
			w := n.Init(3, tensor.Float32)
			b := onnx.NewBuilder("student", 17)
			dims := []any{"N"}
			for _, d := range file.input {
				dims = append(dims, d)
			}
			embedding, err := engine.ToONNX(b, b.Input("samples", onnx.Float32, dims...), n, w)
			if err != nil {
				t.Fatal(err)
			}
			b.Rename(embedding, "embedding")
			b.Output("embedding", onnx.Float32, "N", 4)
			m, err := b.Model("rkd", "test")
			if err != nil {
				t.Fatal(err)
			}
			shape := append([]int{3}, file.input...)
			x := normal(tensor.Shape(shape).TotalSize())
			got, _ := original(t, m, "embedding", shape, x)
			for i, want := range embed(t, n, w, x, false) {
				if math.Abs(float64(got[i]-want)) > 1e-5 {
					t.Fatalf("element %d is %g, in the student %g", i, got[i], want)
				}
			}
		})
	}
}

func TestSummariesOfAnImportedStudent(t *testing.T) {
	n, err := imported(testModel(t, "residual"), importer.Options{Input: []int{3, 12, 12}, Freeze: []string{"head.*"}},
		arch.Head{Dim: 4})
	if err != nil {
		t.Fatal(err)
	}
	var parameters int64
	var kinds []string
	var first arch.Summary
	for i, s := range n.Summaries() {
		if i == 0 {
			first = s
		}
		parameters += s.Parameters
		kinds = append(kinds, s.Kind)
	}
	if parameters != int64(n.Parameters()) {
		t.Errorf("%d parameters in all layers, expected %d", parameters, n.Parameters())
	}
	want := []string{"Conv", "Relu", "MaxPool", "Conv", "Add", "Relu", "GlobalAveragePool", "Gemm", "linear"}
	if !slices.Equal(kinds, want) {
		t.Errorf("layers are %q, expected %q", kinds, want)
	}
	conv := arch.Summary{
		Name: "/stem/stem.0/Conv", Kind: "Conv", Input: []int{3, 12, 12}, Output: []int{6, 6, 6}, Parameters: 168,
		MultiplyAdds: 162 * 36,
	}
	if diff := cmp.Diff(conv, first); diff != "" {
		t.Errorf("the first layer differs (-want +got):\n%s", diff)
	}
}

// A finished student keeps its own embedding: no layer is added, and its L2 normalisation is known again.
func TestExportedStudentIsImportedWithoutAHead(t *testing.T) {
	first, err := arch.New(arch.Config{Conv: []int{4, 6}}, []int{1, 8, 8}, 5, true)
	if err != nil {
		t.Fatal(err)
	}
	w := first.Init(3, tensor.Float32)
	b := onnx.NewBuilder("student", 17)
	embedding, err := engine.ToONNX(b, b.Input("samples", onnx.Float32, "N", 1, 8, 8), first, w)
	if err != nil {
		t.Fatal(err)
	}
	b.Rename(embedding, "embedding")
	b.Output("embedding", onnx.Float32, "N", 5)
	m, err := b.Model("rkd", "test")
	if err != nil {
		t.Fatal(err)
	}
	again, err := imported(m, importer.Options{Input: []int{1, 8, 8}}, arch.Head{None: true})
	if err != nil {
		t.Fatal(err)
	}
	if again.Dim != 5 || again.Parameters() < 40 {
		t.Errorf("the student has %d dimensions and %d parameters, expected 5 and all that it had", again.Dim,
			again.Parameters())
	}
	x := normal(3 * 64)
	want := embed(t, first, w, x, false)
	for i, got := range embed(t, again, again.Init(1, tensor.Float32), x, true) {
		if math.Abs(float64(got-want[i])) > 1e-5 {
			t.Fatalf("element %d of the embeddings is %v, before the export %v", i, got, want[i])
		}
	}
	for dim, want := range map[int]bool{0: true, 5: true, 4: false} {
		_, err := imported(m, importer.Options{Input: []int{1, 8, 8}}, arch.Head{None: true, Dim: dim})
		if (err == nil) != want || err != nil && !errors.Is(err, arch.ErrConfig) {
			t.Errorf("embedding_dim %d gives %v", dim, err)
		}
	}
}

func ExampleImport() {
	m, err := onnx.Load("testdata/onnx/residual.onnx")
	if err != nil {
		fmt.Println(err)
		return
	}
	input := []int{3, 32, 32}
	body, err := importer.Import(m, importer.Options{Output: "output", Input: input, Freeze: []string{"stem.0"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	n, err := arch.FromBody(body, input, arch.Head{Dim: 16})
	if err != nil {
		fmt.Println(err)
		return
	}
	w := n.Init(1, tensor.Float32)
	fmt.Println(n.Parameters(), "parameters are trained; frozen:", len(w.Buffers), "tensors")
	// Output: 461 parameters are trained; frozen: 2 tensors
}
