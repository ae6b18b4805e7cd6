package importer

import (
	"errors"
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/models/onnx"
	"rkd/student/arch"
)

// Options say which part of an ONNX model becomes the body of a network, and which of its weights are trained.
type Options struct {
	// Output names the tensor that the head stands on, (N,D) or (N,C,H,W); empty: the model's only output.
	Output string
	// Input is the shape of one sample, (C,H,W) or (I). Height and width may differ from those that the file states, as
	// long as its nodes fit them.
	Input []int
	// Freeze lists patterns (path.Match) of the names of weights, of nodes, or of a part of a node's name between slashes.
	// Weights that match are not trained.
	Freeze []string
	// TrainBatchNorm normalises with the statistics of the batch in training and moves the running ones, which start as
	// the file's. A node whose scale or bias Freeze matches keeps its statistics. Without it all of them do.
	TrainBatchNorm bool
}

// errImport is a refusal of a node; Import adds which one.
var errImport = errors.New("not supported")

// Import makes the body of a network from an ONNX model: the nodes that the tensor Output depends on, with the weights
// of the file as the first weights.
//
// Parameters, under their names in the file, are the weights of Conv, ConvTranspose, Gemm, MatMul, BatchNormalization
// and LayerNormalization, the slopes of PRelu, and constants of more than one element that are added to a tensor, or
// multiplied with one, which depends on such a node. The weights of Gemm and MatMul are stored as (O,I) in every case,
// with alpha and beta of Gemm multiplied in. All other constants, and the weights that Freeze matches, are buffers:
// saved with the student, not trained. float16, bfloat16 and float64 become float32. Exporters replace equal tensors by
// one and an Identity; a weight behind an Identity is therefore a parameter of its own.
//
// Batch normalisation that the exporter did not fold keeps the statistics of the file, in training too, unless
// TrainBatchNorm is set: scale and bias are trained, mean and variance are not, as in PyTorch's fine-tuning with these
// layers in eval mode. Dropout is removed. Arithmetic on shapes is folded; the number of samples is a symbol in it.
// Model-local functions are inlined. An integer input must be cast before anything is computed from it: the student
// gets the same numbers in floating point.
//
// Errors wrap onnx.ErrFormat, and name the node, for what cannot be imported; onnx.ErrUnknownTensor for an Output that
// the model does not compute; arch.ErrConfig for options out of range and for a pattern that matches nothing.
func Import(m *onnx.Model, o Options) (arch.Body, error) {
	if len(o.Input) != 3 && len(o.Input) != 1 || slices.Min(o.Input) < 1 || size(o.Input) < 0 {
		return nil, fmt.Errorf("%w: samples of shape %v, expected (channels,height,width) or (features)",
			arch.ErrConfig, o.Input)
	}
	if err := m.Check(); err != nil {
		return nil, fmt.Errorf("importing the model: %w", err)
	}
	m, err := m.Inlined()
	if err == nil {
		err = m.Check() // the nodes of functions have not been checked yet
	}
	if err != nil {
		return nil, fmt.Errorf("importing the model: %w", err)
	}
	output, err := importOutput(m, o.Output)
	if err != nil {
		return nil, fmt.Errorf("importing the model: %w", err)
	}
	part, err := m.Part(output)
	if err != nil {
		return nil, fmt.Errorf("importing the model: %w", err)
	}
	f, err := newFreezer(o.Freeze)
	if err != nil {
		return nil, err
	}
	tr, err := newTranslator(part, o, f)
	if err == nil {
		err = tr.run()
	}
	if err != nil {
		return nil, fmt.Errorf("importing the model: %w: %w", onnx.ErrFormat, err)
	}
	if err := f.unmatched(); err != nil {
		return nil, err
	}
	return tr.finish(output)
}

// importOutput is the tensor that the head stands on.
func importOutput(m *onnx.Model, name string) (string, error) {
	outputs := m.Outputs()
	if name != "" {
		return name, nil
	}
	if len(outputs) == 1 {
		return outputs[0].Name, nil
	}
	return "", fmt.Errorf("%w \"\": the model has %d outputs, expected the name of a tensor",
		onnx.ErrUnknownTensor, len(outputs))
}

// finish makes the tensor output the body's result.
func (tr *translator) finish(output string) (arch.Body, error) {
	v := tr.values[output]
	if v.constant != nil {
		return nil, fmt.Errorf("importing the model: %w: tensor %q is a constant, expected one that depends on the input",
			onnx.ErrFormat, output)
	}
	if v.integer || v.length != nil {
		return nil, fmt.Errorf("importing the model: %w: tensor %q holds integers or lengths of rows, expected features",
			onnx.ErrFormat, output)
	}
	if v.channelLast {
		return nil, fmt.Errorf("importing the model: %w: tensor %q is the input (N,H,W,C), expected the result of a node",
			onnx.ErrFormat, output)
	}
	if len(v.shape) == 3 && v.shape[1]*v.shape[2] == 1 {
		var err error
		if v, err = tr.reshape(nil, v, v.shape[:1]); err != nil {
			return nil, err
		}
	}
	if len(v.shape) != 1 && len(v.shape) != 3 {
		return nil, fmt.Errorf("importing the model: %w: tensor %q is %s, expected (N,D) or (N,C,H,W)",
			onnx.ErrFormat, output, samples(v.shape))
	}
	tr.program.output, tr.program.shape = v.place, v.shape
	tr.program.prune()
	return tr.program, nil
}

// samples writes the shape of a batch, (N,3,224,224).
func samples(shape []int) string {
	s := "(N"
	for _, d := range shape {
		s += fmt.Sprintf(",%d", d)
	}
	return s + ")"
}

// largest bounds the elements of one sample of any value: sizes come from files.
const largest = 1 << 31

// size is the number of elements of a shape, −1 where that is above largest.
func size(shape []int) int {
	n := 1
	for _, d := range shape {
		if d < 0 || d > 0 && n > largest/d {
			return -1
		}
		n *= d
	}
	return n
}

// variable adds an input without a value to a graph that is there for its shapes.
func variable(g *gorgonia.ExprGraph, name string, shape []int) *gorgonia.Node {
	return gorgonia.NewTensor(g, tensor.Float32, len(shape), gorgonia.WithShape(shape...), gorgonia.WithName(name))
}
