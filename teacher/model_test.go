package teacher

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"rkd/datasets"
	"rkd/models/onnx"
	"rkd/models/ort"
	"rkd/models/ort/orttest"
)

// loadRuntime does what a program does before it opens a model.
func loadRuntime() error {
	cache, err := ort.CacheDir()
	if err != nil {
		return err
	}
	path, err := ort.Find("", cache)
	if err != nil {
		return err
	}
	return ort.Init(path)
}

// model builds a graph with an input of the given type and shape, and saves it.
func model(t testing.TB, elem onnx.ElemType, dims []any, build func(b *onnx.Builder, x string)) string {
	t.Helper()
	b := onnx.NewBuilder("test", 17)
	build(b, b.Input("input", elem, dims...))
	m, err := b.Model("test", "1")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "model.onnx")
	if err := m.Save(path); err != nil {
		t.Fatal(err)
	}
	return path
}

// pair is a model of 2×2 gray images: "sum" = the pixels' sum and their maximum, "double" = every pixel twice.
func pair(t testing.TB, batch any) string {
	return model(t, onnx.Float32, []any{batch, 1, 2, 2}, func(b *onnx.Builder, x string) {
		flat := b.Node("Flatten", []string{x})
		b.NodeTo("double", "Mul", []string{x, b.Float32("two", nil, []float32{2})})
		total := b.Node("ReduceSum", []string{flat, b.Int64("axes", []int{1}, []int64{1})})
		b.NodeTo("sum", "Concat", []string{total, b.Node("ReduceMax", []string{flat}, onnx.Ints("axes", 1))}, onnx.Int("axis", 1))
		b.NodeTo("largest", "ArgMax", []string{flat}, onnx.Int("axis", 1))
		b.NodeTo("wide", "Cast", []string{flat}, onnx.Int("to", int64(onnx.Float64)))
		b.NodeTo("narrow", "Cast", []string{flat}, onnx.Int("to", int64(onnx.Float16)))
		b.NodeTo("total", "ReduceSum", []string{flat, b.Int64("all", []int{2}, []int64{0, 1})})
		b.NodeTo("root", "Sqrt", []string{flat})
		b.Output("sum", onnx.Float32, batch, 2)
		b.Output("double", onnx.Float32, batch, 1, 2, 2)
	})
}

// raw is preprocessing that keeps the pixels' values.
var raw = datasets.Preprocess{Scale: 1}

func gray(pixels ...uint8) datasets.Image {
	side := int(math.Sqrt(float64(len(pixels))))
	return datasets.Image{Height: side, Width: side, Channels: 1, Pixels: pixels}
}

