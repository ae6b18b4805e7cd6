package importer_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gorgonia.org/tensor"

	"rkd/models/onnx"
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
