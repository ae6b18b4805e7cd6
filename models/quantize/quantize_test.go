package quantize

import (
	"cmp"
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"rkd/models/onnx"
	"rkd/models/ort"
	"rkd/models/ort/orttest"
)

// convolutional builds a small network with a residual block, a depthwise convolution and a linear layer.
func convolutional(t *testing.T) *onnx.Model {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	b := onnx.NewBuilder("small", 17)
	weights := func(name string, scale float64, shape ...int) string {
		n := 1
		for _, d := range shape {
			n *= d
		}
		w := make([]float32, n)
		for i := range w {
			w[i] = float32(scale * r.NormFloat64())
		}
		return b.Float32(name, shape, w)
	}
	pads := onnx.Ints("pads", 1, 1, 1, 1)
	x := b.Input("input", onnx.Float32, "N", 3, 12, 12)
	x = b.Node("Conv", []string{x, weights("a", 0.3, 8, 3, 3, 3), weights("a_bias", 0.1, 8)}, pads)
	x = b.Node("Relu", []string{x})
	y := b.Node("Relu", []string{b.Node("Conv", []string{x, weights("b", 0.3, 8, 1, 3, 3)}, pads, onnx.Int("group", 8))})
	y = b.Node("Conv", []string{y, weights("c", 0.3, 8, 8, 3, 3), weights("c_bias", 0.1, 8)}, pads)
	x = b.Node("Relu", []string{b.Node("Add", []string{x, y})})
	x = b.Node("MaxPool", []string{x}, onnx.Ints("kernel_shape", 2, 2), onnx.Ints("strides", 2, 2))
	x = b.Node("Flatten", []string{b.Node("GlobalAveragePool", []string{x})})
	x = b.Node("Gemm", []string{x, weights("d", 0.5, 16, 8), weights("d_bias", 0.1, 16)}, onnx.Int("transB", 1))
	b.Rename(x, "embedding")
	b.Output("embedding", onnx.Float32, "N", 16)
	m, err := b.Model("test", "1")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func batches(count int) []Batch {
	r := rand.New(rand.NewPCG(3, 4))
	var all []Batch
	for range count {
		x := make([]float32, 8*3*12*12)
		for i := range x {
			x[i] = float32(r.NormFloat64()) + float32(i/432%8)/4
		}
		all = append(all, Batch{Rows: 8, Input: func() (ort.Value, error) { return ort.NewTensor([]int{8, 3, 12, 12}, x) }})
	}
	return all
}

// All layers in 8 bits stay near the network in float, by each method; fewer are nearer.
func TestInt8StaysNear(t *testing.T) {
	orttest.Start(t)
	ctx := context.Background()
	m, samples := convolutional(t), batches(6)
	want, err := Embeddings(ctx, m, samples)
	if err != nil {
		t.Fatal(err)
	}
	seen, err := Observe(ctx, m, samples)
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range Methods {
		q, err := Int8(m, seen.Ranges(method), func(string) bool { return true })
		if err != nil {
			t.Fatal(err)
		}
		got, err := Embeddings(ctx, q, samples)
		if err != nil {
			t.Fatal(err)
		}
		if e := Error(want, got, 16); !(e > 0 && e < 0.03) {
			t.Errorf("%s: error is %.5f of the spread, expected less than 0.03", method, e)
		}
		if float, small := m.Parameters(), q.Parameters(); small < float {
			t.Errorf("%d weights, expected the %d of before", small, float)
		}
	}
	ranges := seen.Ranges(Max)
	costs, err := Sensitivity(ctx, m, ranges, samples[:2], want[:2*8*16], 16)
	if err != nil {
		t.Fatal(err)
	}
	if len(costs) != 4 || !slices.IsSortedFunc(costs, func(a, b Cost) int { return cmp.Compare(b.Error, a.Error) }) {
		t.Errorf("costs are %+v, expected those of four layers, dearest first", costs)
	}
	// The graph's output is not rounded: with the last layer in float it has more than 256 values.
	if m.Proto.Graph.Node[0].GetOpType() != "Conv" {
		t.Error("the model itself was changed")
	}
	if _, err := Int8(m, map[string]Range{}, func(string) bool { return true }); err == nil {
		t.Error("ranges are missing, and nobody says so")
	}
	if _, err := Int8(m, ranges, func(string) bool { return false }); err == nil {
		t.Error("no layer is quantised, and nobody says so")
	}
}

func TestFloat16HalvesTheWeights(t *testing.T) {
	orttest.Start(t)
	ctx := context.Background()
	m, samples := convolutional(t), batches(2)
	want, err := Embeddings(ctx, m, samples)
	if err != nil {
		t.Fatal(err)
	}
	h, err := Float16(m)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Embeddings(ctx, h, samples)
	if err != nil {
		t.Fatal(err)
	}
	if e := Error(want, got, 16); !(e > 0 && e < 1e-5) {
		t.Errorf("error is %g of the spread", e)
	}
	bytes := 0
	for _, t := range h.Proto.Graph.Initializer {
		bytes += len(t.RawData)
	}
	if most := int(m.Parameters())*2 + 16; bytes > most {
		t.Errorf("%d bytes of weights, expected at most %d", bytes, most)
	}
}

func TestToFloat16(t *testing.T) {
	for v, want := range map[float32]uint16{
		0: 0, 1: 0x3c00, -2: 0xc000, 65504: 0x7bff, 0.1: 0x2e66, 5.9604645e-8: 1, 2.9e-8: 0, 6.097555e-5: 0x3ff,
		6.1035156e-5: 0x400, 1.0004883: 0x3c00, 1.0014648: 0x3c02, 2047.5: 0x6800, 1023.75: 0x6400, 1023.5: 0x63ff,
	} {
		if got := toFloat16(v); got != want {
			t.Errorf("toFloat16(%g) is %#x, expected %#x", v, got, want)
		}
	}
}

func TestRanges(t *testing.T) {
	for r, want := range map[Range]affine{
		{0, 255}: {1, 0}, {-1, 1}: {2.0 / 255, 127}, {3, 51}: {0.2, 0}, {0, 0}: {1, 0}, {-5.1, -1}: {0.02, 255},
	} {
		if got := r.affine(); math.Abs(float64(got.scale-want.scale)) > 1e-6 || got.zero != want.zero {
			t.Errorf("%v becomes %+v, expected %+v", r, got, want)
		}
	}
	h := &histogram{low: 0, high: bins}
	for i := range 100 {
		n := math.Round(1e6 * math.Exp(-float64(i)/12))
		h.signed[i], h.absolute[i], h.total = n, n, h.total+n
	}
	h.signed[bins-1], h.absolute[bins-1], h.total = 1, 1, h.total+1 // one value far out
	if p := h.percentile(1e-4); p.Low != 0 || p.High > 100 {
		t.Errorf("percentile gives %v, expected less than 100", p)
	}
	if e := h.entropy(); e.High > 400 {
		t.Errorf("entropy gives %v, expected the far value clipped", e)
	}
	h.total = 10
	if e := h.entropy(); e != (Range{0, bins}) {
		t.Errorf("of few values entropy gives %v, expected all", e)
	}
}
