package importer_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"gorgonia.org/tensor"

	"rkd/models/onnx"
	"rkd/student/arch"
	"rkd/student/importer"
)

// built is a model of one input (N,3,8,8) whose output "y" body makes.
func built(tb testing.TB, body func(b *onnx.Builder, x string) string) *onnx.Model {
	tb.Helper()
	b := onnx.NewBuilder("test", 17)
	y := body(b, b.Input("x", onnx.Float32, "N", 3, 8, 8))
	b.Rename(y, "y")
	b.Output("y", onnx.Float32)
	m, err := b.Model("rkd", "test")
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// single is a model of one node.
func single(tb testing.TB, kind string, attrs ...onnx.Attr) *onnx.Model {
	tb.Helper()
	return built(tb, func(b *onnx.Builder, x string) string { return b.Node(kind, []string{x}, attrs...) })
}

func TestImportRefuses(t *testing.T) {
	filter := func(b *onnx.Builder) string { return b.Float32("w", []int{2, 3, 3, 3}, make([]float32, 54)) }
	approximate := single(t, "Gelu")
	approximate.Proto.Graph.Node[0].Attribute = []*onnx.AttributeProto{{
		Name: proto.String("approximate"),
		S:    []byte("sigmoid"),
	}}
	tests := map[string]struct {
		model *onnx.Model
		want  string // part of the error
	}{
		"unknown operator": {
			single(t, "Einsum"),
			`node "einsum_1" (Einsum): the operator is not supported, expected one of Add, AveragePool, BatchNormalization,`,
		},
		"control flow":   {single(t, "If"), `node "if_1" (If): control flow is not supported, expected one of Add,`},
		"loop":           {single(t, "Loop"), `(Loop): control flow is not supported`},
		"quantised":      {single(t, "DequantizeLinear"), `(DequantizeLinear): quantised arithmetic is not supported`},
		"quantised conv": {single(t, "QLinearConv"), `(QLinearConv): quantised arithmetic is not supported`},
		"size from data": {built(t, func(b *onnx.Builder, x string) string {
			return b.Node("Reshape", []string{x, b.Node("NonZero", []string{x})})
		}), `(NonZero): the operator is not supported`},
		"shape from data": {
			built(t, func(b *onnx.Builder, x string) string { return b.Node("Reshape", []string{x, x}) }),
			`(Reshape): input "x" is computed from data, which is not supported`,
		},
		"samples mixed": {built(t, func(b *onnx.Builder, x string) string {
			return b.Node("Reshape", []string{x, b.Int64("s", []int{2}, []int64{192, -1})})
		}), `(Reshape): the shape begins with 192, which is not supported: expected the number of samples`},
		"samples joined": {built(t, func(b *onnx.Builder, x string) string {
			return b.Node("Concat", []string{x, x},
				onnx.Int("axis", 0))
		}), `(Concat): axis is 0, which is not supported: expected 1`},
		"samples moved": {
			single(t, "Transpose", onnx.Ints("perm", 1, 0, 2, 3)),
			`(Transpose): perm is [1 0 2 3], which is not supported`,
		},
		"wrong shape": {built(t, func(b *onnx.Builder, x string) string {
			return b.Node("Reshape", []string{x, b.Int64("s", []int{2}, []int64{0, 191})})
		}), `(Reshape): the shape [191] does not fit [3 8 8]`},
		"kernel too large": {built(t, func(b *onnx.Builder, x string) string {
			return b.Node("Conv", []string{x, b.Float32("w", []int{1, 3, 9, 9}, make([]float32, 243))})
		}), `(Conv): Conv2D`},
		"other channels": {built(t, func(b *onnx.Builder, x string) string {
			return b.Node("Conv", []string{x, b.Float32("w", []int{1, 4, 1, 1}, make([]float32, 4))})
		}), `(Conv): Conv2D`},
		"weights computed": {
			built(t, func(b *onnx.Builder, x string) string { return b.Node("Conv", []string{x, x}) }),
			`(Conv): input "x" is computed from data`,
		},
		"weight integers": {built(t, func(b *onnx.Builder, x string) string {
			return b.Node("Conv", []string{x, b.Int64("w", []int{1, 3, 1, 1}, make([]int64, 3))})
		}), `(Conv): input "w" holds integers, expected floating-point numbers`},
		"group of zero": {built(t, func(b *onnx.Builder, x string) string {
			return b.Node("Conv", []string{x, filter(b)}, onnx.Int("group", 0))
		}), `(Conv): group is 0, expected a number from 1`},
		"stride of zero": {built(t, func(b *onnx.Builder, x string) string {
			return b.Node("Conv", []string{x, filter(b)}, onnx.Ints("strides", 0, 1))
		}), `(Conv): strides is 0, expected a number from 1`},
		"three strides": {built(t, func(b *onnx.Builder, x string) string {
			return b.Node("Conv", []string{x, filter(b)}, onnx.Ints("strides", 1, 1, 1))
		}), `(Conv): strides is [1 1 1], which is not supported: expected two numbers`},
		"negative pads": {built(t, func(b *onnx.Builder, x string) string {
			return b.Node("Conv", []string{x, filter(b)}, onnx.Ints("pads", -1, 0, 0, 0))
		}), `(Conv): pads is -1`},
		"dilated pool": {
			single(t, "MaxPool", onnx.Ints("kernel_shape", 2, 2), onnx.Ints("dilations", 2, 2)),
			`(MaxPool): dilations of [2 2] are not supported`,
		},
		"pool of padding": {
			single(t, "MaxPool", onnx.Ints("kernel_shape", 2, 2), onnx.Ints("pads", 0, 0, 2, 2)),
			`(MaxPool): pooling with`,
		},
		"slope along the width": {built(t, func(b *onnx.Builder, x string) string {
			w := b.Float32("w", []int{8, 3, 3, 3}, make([]float32, 216))
			c := b.Node("Conv", []string{x, w}, onnx.Ints("pads", 1, 1, 1, 1))
			return b.Node("PRelu", []string{c, b.Float32("s", []int{8}, make([]float32, 8))})
		}), `(PRelu): slope "s" of shape [8] lies along the width of an input (N,8,8,8), which is not supported: ` +
			`expected shape [8 1 1]`},
		"length of rows alone": {built(t, func(b *onnx.Builder, x string) string {
			return b.Node("Relu", []string{b.Node("ReduceL2", []string{b.Node("Flatten", []string{x})}, onnx.Ints("axes", 1))})
		}), `is the length of rows, which is not supported here: expected a Div by it`},
		"length of rows as output": {built(t, func(b *onnx.Builder, x string) string {
			return b.Node("ReduceL2", []string{b.Node("Flatten", []string{x})}, onnx.Ints("axes", 1))
		}), `tensor "y" holds integers or lengths of rows, expected features`},
		"largest of two": {built(t, func(b *onnx.Builder, x string) string {
			return b.Node("Max", []string{x, x})
		}), `(Max): the operator is not supported except behind ReduceL2`},
		"sum of other shapes": {built(t, func(b *onnx.Builder, x string) string {
			return b.Node("Sum", []string{x, b.Node("GlobalMaxPool", []string{x})})
		}), `(Sum): the sum of (N,3,8,8) and (N,3,1,1) is not supported: expected equal shapes`},
		"training statistics": {built(t, func(b *onnx.Builder, x string) string {
			one := func(name string) string { return b.Float32(name, []int{3}, []float32{1, 1, 1}) }
			return b.Node("BatchNormalization", []string{x, one("g"), one("b"), one("m"), one("v")},
				onnx.Int("training_mode", 1))
		}), `(BatchNormalization): training_mode is 1, which is not supported with frozen statistics: expected ` +
			`batch_norm: train`},
		"pool without": {single(t, "MaxPool"), `(MaxPool): no kernel_shape, expected two numbers`},
		"other clip": {built(t, func(b *onnx.Builder, x string) string {
			return b.Node("Clip", []string{x, b.Float32("l", nil, []float32{-1}), b.Float32("h", nil, []float32{1})})
		}), `(Clip): limits of -1 and 1 are not supported: expected 0 and 6, or 0 alone`},
		"reflecting pad": {built(t, func(b *onnx.Builder, x string) string {
			return b.Node("Pad", []string{x, b.Int64("p", []int{8}, make([]int64, 8)), b.Float32("v", nil, []float32{1})})
		}), `(Pad): padding with 1 is not supported: expected 0`},
		"broadcast": {built(t, func(b *onnx.Builder, x string) string {
			return b.Node("Add", []string{x, b.Node("GlobalAveragePool", []string{x})})
		}), `(Add): the sum of (N,3,8,8) and (N,3,1,1) is not supported: expected equal shapes`},
		"constant a pixel": {built(t, func(b *onnx.Builder, x string) string {
			return b.Node("Add", []string{x, b.Float32("c", []int{8, 8}, make([]float32, 64))})
		}), `(Add): constant "c" of shape [8 8] with an input (N,3,8,8) is not supported`},
		"other approximation": {
			approximate,
			`(Gelu): approximate is "sigmoid", which is not supported: expected none or tanh`,
		},
		"slope a pixel": {built(t, func(b *onnx.Builder, x string) string {
			return b.Node("PRelu", []string{x, b.Float32("s", []int{8, 8}, make([]float32, 64))})
		}), `(PRelu): slope "s" of shape [8 8] with an input (N,3,8,8) is not supported: expected one number, or ` +
			`one a channel`},
		"alpha of zero": {
			single(t, "Elu", onnx.Float("alpha", 0)),
			`(Elu): ELU{alpha=0}: attribute out of range: alpha is 0, expected a positive number`,
		},
		"fourth power": {built(t, func(b *onnx.Builder, x string) string {
			return b.Node("Pow", []string{x, b.Float32("p", nil, []float32{4})})
		}), `(Pow): an exponent of 4 is not supported: expected 2 or 3`},
		"power a channel": {built(t, func(b *onnx.Builder, x string) string {
			return b.Node("Pow", []string{x, b.Float32("p", []int{3, 1, 1}, []float32{2, 2, 3})})
		}), `(Pow): constant "p" has 3 elements, expected one floating-point number`},
		"divisor of zero": {built(t, func(b *onnx.Builder, x string) string {
			return b.Node("Div", []string{x, b.Float32("c", nil, []float32{0})})
		}), `(Div): constant "c" contains 0, expected a divisor`},
		"gemm of images": {
			built(t, func(b *onnx.Builder, x string) string { return b.Node("Gemm", []string{x, filter(b)}) }),
			`(Gemm): input "x" is (N,3,8,8), which is not supported: expected [2] dimensions`,
		},
		"gemm too narrow": {built(t, func(b *onnx.Builder, x string) string {
			return b.Node("Gemm", []string{b.Node("Flatten", []string{x}), b.Float32("w", []int{191, 2}, make([]float32, 382))})
		}), `weight "w" takes 191 features, but the input has 192`},
		"read in two ways": {built(t, func(b *onnx.Builder, x string) string {
			w := b.Float32("w", []int{192, 192}, make([]float32, 192*192))
			return b.Node("Gemm", []string{b.Node("Gemm", []string{b.Node("Flatten", []string{x}), w}), w},
				onnx.Int("transB", 1))
		}), `weight "w" is read in two ways by different nodes`},
		"a constant": {
			built(t, func(b *onnx.Builder, x string) string { return b.Node("Shape", []string{x}) }),
			`tensor "y" is a constant, expected one that depends on the input`,
		},
		"three dimensions": {built(t, func(b *onnx.Builder, x string) string {
			return b.Node("Reshape", []string{x, b.Int64("s", []int{3}, []int64{0, 3, 64})})
		}), `tensor "y" is (N,3,64), expected (N,D) or (N,C,H,W)`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := importer.Import(test.model, importer.Options{Output: "y", Input: []int{3, 8, 8}})
			expectRefused(t, err, test.want)
		})
	}
}