func open(t testing.TB, o Options, sample datasets.Image) *Model {
	t.Helper()
	orttest.Start(t)
	m, err := Open(t.Context(), o, sample)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func TestTensorsAreTappedByName(t *testing.T) {
	images := []datasets.Image{gray(1, 2, 3, 4), gray(0, 9, 0, 0), gray(5, 5, 5, 5)}
	for name, test := range map[string]struct {
		options           Options
		embedding, logits []float32
	}{
		"an output": {Options{Output: "sum"}, []float32{10, 4, 9, 9, 20, 5}, nil},
		"an output of four dimensions is flattened": {
			Options{Output: "double"}, []float32{2, 4, 6, 8, 0, 18, 0, 0, 10, 10, 10, 10}, nil,
		},
		"with logits": {
			Options{Output: "sum", Logits: "double"},
			[]float32{10, 4, 9, 9, 20, 5},
			[]float32{2, 4, 6, 8, 0, 18, 0, 0, 10, 10, 10, 10},
		},
		"the one that is no logits": {
			Options{Logits: "double"}, []float32{10, 4, 9, 9, 20, 5}, []float32{2, 4, 6, 8, 0, 18, 0, 0, 10, 10, 10, 10},
		},
		"inside the graph":    {Options{Output: "reducesum_1"}, []float32{10, 9, 20}, nil},
		"of double precision": {Options{Output: "wide"}, []float32{1, 2, 3, 4, 0, 9, 0, 0, 5, 5, 5, 5}, nil},
		"of half precision":   {Options{Output: "narrow"}, []float32{1, 2, 3, 4, 0, 9, 0, 0, 5, 5, 5, 5}, nil},
		"half and double":     {Options{Output: "narrow", Logits: "wide"}, []float32{1, 2, 3, 4, 0, 9, 0, 0, 5, 5, 5, 5}, []float32{1, 2, 3, 4, 0, 9, 0, 0, 5, 5, 5, 5}},
		"normalised": {
			Options{Output: "double", Normalize: "l2"},
			[]float32{0.18257418, 0.36514837, 0.5477226, 0.73029673, 0, 1, 0, 0, 0.5, 0.5, 0.5, 0.5},
			nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := test.options
			o.Model, o.Preprocess = pair(t, "N"), raw
			m := open(t, o, images[0])
			got, err := m.Embed(t.Context(), images)
			if err != nil {
				t.Fatal(err)
			}
			if got.Rows != 3 || !slices.Equal(got.Embedding, test.embedding) || !slices.Equal(got.Logits, test.logits) {
				t.Errorf("got %+v, want embedding %v and logits %v", got, test.embedding, test.logits)
			}
			if m.Dim() != len(test.embedding)/3 || m.LogitsDim() != len(test.logits)/3 {
				t.Errorf("got %d dimensions and %d logits", m.Dim(), m.LogitsDim())
			}
		})
	}
}

func TestFixedBatchIsPaddedAndCut(t *testing.T) {
	m := open(t, Options{Model: pair(t, 4), Output: "sum", Preprocess: raw, Batch: 32}, gray(1, 2, 3, 4))
	if m.Batch() != 4 {
		t.Errorf("got batches of %d, want the model's 4", m.Batch())
	}
	for rows := 1; rows <= 4; rows++ {
		images := slices.Repeat([]datasets.Image{gray(1, 2, 3, 4)}, rows)
		got, err := m.Embed(t.Context(), images)
		if err != nil {
			t.Fatal(err)
		}
		if want := slices.Repeat([]float32{10, 4}, rows); got.Rows != rows || !slices.Equal(got.Embedding, want) {
			t.Errorf("%d rows: got %v, want %v", rows, got.Embedding, want)
		}
	}
	if _, err := m.Embed(t.Context(), make([]datasets.Image, 5)); err == nil {
		t.Error("got no error for 5 images in a batch of 4")
	}
	if _, err := m.Embed(t.Context(), nil); err == nil {
		t.Error("got no error for no images")
	}
}

func TestOutputThatIsNotFinite(t *testing.T) {
	o := Options{Model: pair(t, "N"), Output: "root", Normalize: "l2"}
	o.Preprocess = datasets.Preprocess{Scale: 1, Mean: []float64{1}}
	m := open(t, o, gray(1, 2, 3, 4))
	_, err := m.Embed(t.Context(), []datasets.Image{gray(1, 2, 3, 4), gray(9, 9, 9, 9), gray(9, 0, 9, 9)})
	var notFinite *NotFiniteError
	if !errors.As(err, &notFinite) || notFinite.Row != 2 || notFinite.Tensor != "root" {
		t.Errorf("got error %v, want a NotFiniteError of row 2", err)
	}
}

func TestRowsOfZerosStayZero(t *testing.T) {
	m := open(t, Options{Model: pair(t, "N"), Output: "double", Preprocess: raw, Normalize: "l2"}, gray(1, 2, 3, 4))
	got, err := m.Embed(t.Context(), []datasets.Image{gray(0, 0, 0, 0)})
	if err != nil || !slices.Equal(got.Embedding, make([]float32, 4)) {
		t.Errorf("got %v (error %v), want zeros", got.Embedding, err)
	}
}

