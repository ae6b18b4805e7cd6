package arch

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/models/onnx"
)

// ImportOptions say what of an ONNX model becomes a student.
type ImportOptions struct {
	// Output names the tensor that the head stands on, (N,D) or (N,C,H,W); empty: the model's only output.
	Output string
	// Input is the shape of one sample, (C,H,W) or (I). Height and width may differ from those that the file states, as long
	// as its nodes fit them.
	Input []int
	// Dim is the width of the embedding.
	Dim int
	// Normalize ends the network with L2 normalisation.
	Normalize bool
	// Freeze lists patterns (path.Match) of the names of weights, of nodes, or of a part of a node's name between slashes.
	// What they match is not trained.
	Freeze []string
}

// errImport is a refusal of a node; Import adds which one.
var errImport = errors.New("not supported")

// Import makes a student of an ONNX model: the nodes that the tensor Output depends on, with the model's weights as the
// first ones, then global average pooling where Output is (N,C,H,W), then a fresh linear layer to Dim.
//
// The weights of Conv, ConvTranspose, Gemm, MatMul, BatchNormalization and LayerNormalization, and constants of more than
// one element that are added to or multiplied with what such a node has made, and the slopes of PRelu, are parameters under
// the names that they have in the file; those of Gemm and MatMul are (O,I), however they lie there, and alpha and beta of
// Gemm are multiplied in. All others, and what Freeze matches, are buffers: they are saved with the student and never
// moved. float16, bfloat16 and float64 become float32. A weight that reaches its node through an Identity is one of its
// own, for exporters so join tensors that are equal by chance.
//
// Batch normalisation that the exporter did not fold keeps the statistics of the file, in training too: its scale and
// bias are trained, its mean and variance never move, as in PyTorch's fine-tuning with these layers in eval mode. Dropout
// falls away. Arithmetic on shapes is folded, the number of samples being a symbol in it.
//
// Errors wrap onnx.ErrFormat, and name the node, for what cannot be imported; onnx.ErrUnknownTensor for an Output that the
// model does not compute; ErrConfig for options out of range and for a pattern that matches nothing.
func Import(m *onnx.Model, o ImportOptions) (*Network, error) {
	if o.Dim < 1 {
		return nil, fmt.Errorf("%w: embedding_dim is %d, expected 1 or more", ErrConfig, o.Dim)
	}
	if len(o.Input) != 3 && len(o.Input) != 1 || slices.Min(o.Input) < 1 || size(o.Input) < 0 {
		return nil, fmt.Errorf("%w: samples of shape %v, expected (channels,height,width) or (features)", ErrConfig, o.Input)
	}
	if err := m.Check(); err != nil {
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
	im, err := newImporter(part, o, f)
	if err == nil {
		err = im.run()
	}
	if err != nil {
		return nil, fmt.Errorf("importing the model: %w: %w", onnx.ErrFormat, err)
	}
	if err := f.unmatched(); err != nil {
		return nil, err
	}
	return im.finish(output)
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
	return "", fmt.Errorf("%w \"\": the model has %d outputs, expected the name of a tensor", onnx.ErrUnknownTensor, len(outputs))
}

// imported is the part of a network that came from an ONNX file: steps in an order in which they can run. Value 0 is the
// input, value i+1 what step i makes.
type imported struct {
	steps  []step
	output int // the value that the head stands on
}

// step is one operator with its inputs.
type step struct {
	name   string // of the ONNX node
	kind   string // its operator
	inputs []operand
	in     []int // the shape of one sample of the first input
	out    []int // and of what it makes
	apply  func(in gorgonia.Nodes) (*gorgonia.Node, error)
}

// operand is an input of a step: a value, a parameter or a buffer, by its place.
type operand struct {
	source source
	place  int
}

type source int

const (
	fromValues source = iota
	fromParams
	fromBuffers
)

// build adds the steps to the graph of x.
func (p *imported) build(b *builder, x *gorgonia.Node) (*gorgonia.Node, error) {
	values := gorgonia.Nodes{x}
	for _, s := range p.steps {
		in := make(gorgonia.Nodes, len(s.inputs))
		for i, o := range s.inputs {
			in[i] = [...]gorgonia.Nodes{values, b.params, b.buffers}[o.source][o.place]
		}
		y, err := s.apply(in)
		if err != nil {
			return nil, fmt.Errorf("building node %q (%s): %w", s.name, s.kind, err)
		}
		values = append(values, y)
	}
	return values[p.output], nil
}

// prune removes the steps that the output does not depend on.
func (p *imported) prune() {
	live := make([]bool, len(p.steps)+1)
	live[p.output] = true
	for i, s := range slices.Backward(p.steps) {
		for _, o := range s.inputs {
			if live[i+1] && o.source == fromValues {
				live[o.place] = true
			}
		}
	}
	places := make([]int, len(p.steps)+1)
	var kept []step
	for i, s := range p.steps {
		if !live[i+1] {
			continue
		}
		for j, o := range s.inputs {
			if o.source == fromValues {
				s.inputs[j].place = places[o.place]
			}
		}
		kept = append(kept, s)
		places[i+1] = len(kept)
	}
	p.steps, p.output = kept, places[p.output]
}

// finish puts the head on what the nodes have become.
func (im *importer) finish(output string) (*Network, error) {
	v := im.values[output]
	if v.constant != nil {
		return nil, fmt.Errorf("importing the model: %w: tensor %q is a constant, expected one that depends on the input",
			onnx.ErrFormat, output)
	}
	if v.channelLast {
		return nil, fmt.Errorf("importing the model: %w: tensor %q is the input (N,H,W,C), expected one that nodes make",
			onnx.ErrFormat, output)
	}
	if len(v.shape) == 3 && v.shape[1]*v.shape[2] == 1 {
		var err error
		if v, err = im.reshape(nil, v, v.shape[:1]); err != nil {
			return nil, err
		}
	}
	var head []Layer
	switch len(v.shape) {
	case 1:
	case 3:
		head = []Layer{{Kind: GlobalAvgPool}}
	default:
		return nil, fmt.Errorf("importing the model: %w: tensor %q is %s, expected (N,D) or (N,C,H,W)",
			onnx.ErrFormat, output, samples(v.shape))
	}
	head = append(head, Layer{Kind: Linear, Out: im.options.Dim})
	if im.options.Normalize {
		head = append(head, Layer{Kind: L2Normalize})
	}
	im.program.output = v.place
	im.program.prune()
	n := im.net
	n.body = im.program
	prefix := "head"
	for hasPrefix(im.names, prefix+".") {
		prefix += "_"
	}
	var err error
	n.layers, _, err = n.fit(head, prefix+".", v.shape)
	return n, err
}

func hasPrefix(names map[string]bool, prefix string) bool {
	for name := range names {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
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
