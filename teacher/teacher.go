package teacher

import (
	"cmp"
	"errors"
	"fmt"
	"sync"

	"rkd/datasets"
	"rkd/models/onnx"
	"rkd/models/ort"
)

// Teacher is an open model. Prepare and Run may be called from different goroutines at once.
type Teacher struct {
	options    Options
	session    *ort.Session
	hash       string
	parameters int64
	bytes      int64

	batch   int    // samples per run at most
	fixed   bool   // every run takes exactly batch samples
	input   layout // of one sample
	outputs []output
	buffers sync.Pool // of *buffer that Run is done with
}

// maxNumbers bounds the input of one run, so that no model file or configuration can ask for all memory.
const maxNumbers = 1 << 31

// output is a tensor that the model gives, without the dimension of the batch.
type output struct {
	name  string
	shape []int
	size  int // product of shape
}

// Open loads the model, taps the tensors that o names, and runs it once. sample stands for all samples: its shape after
// preprocessing must be what the model takes. ort.Init must have been called.
//
// Any floating-point tensor inside the graph can be an output; other precisions than float32 are cast. An output of more
// than two dimensions is flattened to (N,D). A batch dimension that the model fixes to B sets the batch to B.
//
// Errors wrap ErrOptions when the configuration cannot work with the model (no name where there are several tensors, no
// such execution provider), ErrShape when model and sample do not fit, and those of onnx.Load and onnx.Model.Tap.
func Open(o Options, sample datasets.Image) (*Teacher, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	m, err := onnx.Load(o.Model)
	if err != nil {
		return nil, err
	}
	t := &Teacher{options: o, parameters: m.Parameters()}
	if err := t.open(m, sample); err != nil {
		return nil, fmt.Errorf("opening model %q: %w", o.Model, err)
	}
	return t, nil
}

func (t *Teacher) open(m *onnx.Model, sample datasets.Image) (err error) {
	if t.hash, err = m.Hash(); err != nil {
		return err
	}
	if t.bytes, err = m.Size(); err != nil {
		return err
	}
	if err := tap(m, t.options); err != nil {
		return err
	}
	input, err := chooseInput(m, t.options)
	if err != nil {
		return err
	}
	if t.input, err = fit(input, t.options.Preprocess, sample); err != nil {
		return err
	}
	t.batch = cmp.Or(t.options.Batch, DefaultBatch)
	if d := input.Shape; len(d) > 0 && d[0].Fixed() {
		t.batch, t.fixed = int(d[0].Value), true
	}
	if t.batch > maxNumbers/t.input.size {
		return fmt.Errorf("%w: a batch of %d samples of %d numbers, expected %d numbers at most", ErrOptions, t.batch,
			t.input.size, maxNumbers)
	}
	return t.start(m, sample)
}

// start makes the session and learns the shapes of its outputs from a probe. The type of a tensor inside a graph is often
// known to the runtime only: where the probe finds that it is no float32, it is cast and the session made again.
func (t *Teacher) start(m *onnx.Model, sample datasets.Image) error {
	for again := false; ; again = true {
		var err error
		t.session, err = ort.NewSession(m, ort.Options{
			Threads: t.options.Threads, Provider: t.options.Provider, ProviderOptions: t.options.ProviderOptions,
		})
		switch {
		case errors.Is(err, ort.ErrProvider):
			return fmt.Errorf("%w: %w", ErrOptions, err)
		case errors.Is(err, ort.ErrNotReady):
			return err
		case err != nil:
			return fmt.Errorf("%w: %w", onnx.ErrFormat, err)
		}
		cast, err := t.probe(sample)
		if err == nil && len(cast) == 0 {
			return nil
		}
		if closeErr := t.session.Close(); len(cast) == 0 || again || closeErr != nil {
			return errors.Join(cmp.Or(err, fmt.Errorf("%w: outputs %q are no float32", ErrShape, cast)), closeErr)
		}
		for _, name := range cast {
			if err := m.CastToFloat(name); err != nil {
				return err
			}
		}
	}
}

// probe runs the sample through the model and fills in t.outputs. It names the outputs that are to be cast first.
func (t *Teacher) probe(sample datasets.Image) (cast []string, err error) {
	rows := min(2, t.batch) // two, so that an output that does not grow with the batch shows
	samples := make([]datasets.Image, rows)
	for i := range samples {
		samples[i] = sample
	}
	b, err := t.Prepare(samples)
	if err != nil {
		return nil, err
	}
	defer t.release(b)
	in, err := t.inputValue(b)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	described := t.session.Outputs()
	values := make([]ort.Value, len(described))
	if err := t.session.Run([]ort.Value{in}, values); err != nil {
		if errors.Is(err, ort.ErrElement) { // perhaps a precision that Go lacks: cast what is not known to be float32
			for _, o := range described {
				if o.Elem != onnx.Float32 {
					cast = append(cast, o.Name)
				}
			}
		}
		return cast, fmt.Errorf("%w: %w", ErrShape, err)
	}
	t.outputs = t.outputs[:0]
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
		if shape[0] != b.capacity || o.size == 0 {
			err = errors.Join(err, fmt.Errorf("%w: output %q has shape %v for a batch of %d samples, expected one row for each",
				ErrShape, o.name, shape, b.capacity))
		}
		t.outputs = append(t.outputs, o)
	}
	return cast, err
}

func notFloat(name string, e onnx.ElemType) error {
	return fmt.Errorf("%w: output %q holds %s elements, expected floating-point numbers", ErrOptions, name, e)
}

// Dim is the number of elements of an embedding.
func (t *Teacher) Dim() int { return t.outputs[0].size }

// LogitsDim is the number of class scores of a sample, 0 when none were asked for.
func (t *Teacher) LogitsDim() int {
	if len(t.outputs) < 2 {
		return 0
	}
	return t.outputs[1].size
}

// Batch is the largest number of samples that Prepare takes: the configured one, or that which the model fixes.
func (t *Teacher) Batch() int { return t.batch }

// Hash identifies the model file by its content, see onnx.Model.Hash.
func (t *Teacher) Hash() string { return t.hash }

// Parameters is the number of weights in the model file, see onnx.Model.Parameters.
func (t *Teacher) Parameters() int64 { return t.parameters }

// Bytes is the size of the model file with its external data.
func (t *Teacher) Bytes() int64 { return t.bytes }

// Close gives the session back.
func (t *Teacher) Close() error { return t.session.Close() }