// expectRefused checks that an error is one about the file, on one line, and says what it should.
func expectRefused(tb testing.TB, err error, want string) {
	tb.Helper()
	switch {
	case err == nil:
		tb.Fatalf("no error, expected %q", want)
	case !errors.Is(err, onnx.ErrFormat) || errors.Is(err, arch.ErrConfig):
		tb.Errorf("error %q is none about the model file", err)
	case !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n"):
		tb.Errorf("error is %q, expected %q in it", err, want)
	}
}

func TestImportRefusesGraphsThatAreNone(t *testing.T) {
	cyclic := single(t, "Relu")
	cyclic.Proto.Graph.Node[0].Input[0] = "y"
	expectRefused(t, importError(cyclic, "y"), `the graph has a cycle: "relu_1" (Relu)`)

	domain := single(t, "Relu")
	domain.Proto.Graph.Node[0].Domain = proto.String("com.microsoft")
	domain.Proto.OpsetImport = append(domain.Proto.OpsetImport,
		&onnx.OperatorSetIdProto{Domain: proto.String("com.microsoft"), Version: proto.Int64(1)})
	expectRefused(t, importError(domain, "y"),
		`operators of domain "com.microsoft" are not supported, expected standard ones`)

	dropped := single(t, "Dropout")
	dropped.Proto.Graph.Node[0].Output = append(dropped.Proto.Graph.Node[0].Output, "mask")
	dropped.Proto.Graph.Node = append(dropped.Proto.Graph.Node,
		&onnx.NodeProto{OpType: proto.String("Cast"), Input: []string{"mask"}, Output: []string{"z"}})
	expectRefused(t, importError(dropped, "z"),
		`input "mask" is an optional output of another node, which is not supported`)

	ints := single(t, "Relu")
	ints.Proto.Graph.Input[0].Type.GetTensorType().ElemType = proto.Int32(int32(onnx.Uint8))
	expectRefused(t, importError(ints, "y"),
		`input "x" holds integers, which is not supported here: expected a Cast to a floating-point type first`)

	b := onnx.NewBuilder("test", 17)
	b.Rename(b.Node("Add", []string{b.Input("a", onnx.Float32, "N", 3), b.Input("b", onnx.Float32, "N", 3)}), "y")
	b.Output("y", onnx.Float32)
	two, err := b.Model("rkd", "test")
	if err != nil {
		t.Fatal(err)
	}
	expectRefused(t, importError(two, "y"), `the tensor depends on 2 inputs, expected one`)

	_, err = importer.Import(testModel(t, "channels_last"), importer.Options{Output: "input", Input: []int{3, 12, 12}})
	expectRefused(t, err, `tensor "input" is the input (N,H,W,C), expected the result of a node`)

	_, err = importer.Import(single(t, "Relu"), importer.Options{Output: "y", Input: []int{1, 8, 8}})
	expectRefused(t, err, `input "x" float32 (N,3,8,8), expected 1 channels as the samples (N,1,8,8) have`)
}

