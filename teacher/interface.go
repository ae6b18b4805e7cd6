package teacher

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"rkd/datasets"
	"rkd/models/onnx"
)

// OutputNames returns the tensors that are the embedding: Output, or the model's only output that is not Logits and
// could be one: of floating-point numbers. It returns ErrOptions, listing the outputs, where there are several to
// choose from.
func (o Options) OutputNames(m *onnx.Model) (Names, error) {
	if len(o.Output) > 0 {
		return o.Output, nil
	}
	rest := slices.DeleteFunc(m.Outputs(), func(t onnx.Tensor) bool { return t.Name == o.Logits.Tensor })
	if floats := slices.DeleteFunc(slices.Clone(rest), func(t onnx.Tensor) bool {
		return t.Elem != onnx.Undefined && !t.Elem.IsFloat()
	}); len(floats) > 0 {
		rest = floats
	}
	if len(rest) != 1 {
		return nil, fmt.Errorf("%w: output is empty and the model has %d to choose from, expected the name of one: %s",
			ErrOptions, len(rest), list(rest))
	}
	return Names{rest[0].Name}, nil
}

// Tap describes, for a cache's key, how the embedding is taken from the model: the output's name alone where nothing
// else is asked for.
func (o Options) Tap(m *onnx.Model) (string, error) {
	names, err := o.OutputNames(m)
	if err != nil {
		return "", err
	}
	pool := o.Pool
	if pool == PoolNone {
		pool = "" // which is what was done before there was a choice
	}
	if len(names) == 1 && pool == "" && len(o.Inputs) == 0 {
		return names[0], nil
	}
	text, err := json.Marshal(struct {
		Output Names     `json:"output"`
		Pool   string    `json:"pool,omitempty"`
		Inputs Constants `json:"inputs,omitempty"`
	}{names, pool, o.Inputs})
	return string(text), err
}

// tap makes the embedding, and the logits if wanted, the model's outputs. What the file says to be of another precision
// is cast to float32.
func tap(m *onnx.Model, o Options) error {
	names, err := o.OutputNames(m)
	if err != nil {
		return err
	}
	names = slices.Clone(names)
	if o.Logits.Tensor != "" {
		names = append(names, o.Logits.Tensor)
	}
	if err := m.Tap(names...); err != nil {
		return err
	}
	for _, t := range m.Outputs() {
		switch {
		case t.Elem == onnx.Undefined || t.Elem == onnx.Float32:
		case t.Elem.IsFloat():
			if err := m.CastToFloat(t.Name); err != nil {
				return err
			}
		default:
			return notFloat(t.Name, t.Elem)
		}
	}
	return nil
}

// fixInputs makes constants of the inputs that the options give values for.
func fixInputs(m *onnx.Model, o Options) error {
	if len(o.Inputs) == 0 {
		return nil
	}
	batch := o.Input
	for _, in := range m.Inputs() {
		if _, constant := o.Inputs[in.Name]; !constant && batch == "" {
			batch = in.Name
		}
	}
	if batch == "" {
		return fmt.Errorf("%w: inputs: every input of the model has a constant, expected one that takes the samples: %s",
			ErrOptions, list(m.Inputs()))
	}
	for _, name := range slices.Sorted(maps.Keys(o.Inputs)) {
		err := m.Fix(name, o.Inputs[name], batch)
		if errors.Is(err, onnx.ErrUnknownTensor) {
			return fmt.Errorf("%w: inputs: %w: %s", ErrOptions, err, list(m.Inputs()))
		}
		if err != nil {
			return fmt.Errorf("%w: inputs: %w", ErrOptions, err)
		}
	}
	return nil
}

// chooseInput finds the input that takes the samples: the one that is named, or the only one that the outputs depend
// on. Another precision than float32 is cast to inside the model.
func chooseInput(m *onnx.Model, o Options) (onnx.Tensor, error) {
	inputs := m.Inputs()
	i := slices.IndexFunc(inputs, func(t onnx.Tensor) bool { return o.Input == "" || t.Name == o.Input })
	switch {
	case len(inputs) == 0:
		return onnx.Tensor{}, fmt.Errorf("%w: the outputs depend on no input of the model", ErrShape)
	case i < 0:
		return onnx.Tensor{}, fmt.Errorf("%w: input: %w %q, expected one that the outputs depend on: %s", ErrOptions,
			onnx.ErrUnknownTensor, o.Input, list(inputs))
	case len(inputs) > 1:
		return onnx.Tensor{}, fmt.Errorf("%w: the outputs depend on %d inputs, expected one that takes the samples, and "+
			"values for the others in teacher.inputs: %s", ErrShape, len(inputs), list(inputs))
	}
	in := inputs[i]
	if in.Elem == onnx.Float32 || in.Elem == onnx.Uint8 {
		return in, nil
	}
	if !in.Elem.IsFloat() {
		return in, fmt.Errorf("%w: input %s, expected floating-point numbers or uint8 pixels", ErrShape, in)
	}
	if err := m.CastFromFloat(in.Name); err != nil {
		return in, err
	}
	in.Elem = onnx.Float32
	return in, nil
}

