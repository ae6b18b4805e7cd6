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
		b.NodeTo("sum", "Concat", []string{total, b.Node("ReduceMax", []string{flat}, onnx.Ints("axes", 1))},
			onnx.Int("axis", 1))
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

func gray(pixels ...uint8) datasets.Sample {
	side := int(math.Sqrt(float64(len(pixels))))
	return datasets.Sample{
		Path:    fmt.Sprintf("%d", pixels),
		Content: datasets.Image{Height: side, Width: side, Channels: 1, Pixels: pixels},
	}
}

func open(t testing.TB, o Options, sample datasets.Sample) *Model {
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
	images := []datasets.Sample{gray(1, 2, 3, 4), gray(0, 9, 0, 0), gray(5, 5, 5, 5)}
	for name, test := range map[string]struct {
		options           Options
		embedding, logits []float32
	}{
		"an output": {Options{Output: Names{"sum"}}, []float32{10, 4, 9, 9, 20, 5}, nil},
		"an output of four dimensions in a row": {
			Options{Output: Names{"double"}, Pool: PoolNone}, []float32{2, 4, 6, 8, 0, 18, 0, 0, 10, 10, 10, 10}, nil,
		},
		"with logits": {
			Options{Output: Names{"sum"}, Logits: Logits{Tensor: "double"}},
			[]float32{10, 4, 9, 9, 20, 5},
			[]float32{2, 4, 6, 8, 0, 18, 0, 0, 10, 10, 10, 10},
		},
		"the one that is no logits": {
			Options{Logits: Logits{Tensor: "double"}}, []float32{10, 4, 9, 9, 20, 5}, []float32{
				2, 4, 6, 8, 0, 18, 0, 0, 10, 10,
				10, 10,
			},
		},
		"inside the graph":    {Options{Output: Names{"reducesum_1"}}, []float32{10, 9, 20}, nil},
		"of double precision": {Options{Output: Names{"wide"}}, []float32{1, 2, 3, 4, 0, 9, 0, 0, 5, 5, 5, 5}, nil},
		"of half precision":   {Options{Output: Names{"narrow"}}, []float32{1, 2, 3, 4, 0, 9, 0, 0, 5, 5, 5, 5}, nil},
		"half and double": {
			Options{Output: Names{"narrow"}, Logits: Logits{Tensor: "wide"}},
			[]float32{1, 2, 3, 4, 0, 9, 0, 0, 5, 5, 5, 5},
			[]float32{1, 2, 3, 4, 0, 9, 0, 0, 5, 5, 5, 5},
		},
		"several become one": {
			Options{Output: Names{"narrow", "sum"}, Logits: Logits{Tensor: "wide"}},
			[]float32{1, 2, 3, 4, 10, 4, 0, 9, 0, 0, 9, 9, 5, 5, 5, 5, 20, 5},
			[]float32{1, 2, 3, 4, 0, 9, 0, 0, 5, 5, 5, 5},
		},
		"a map pooled and a vector": {
			Options{Output: Names{"double", "sum"}, Pool: PoolMean}, []float32{5, 10, 4, 4.5, 9, 9, 10, 20, 5}, nil,
		},
		"a sum over the batch, of one": {Options{Output: Names{"total"}}, []float32{10, 9, 20}, nil},
		"normalised": {
			Options{Output: Names{"double"}, Pool: PoolNone, Normalize: "l2"},
			[]float32{0.18257418, 0.36514837, 0.5477226, 0.73029673, 0, 1, 0, 0, 0.5, 0.5, 0.5, 0.5},
			nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := test.options
			o.Model, o.Preprocess = pair(t, "N"), raw
			m := open(t, o, images[0])
			var got Embeddings
			for part := range slices.Chunk(images, min(m.Batch(), len(images))) {
				e, err := m.Embed(t.Context(), part...)
				if err != nil {
					t.Fatal(err)
				}
				got.Rows += e.Rows
				got.Embedding = append(got.Embedding, e.Embedding...)
				got.Logits = append(got.Logits, e.Logits...)
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
	m := open(t, Options{Model: pair(t, 4), Output: Names{"sum"}, Preprocess: raw, Batch: 32}, gray(1, 2, 3, 4))
	if m.Batch() != 4 {
		t.Errorf("got batches of %d, want the model's 4", m.Batch())
	}
	for rows := 1; rows <= 4; rows++ {
		images := slices.Repeat([]datasets.Sample{gray(1, 2, 3, 4)}, rows)
		got, err := m.Embed(t.Context(), images...)
		if err != nil {
			t.Fatal(err)
		}
		if want := slices.Repeat([]float32{10, 4}, rows); got.Rows != rows || !slices.Equal(got.Embedding, want) {
			t.Errorf("%d rows: got %v, want %v", rows, got.Embedding, want)
		}
	}
	if _, err := m.Embed(t.Context(), make([]datasets.Sample, 5)...); err == nil {
		t.Error("got no error for 5 images in a batch of 4")
	}
	if _, err := m.Embed(t.Context()); err == nil {
		t.Error("got no error for no images")
	}
}

func TestOutputThatIsNotFinite(t *testing.T) {
	o := Options{Model: pair(t, "N"), Output: Names{"root"}, Normalize: "l2"}
	o.Preprocess = datasets.Preprocess{Scale: 1, Mean: []float64{1}}
	m := open(t, o, gray(1, 2, 3, 4))
	_, err := m.Embed(t.Context(), gray(1, 2, 3, 4), gray(9, 9, 9, 9), gray(9, 0, 9, 9))
	var notFinite *NotFiniteError
	if !errors.As(err, &notFinite) || notFinite.Row != 2 || notFinite.Tensor != "root" {
		t.Errorf("got error %v, want a NotFiniteError of row 2", err)
	}
}

func TestRowsOfZerosStayZero(t *testing.T) {
	m := open(t, Options{Model: pair(t, "N"), Output: Names{"double"}, Pool: PoolNone, Preprocess: raw, Normalize: "l2"},
		gray(1, 2, 3, 4))
	got, err := m.Embed(t.Context(), gray(0, 0, 0, 0))
	if err != nil || !slices.Equal(got.Embedding, make([]float32, 4)) {
		t.Errorf("got %v (error %v), want zeros", got.Embedding, err)
	}
}

func TestIdentityAndSize(t *testing.T) {
	path := pair(t, "N")
	m := open(t, Options{Model: path, Output: Names{"sum"}}, gray(1, 2, 3, 4))
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

// Batches that a loader reads ahead give what samples one by one give.
func TestBatchesThatAreReadAhead(t *testing.T) {
	data, err := datasets.Open(t.Context(), datasets.Source{Kind: "sample", Split: "test"}, datasets.Resources{})
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Model: pair(t, 7), Output: Names{"sum"}, Preprocess: datasets.Preprocess{Resize: datasets.Size{2}}}
	m := open(t, o, data.Sample(0))
	loader := datasets.NewLoader(data, nil, m.Transform(), datasets.LoaderOptions{Batch: m.Batch()})
	rows := 0
	for b, err := range loader.Batches(t.Context(), loader.InOrder(0, 100)) {
		if err != nil {
			t.Fatal(err)
		}
		got, err := m.Run(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		for i, row := range b.Rows {
			want, err := m.Embed(t.Context(), data.Sample(row))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got.Embedding[2*i:2*i+2], want.Embedding) {
				t.Fatalf("sample %d: got %v, want %v", row, got.Embedding[2*i:2*i+2], want.Embedding)
			}
			rows++
		}
	}
	if rows != 100 {
		t.Errorf("got %d rows, want 100", rows)
	}
}

func TestCancelledWorkStops(t *testing.T) {
	m := open(t, Options{Model: pair(t, "N"), Output: Names{"sum"}}, gray(1, 2, 3, 4))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Embed(ctx, gray(1, 2, 3, 4)); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want context.Canceled", err)
	}
	if _, err := m.Latency(ctx, gray(1, 2, 3, 4), 3); !errors.Is(err, context.Canceled) {
		t.Errorf("latency: got error %v, want context.Canceled", err)
	}
}

func TestLatencyIsPositive(t *testing.T) {
	m := open(t, Options{Model: pair(t, "N"), Output: Names{"sum"}}, gray(1, 2, 3, 4))
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
	image := datasets.Sample{Content: datasets.Image{Height: 6, Width: 6, Channels: 1, Pixels: make([]uint8, 36)}}
	model, err := Open(context.Background(), Options{
		Model:     "../models/onnx/testdata/conv_bn.onnx",
		Normalize: "l2",
	}, image)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer model.Close()
	e, err := model.Embed(context.Background(), image, image)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%d embeddings of %d numbers\n", e.Rows, len(e.Embedding)/e.Rows)
	// Output: 2 embeddings of 3 numbers
}

func BenchmarkEmbed(b *testing.B) {
	m := open(b, Options{Model: pair(b, "N"), Output: Names{"sum"}}, gray(1, 2, 3, 4))
	images := slices.Repeat([]datasets.Sample{gray(1, 2, 3, 4)}, m.Batch())
	for b.Loop() {
		if _, err := m.Embed(b.Context(), images...); err != nil {
			b.Fatal(err)
		}
	}
}
