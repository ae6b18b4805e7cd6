package teacher

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"rkd/datasets"
	"rkd/models/onnx"
	"rkd/models/ort"
)

// Model is a frozen ONNX file, open: a function from samples to embeddings. It is safe for concurrent use.
type Model struct {
	options    Options
	session    *ort.Session
	hash       string
	parameters int64
	bytes      int64

	batch   int    // samples per run at most
	fixed   bool   // every run takes exactly batch samples
	input   layout // of one sample
	outputs []output
	notes   []string
}

// maxNumbers bounds the input of one run, so that no model file or configuration can ask for all memory.
const maxNumbers = 1 << 31

// output is a tensor that the model gives, without the dimension of the batch.
type output struct {
	name  string
	shape []int
	size  int // product of shape
	pool  pooling
}

// Open loads the model, taps the tensors that o names, and runs it. samples stand for all samples: their shape after
// preprocessing must be what the model takes. With two, the model must say of each alone what it says of them together,
// see ErrNotFunction; further ones are not looked at. ort.Init must have been called.
//
// Any floating-point tensor inside the graph can be an output; other precisions than float32 are cast. An output of
// several vectors for each sample, (N,T,D) or (N,C,H,W), needs Pool. A batch dimension that the model fixes to B sets
// the batch to B, at its input or inside.
//
// Errors wrap ErrOptions when the configuration cannot work with the model (no name where there are several tensors, no
// such execution provider), ErrShape when model and sample do not fit, ErrNotFunction, and those of onnx.Load and
// onnx.Model.Tap.
func Open(ctx context.Context, o Options, samples ...datasets.Sample) (*Model, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if len(samples) == 0 {
		return nil, fmt.Errorf("%w: opening model %q without a sample", ErrShape, o.Model)
	}
	graph, err := onnx.Load(o.Model)
	if err != nil {
		return nil, err
	}
	m := &Model{options: o, parameters: graph.Parameters()}
	if err := m.open(ctx, graph, samples[:min(len(samples), 2)]); err != nil {
		return nil, fmt.Errorf("opening model %q: %w", o.Model, err)
	}
	return m, nil
}

func (m *Model) open(ctx context.Context, graph *onnx.Model, samples []datasets.Sample) (err error) {
	if m.hash, err = graph.Hash(); err != nil {
		return err
	}
	if m.bytes, err = graph.Size(); err != nil {
		return err
	}
	if err := fixInputs(graph, m.options); err != nil {
		return err
	}
	if err := tap(graph, m.options); err != nil {
		return err
	}
	input, err := chooseInput(graph, m.options)
	if err != nil {
		return err
	}
	size, err := samples[0].Size(ctx)
	if err != nil {
		return err
	}
	if m.input, err = fit(input, m.options, size); err != nil {
		return err
	}
	m.batch = cmp.Or(m.options.Batch, DefaultBatch)
	if d := input.Shape; len(d) > 0 && d[0].Fixed() {
		m.batch, m.fixed = int(d[0].Value), true
	}
	if m.batch > maxNumbers/m.input.size {
		return fmt.Errorf("%w: a batch of %d samples of %d numbers, expected %d numbers at most", ErrOptions, m.batch,
			m.input.size, maxNumbers)
	}
	slopes := graph.MisplacedSlopes()
	if err := m.start(ctx, graph, samples); err != nil {
		if errors.Is(err, ErrShape) && len(slopes) > 0 { // the runtime's own words do not say so
			return fmt.Errorf("%w: %s", ErrShape, slopes[0])
		}
		return err
	}
	m.notes = append(m.notes, slopes...)
	if err := m.checkFunction(ctx, graph, m.fitting(ctx, samples)); err != nil {
		return errors.Join(err, m.session.Close())
	}
	return nil
}

// fitting leaves out the second sample if it cannot be preprocessed like the first: reading it reports that.
func (m *Model) fitting(ctx context.Context, samples []datasets.Sample) []datasets.Sample {
	if len(samples) == 2 {
		if _, err := datasets.Gather(ctx, m.Transform(), m.batch, samples[1]); err != nil {
			return samples[:1]
		}
	}
	return samples
}