// list writes tensors for a message.
func list(ts []onnx.Tensor) string {
	parts := make([]string, len(ts))
	for i, t := range ts {
		parts[i] = t.String()
	}
	return strings.Join(parts, ", ")
}

// Values of datasets.Preprocess.Layout; NCHW is also its default.
const (
	layoutNCHW = "NCHW"
	layoutNHWC = "NHWC"
)

// layout is the arrangement of one sample in the model's input.
type layout struct {
	transform datasets.Transform
	shape     []int // the transform's elements in the model's dimensions, without the batch
	size      int
	// channelsLast says that images, and so the model's feature maps, are (N,H,W,C).
	channelsLast bool
}

// fit compares the model's input with an image of the given size. Dimensions of 1 may be missing on either side, and an
// input of two dimensions takes an image's numbers in a row. An input of pixels takes them as they are, laid out as its
// dimensions say; preprocessing that could not apply to them is ErrOptions.
func fit(in onnx.Tensor, o Options, size datasets.Image) (layout, error) {
	p := o.Preprocess
	elem := datasets.Float32
	if in.Elem == onnx.Uint8 {
		elem = datasets.Uint8
		if err := onlyPixels(in, p); err != nil && !o.Normalizes {
			return layout{}, err
		}
	}
	l, ok, err := try(in, p, elem, size)
	if ok || err != nil {
		return l, err
	}
	configured := l
	if elem == datasets.Uint8 && p.Layout != layoutNHWC { // NCHW is what a resolved configuration says by default
		p.Layout = layoutNHWC
		if l, ok, err = try(in, p, elem, size); ok || err != nil {
			return l, err
		}
	}
	return l, fmt.Errorf("%w: the model takes %s, the preprocessed sample is %s", ErrShape, in,
		batchShape(configured.transform.Shape()))
}

// onlyPixels refuses preprocessing that turns pixels into other numbers. The default scale is none.
func onlyPixels(in onnx.Tensor, p datasets.Preprocess) error {
	key := ""
	switch {
	case p.Scale != 0 && p.Scale != datasets.Preprocess{}.Resolved().Scale:
		key = "scale"
	case slices.ContainsFunc(p.Mean, func(v float64) bool { return v != 0 }):
		key = "mean"
	case slices.ContainsFunc(p.Std, func(v float64) bool { return v != 1 }):
		key = "std"
	default:
		return nil
	}
	return fmt.Errorf("%w: the model takes pixels, %s, and preprocess.%s cannot apply to them, expected no scale, mean "+
		"or std",
		ErrOptions, in, key)
}

// try fits the model's input to one way of preprocessing; ok says whether they fit.
func try(in onnx.Tensor, p datasets.Preprocess, e datasets.Elem, size datasets.Image) (l layout, ok bool, err error) {
	t, err := datasets.NewTransform(p, e, size)
	if err != nil {
		return l, false, fmt.Errorf("%w: %w", ErrOptions, err)
	}
	l = layout{transform: t, size: 1, channelsLast: p.Layout == layoutNHWC}
	for _, d := range t.Shape() {
		l.size *= d
	}
	l.shape, ok = match(in.Shape, t.Shape())
	return l, ok, nil
}

// batchShape writes the shape of samples with the batch in front.
func batchShape(sample []int) string {
	dims := []onnx.Dim{{Param: "N"}}
	for _, d := range sample {
		dims = append(dims, onnx.Dim{Value: int64(d)})
	}
	return onnx.ShapeString(dims)
}

// match gives a sample's elements the dimensions of the model's input.
func match(declared []onnx.Dim, sample []int) ([]int, bool) {
	if declared == nil {
		return sample, true // the file does not say; the runtime will
	}
	if len(declared) < 1 {
		return nil, false
	}
	declared = declared[1:]
	if len(declared) == len(sample) && agree(declared, sample) {
		return sample, true
	}
	if len(declared) == 1 {
		n := 1
		for _, d := range sample {
			n *= d
		}
		return []int{n}, agree(declared, []int{n})
	}
	// Take dimensions of 1 out of the sample and put them in where the model has them.
	squeezed := slices.DeleteFunc(slices.Clone(sample), func(d int) bool { return d == 1 })
	shape := make([]int, len(declared))
	for i, d := range declared {
		switch {
		case d.Value == 1:
			shape[i] = 1
		case len(squeezed) > 0:
			shape[i], squeezed = squeezed[0], squeezed[1:]
		default:
			return nil, false
		}
	}
	return shape, len(squeezed) == 0 && agree(declared, shape)
}

func agree(declared []onnx.Dim, shape []int) bool {
	for i, d := range declared {
		if d.Fixed() && d.Value != int64(shape[i]) {
			return false
		}
	}
	return true
}