func importError(m *onnx.Model, output string) error {
	_, err := importer.Import(m, importer.Options{Output: output, Input: []int{3, 8, 8}})
	return err
}

// Only what the tapped tensor depends on counts.
func TestImportIgnoresWhatTheOutputDoesNotNeed(t *testing.T) {
	m := built(t, func(b *onnx.Builder, x string) string {
		b.NodeTo("inside", "Relu", []string{x})
		return b.Node("NonMaxSuppression", []string{"inside"})
	})
	if err := importError(m, "inside"); err != nil {
		t.Error(err)
	}
	before := proto.CloneOf(m.Proto)
	_ = importError(m, "inside")
	if !proto.Equal(before, m.Proto) {
		t.Error("importing a model changes it")
	}
}

func TestImportOptionsOutOfRange(t *testing.T) {
	m := single(t, "Relu")
	for name, test := range map[string]struct {
		options importer.Options
		want    error
	}{
		"no input":       {importer.Options{}, arch.ErrConfig},
		"two dimensions": {importer.Options{Input: []int{8, 8}}, arch.ErrConfig},
		"no height":      {importer.Options{Input: []int{3, 0, 8}}, arch.ErrConfig},
		"other output":   {importer.Options{Input: []int{3, 8, 8}, Output: "z"}, onnx.ErrUnknownTensor},
	} {
		if _, err := importer.Import(m, test.options); !errors.Is(err, test.want) || errors.Is(err, onnx.ErrFormat) {
			t.Errorf("%s: error is %v, expected %v", name, err, test.want)
		}
	}
}