// start makes the session and learns the shapes of its outputs from a probe. The type of a tensor inside a graph is
// often known to the runtime only: where the probe finds that it is no float32, it is cast and the session made again.
func (m *Model) start(ctx context.Context, graph *onnx.Model, samples []datasets.Sample) error {
	for again := false; ; again = true {
		var err error
		m.session, err = ort.NewSession(graph, ort.Options{
			Threads: m.options.Threads, Provider: m.options.Provider, ProviderOptions: m.options.ProviderOptions,
		})
		switch {
		case errors.Is(err, ort.ErrProvider):
			return fmt.Errorf("%w: %w", ErrOptions, err)
		case errors.Is(err, ort.ErrNotReady):
			return err
		case err != nil:
			return fmt.Errorf("%w: %w", onnx.ErrFormat, err)
		}
		cast, err := m.settle(ctx, graph, samples)
		if err == nil && len(cast) == 0 {
			return nil
		}
		if closeErr := m.session.Close(); len(cast) == 0 || again || closeErr != nil {
			return errors.Join(cmp.Or(err, fmt.Errorf("%w: outputs %q are no float32", ErrShape, cast)), closeErr)
		}
		for _, name := range cast {
			if err := graph.CastToFloat(name); err != nil {
				return err
			}
		}
	}
}

// probe runs the sample through the model and fills in m.outputs. It names the outputs that are to be cast first.
func (m *Model) probe(ctx context.Context, samples []datasets.Sample) (cast []string, err error) {
	// Two rows, so that an output that does not grow with the batch shows.
	samples = slices.Repeat(samples[:1], min(2, m.batch))
	b, err := datasets.Gather(ctx, m.Transform(), m.batch, samples...)
	if err != nil {
		return nil, err
	}
	in, err := m.inputValue(b)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	described := m.session.Outputs()
	values := make([]ort.Value, len(described))
	if err := m.session.Run(ctx, []ort.Value{in}, values); err != nil {
		if errors.Is(err, ort.ErrElement) { // perhaps a precision that Go lacks: cast what is not known to be float32
			for _, o := range described {
				if o.Elem != onnx.Float32 {
					cast = append(cast, o.Name)
				}
			}
		}
		if ctx.Err() != nil {
			return nil, err
		}
		return cast, fmt.Errorf("%w: %w", ErrShape, err)
	}
	m.outputs = m.outputs[:0]
	for i, v := range values {
		shape := v.Shape()
		e := v.Elem()
		if closeErr := v.Close(); closeErr != nil {
			err = errors.Join(err, closeErr)
		}
		o := output{name: described[i].Name, size: 1}
		switch {
		case e == onnx.Float64:
			cast = append(cast, o.name)
		case e != onnx.Float32:
			err = errors.Join(err, notFloat(o.name, e))
			continue
		}
		o.shape = shape[1:]
		for _, d := range o.shape {
			o.size *= d
		}
		if shape[0] != m.capacity(b) || o.size == 0 {
			err = errors.Join(err, fmt.Errorf("%w: output %q has shape %v for a batch of %d samples, expected one row for each",
				ErrShape, o.name, shape, m.capacity(b)))
		}
		if i < len(described)-m.logits() {
			pool, poolErr := newPooling(m.options.Pool, o.shape, m.input.channelsLast)
			if poolErr != nil {
				err = errors.Join(err, fmt.Errorf("%w: output %q is %s: %w", ErrOptions, o.name, batchShape(o.shape), poolErr))
			}
			o.pool = pool
		}
		m.outputs = append(m.outputs, o)
	}
	return cast, err
}

func notFloat(name string, e onnx.ElemType) error {
	return fmt.Errorf("%w: output %q holds %s elements, expected floating-point numbers", ErrOptions, name, e)
}

// logits is the number of outputs that are logits, the last ones.
func (m *Model) logits() int {
	if m.options.Logits.Tensor == "" {
		return 0
	}
	return 1
}

// Dim is the number of elements of an embedding.
func (m *Model) Dim() int {
	dim := 0
	for _, o := range m.outputs[:len(m.outputs)-m.logits()] {
		dim += o.pool.width
	}
	return dim
}

// LogitsDim is the number of class scores of a sample, 0 when none were asked for.
func (m *Model) LogitsDim() int {
	if m.logits() == 0 {
		return 0
	}
	return m.outputs[len(m.outputs)-1].size
}

// Batch is the largest number of samples that Run takes: the configured one, or that which the model fixes.
func (m *Model) Batch() int { return m.batch }

// Hash identifies the model file by its content, see onnx.Model.Hash.
func (m *Model) Hash() string { return m.hash }

// Parameters is the number of weights in the model file, see onnx.Model.Parameters.
func (m *Model) Parameters() int64 { return m.parameters }

// Bytes is the size of the model file with its external data.
func (m *Model) Bytes() int64 { return m.bytes }

// Close gives the session back.
func (m *Model) Close() error { return m.session.Close() }
