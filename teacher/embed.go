package teacher

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"rkd/datasets"
	"rkd/datasets/memory"
	"rkd/models/ort"
)

// Embeddings are what the model says of a batch of N samples.
type Embeddings struct {
	Rows      int
	Embedding []float32 // (N,D)
	Logits    []float32 // (N,C), nil when none were asked for
}

// NotFiniteError reports a NaN or an infinity in the model's output.
type NotFiniteError struct {
	Row    int    // in the batch, from 0
	Tensor string // the output's name
	Value  float32
}

func (e *NotFiniteError) Error() string {
	return fmt.Sprintf("output %q is %v in row %d of the batch, expected finite numbers", e.Tensor, e.Value, e.Row)
}

// Embed runs the model on 1 to Batch samples, each in view 0.
func (m *Model) Embed(ctx context.Context, samples ...datasets.Sample) (Embeddings, error) {
	b, err := datasets.Gather(ctx, m.Transform(), m.batch, samples...)
	if err != nil {
		return Embeddings{}, err
	}
	return m.Run(ctx, b)
}

// Run computes the embeddings of a batch of the model's Transform, 1 to Batch rows of it. With normalisation l2 each
// row x of the embedding becomes x / max(‖x‖₂, 1e-12), so that a row of zeros stays one; logits are as the model gives
// them. The same batch gives the same bits, on one machine with one number of threads.
//
// It returns a *NotFiniteError for the first row with a NaN or an infinity, before normalisation.
func (m *Model) Run(ctx context.Context, b *datasets.Batch) (Embeddings, error) {
	if err := ctx.Err(); err != nil {
		return Embeddings{}, err
	}
	results := m.room(b)
	if err := m.compute(ctx, b, results); err != nil {
		return Embeddings{}, err
	}
	for i, o := range m.outputs {
		results[i] = results[i][:b.Len()*o.size]
		if at := slices.IndexFunc(results[i], notFinite); at >= 0 {
			return Embeddings{}, &NotFiniteError{Row: at / o.size, Tensor: o.name, Value: results[i][at]}
		}
	}
	e := Embeddings{Rows: b.Len()}
	if m.logits() > 0 {
		e.Logits = results[len(results)-1]
	}
	e.Embedding = m.embedding(b.Len(), results)
	if m.options.Normalize == NormalizeL2 {
		for row := range slices.Chunk(e.Embedding, m.Dim()) {
			normalize(row)
		}
	}
	return e, nil
}

// embedding pools the rows of each output and puts them behind each other.
func (m *Model) embedding(rows int, results [][]float32) []float32 {
	outputs := m.outputs[:len(m.outputs)-m.logits()]
	if len(outputs) == 1 && outputs[0].pool.kind == "" {
		return results[0]
	}
	dim := m.Dim()
	embedding := make([]float32, rows*dim)
	at := 0
	for k, o := range outputs {
		for i := range rows {
			o.pool.into(embedding[i*dim+at:][:o.pool.width], results[k][i*o.size:(i+1)*o.size])
		}
		at += o.pool.width
	}
	return embedding
}

// compute runs the model once, into memory of the results.
func (m *Model) compute(ctx context.Context, b *datasets.Batch, results [][]float32) (err error) {
	var values []ort.Value // the input, then the outputs
	defer func() {
		for _, v := range values {
			err = errors.Join(err, v.Close())
		}
	}()
	in, err := m.inputValue(b)
	if err != nil {
		return err
	}
	values = append(values, in)
	for i, o := range m.outputs {
		v, err := ort.NewTensor(append([]int{m.capacity(b)}, o.shape...), results[i])
		if err != nil {
			return err
		}
		values = append(values, v)
	}
	return m.session.Run(ctx, values[:1], values[1:])
}

// room is memory for the outputs of a batch, one slice each.
func (m *Model) room(b *datasets.Batch) [][]float32 {
	results := make([][]float32, len(m.outputs))
	for i, o := range m.outputs {
		results[i] = memory.Make[float32](m.capacity(b) * o.size)
	}
	return results
}

func notFinite(v float32) bool { return math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) }

// normalize scales a row to length 1. The sum is taken in float64, in order.
func normalize(row []float32) {
	var sum float64
	for _, v := range row {
		sum += float64(v) * float64(v)
	}
	length := max(math.Sqrt(sum), 1e-12)
	for i, v := range row {
		row[i] = float32(float64(v) / length)
	}
}

// warmUps are runs that Latency makes before it measures: the runtime plans its memory in the first ones.
const warmUps = 3

// Latency is the median time in milliseconds of a run with one sample, over the given number of runs. Preprocessing is
// not part of it; a model whose batch dimension is fixed computes its whole batch for the one sample.
func (m *Model) Latency(ctx context.Context, sample datasets.Sample, runs int) (float64, error) {
	if runs < 1 {
		return 0, fmt.Errorf("measuring latency: %d runs, expected 1 or more", runs)
	}
	b, err := datasets.Gather(ctx, m.Transform(), m.batch, sample)
	if err != nil {
		return 0, err
	}
	results := m.room(b)
	var millis []float64
	for i := range warmUps + runs {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		start := time.Now()
		if err := m.compute(ctx, b, results); err != nil {
			return 0, err
		}
		if i >= warmUps {
			millis = append(millis, float64(time.Since(start).Nanoseconds())/1e6)
		}
	}
	slices.Sort(millis)
	return (millis[(runs-1)/2] + millis[runs/2]) / 2, nil
}