func TestIdentityAndSize(t *testing.T) {
	path := pair(t, "N")
	m := open(t, Options{Model: path, Output: "sum"}, gray(1, 2, 3, 4))
	file, err := onnx.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := file.Hash()
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if m.Hash() != hash || m.Bytes() != info.Size() || m.Parameters() != 1 || m.Batch() != DefaultBatch {
		t.Errorf("got hash %s, %d bytes, %d parameters, batch %d", m.Hash(), m.Bytes(), m.Parameters(), m.Batch())
	}
}

// TestHalvesOverlap prepares batches in one goroutine and runs them in another, and compares with one after the other.
func TestHalvesOverlap(t *testing.T) {
	m := open(t, Options{Model: pair(t, "N"), Output: "sum", Preprocess: raw, Batch: 8}, gray(1, 2, 3, 4))
	batches := make(chan Batch, 2)
	failed := make(chan error, 1)
	go func() {
		defer close(batches)
		for i := range 40 {
			b, err := m.Prepare(slices.Repeat([]datasets.Image{gray(uint8(i), 0, 0, 1)}, 1+i%8))
			if err != nil {
				failed <- err
				return
			}
			batches <- b
		}
	}()
	i := 0
	for b := range batches {
		got, err := m.Run(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		want := slices.Repeat([]float32{float32(i + 1), float32(max(i, 1))}, 1+i%8)
		if !slices.Equal(got.Embedding, want) {
			t.Fatalf("batch %d: got %v, want %v", i, got.Embedding, want)
		}
		i++
	}
	select {
	case err := <-failed:
		t.Fatal(err)
	default:
	}
	if i != 40 {
		t.Errorf("got %d batches, want 40", i)
	}
}

func TestCancelledWorkStops(t *testing.T) {
	m := open(t, Options{Model: pair(t, "N"), Output: "sum"}, gray(1, 2, 3, 4))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Embed(ctx, []datasets.Image{gray(1, 2, 3, 4)}); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want context.Canceled", err)
	}
	if _, err := m.Latency(ctx, gray(1, 2, 3, 4), 3); !errors.Is(err, context.Canceled) {
		t.Errorf("latency: got error %v, want context.Canceled", err)
	}
}

func TestLatencyIsPositive(t *testing.T) {
	m := open(t, Options{Model: pair(t, "N"), Output: "sum"}, gray(1, 2, 3, 4))
	if got, err := m.Latency(t.Context(), gray(1, 2, 3, 4), 4); err != nil || !(got > 0) {
		t.Errorf("got %v ms (error %v), want more than 0", got, err)
	}
	if _, err := m.Latency(t.Context(), gray(1, 2, 3, 4), 0); err == nil {
		t.Error("got no error for 0 runs")
	}
}

func ExampleModel_Embed() {
	if err := loadRuntime(); err != nil { // ort.Find and ort.Init
		fmt.Println(err)
		return
	}
	image := datasets.Image{Height: 6, Width: 6, Channels: 1, Pixels: make([]uint8, 36)}
	model, err := Open(context.Background(), Options{Model: "../models/onnx/testdata/conv_bn.onnx", Normalize: "l2"}, image)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer model.Close()
	e, err := model.Embed(context.Background(), []datasets.Image{image, image})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%d embeddings of %d numbers\n", e.Rows, len(e.Embedding)/e.Rows)
	// Output: 2 embeddings of 3 numbers
}

func BenchmarkEmbed(b *testing.B) {
	m := open(b, Options{Model: pair(b, "N"), Output: "sum"}, gray(1, 2, 3, 4))
	images := slices.Repeat([]datasets.Image{gray(1, 2, 3, 4)}, m.Batch())
	for b.Loop() {
		if _, err := m.Embed(b.Context(), images); err != nil {
			b.Fatal(err)
		}
	}
}
