package arch

import (
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/student/op"
)

// Body is the part of a network before its head that is not a list of layers; student/importer makes one of an ONNX
// file.
type Body interface {
	// Tensors lists parameters and buffers. Param and Buffer of a Builder count each kind apart, in this order.
	Tensors() []TensorSpec
	// Output is the shape of one sample of what Build returns, (D) or (C,H,W).
	Output() []int
	// Build adds the body to the graph of x, (N,Input...).
	Build(b *Builder, x *gorgonia.Node) (*gorgonia.Node, error)
	// Summaries describes the body as Network.Summaries does layers.
	Summaries() []Summary
}

// TensorSpec describes one tensor of a Body.
type TensorSpec struct {
	Name   string
	Shape  []int
	Buffer bool      // saved with the weights, not trained
	Values []float32 // the first values
}

// Head ends a network that has a Body: global average pooling of a (C,H,W) output, a linear layer to Dim features with
// fresh weights, L2 normalisation if Normalize is set.
type Head struct {
	// None leaves the linear layer out: the body's (pooled) output is the embedding. Dim is then its width, or 0.
	None      bool
	Dim       int
	Normalize bool
}

// FromBody makes a network of a body and a head, for samples of shape input. The head's tensors are called "head.…",
// with as many underscores behind "head" as keep them apart from the body's.
//
// It returns ErrConfig for a Dim below 1, or one that a network without a linear layer does not have.
func FromBody(body Body, input []int, head Head) (*Network, error) {
	out := body.Output()
	if !head.None && head.Dim < 1 {
		return nil, fmt.Errorf("%w: embedding_dim is %d, expected 1 or more", ErrConfig, head.Dim)
	}
	if head.None && head.Dim != 0 && head.Dim != out[0] {
		return nil, fmt.Errorf("%w: embedding_dim is %d, expected %d, which the model has, or none with head: none",
			ErrConfig, head.Dim, out[0])
	}
	n := &Network{Input: slices.Clone(input), Dim: head.Dim, body: body}
	for _, t := range body.Tensors() {
		n.add(spec{name: t.Name, shape: t.Shape, buffer: t.Buffer, values: t.Values})
	}
	var layers []Layer
	if len(out) == 3 {
		layers = append(layers, Layer{Kind: GlobalAvgPool})
	}
	if head.None {
		n.Dim = out[0]
	} else {
		layers = append(layers, Layer{Kind: Linear, Out: head.Dim})
	}
	if head.Normalize {
		layers = append(layers, Layer{Kind: L2Normalize})
	}
	var err error
	n.layers, _, err = n.fit(layers, n.free("head")+".", out)
	return n, err
}

// Param is the node of parameter i, counted among the parameters.
func (b *Builder) Param(i int) *gorgonia.Node { return b.params[i] }

// Buffer is the node of buffer i, counted among the buffers.
func (b *Builder) Buffer(i int) *gorgonia.Node { return b.buffers[i] }

// Normalization names the tensors of a batch normalisation by their places among parameters and buffers.
type Normalization struct {
	Weight, Bias   int // parameters
	Mean, Variance int // buffers: the running statistics
	Epsilon        float64
}

// BatchNorm normalises x, (N,C) or (N,C,H,W), in training with the statistics of the batch, which then move the running
// ones (Graph.Stats), otherwise with the running statistics.
func (b *Builder) BatchNorm(x *gorgonia.Node, o Normalization) (*gorgonia.Node, error) {
	gamma, beta := b.params[o.Weight], b.params[o.Bias]
	if !b.training {
		return op.BatchNormInference(x, b.buffers[o.Mean], b.buffers[o.Variance], gamma, beta, o.Epsilon)
	}
	stats, err := op.BatchStats(x)
	if err != nil {
		return nil, err
	}
	count := b.batch * tensor.Shape(x.Shape()[2:]).TotalSize()
	b.graph.Stats = append(b.graph.Stats, RunningUpdate{Node: stats, Count: count, Mean: o.Mean, Variance: o.Variance})
	return op.BatchNorm(x, stats, gamma, beta, o.Epsilon)
}