// Weights in a file beside the model are read; one that is missing, or lies elsewhere, is refused.
func TestImportReadsExternalWeights(t *testing.T) {
	dir := t.TempDir()
	m := testModel(t, "fire")
	var data []byte
	for _, w := range m.Proto.Graph.Initializer {
		entry := func(key, value string) *onnx.StringStringEntryProto {
			return &onnx.StringStringEntryProto{Key: &key, Value: &value}
		}
		w.ExternalData = []*onnx.StringStringEntryProto{
			entry("location", "weights.bin"),
			entry("offset", strconv.Itoa(len(data))),
		}
		w.DataLocation = onnx.TensorProto_EXTERNAL.Enum()
		data = append(data, w.RawData...)
		w.RawData = nil
	}
	m.Dir = dir
	path := filepath.Join(dir, "model.onnx")
	if err := errors.Join(m.Save(path), os.WriteFile(filepath.Join(dir, "weights.bin"), data, 0o600)); err != nil {
		t.Fatal(err)
	}
	o, head := importer.Options{Output: "output", Input: []int{3, 9, 9}}, arch.Head{Dim: 4}
	outside, err := imported(load(t, path), o, head)
	if err != nil {
		t.Fatal(err)
	}
	inside, err := imported(testModel(t, "fire"), o, head)
	if err != nil {
		t.Fatal(err)
	}
	got := outside.Init(1, tensor.Float32)
	for i, want := range inside.Init(1, tensor.Float32).Params {
		if !slices.Equal(floats(got.Params[i]), floats(want)) {
			t.Errorf("%s is not what the data file holds", want.Name)
		}
	}
	if err := os.Truncate(filepath.Join(dir, "weights.bin"), int64(len(data)-1)); err != nil {
		t.Fatal(err)
	}
	_, err = importer.Import(m, o)
	expectRefused(t, err, "truncated")
	if err := os.Remove(filepath.Join(dir, "weights.bin")); err != nil {
		t.Fatal(err)
	}
	_, err = importer.Import(m, o)
	expectRefused(t, err, `file "weights.bin" in folder`)
	for _, location := range []string{"../weights.bin", "/etc/passwd", ""} {
		for _, w := range m.Proto.Graph.Initializer {
			w.ExternalData[0].Value = &location
		}
		_, err = importer.Import(m, o)
		expectRefused(t, err, "external data")
	}
}

// FuzzImport feeds models that parse, damaged anywhere: Import returns an error or a network that can be built.
func FuzzImport(f *testing.F) {
	files, err := filepath.Glob("testdata/onnx/*.onnx")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, uint8(8), false)
	}
	f.Fuzz(func(t *testing.T, data []byte, side uint8, flat bool) {
		m, err := onnx.Parse(data, t.TempDir())
		if err != nil {
			return
		}
		input := []int{3, int(side), int(side)}
		if flat {
			input = input[1:2]
		}
		n, err := imported(m, importer.Options{Input: input, Freeze: []string{"*.weight"}}, arch.Head{Dim: 2})
		if err != nil {
			return
		}
		if n.Parameters() < 1 {
			t.Error("a network without parameters")
		}
	})
}
