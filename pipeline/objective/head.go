package objective

import (
	"cmp"
	"fmt"
	"math/rand/v2"

	"rkd/models/onnx"
	"rkd/student/loss"
)

// Head is the `student.head` section: the classifier behind the embedding, present when a loss needs logits. A bare
// string sets Kind.
type Head struct {
	loss.ProjectionOptions `yaml:",inline"`
}

// Shorthand names the key that a bare string sets.
func (*Head) Shorthand() string { return "kind" }

const headName = "head"

func (h Head) options() loss.ProjectionOptions {
	o := h.ProjectionOptions
	o.Bias = h.Kind != loss.ProjectionCosine
	return o
}

// Resolved returns the section with its defaults written out.
func (h Head) Resolved() Head {
	h.Kind = cmp.Or(h.Kind, loss.ProjectionLinear)
	if h.Kind == loss.ProjectionCosine {
		h.Scale = cmp.Or(h.Scale, loss.DefaultProjectionScale)
	}
	return h
}

// Validate checks the section.
func (h Head) Validate() error {
	_, err := h.Projection(1, 1, rand.New(rand.NewPCG(0, 0)))
	return err
}

// Projection makes a head from embeddings of width in to logits of so many classes.
func (h Head) Projection(in, classes int, r *rand.Rand) (*loss.Projection[float32], error) {
	p, err := loss.NewProjection[float32](headName, h.options(), in, classes, r)
	if err != nil {
		return nil, fmt.Errorf("%w: student.head: %w", ErrOptions, err)
	}
	return p, nil
}

// Lower adds the head to b: it returns the name of the logits, (N,C), of the embedding, (N,D).
func (h Head) Lower(b *onnx.Builder, embedding string, p *loss.Projection[float32]) string {
	weight := p.Params()[0]
	if h.Kind != loss.ProjectionCosine {
		bias := p.Params()[1]
		return b.Node("Gemm", []string{
			embedding, b.Float32(weight.Name, weight.Shape, weight.Value), b.Float32(bias.Name, bias.Shape, bias.Value),
		}, onnx.Int("transB", 1))
	}
	length := b.Node("ReduceL2", []string{embedding}, onnx.Ints("axes", -1), onnx.Int("keepdims", 1))
	length = b.Node("Max", []string{length, b.Float32(headName+".shortest", []int{1}, []float32{1e-12})})
	unit := b.Node("Div", []string{embedding, length})
	return b.Node("Gemm", []string{unit, b.Float32(weight.Name, weight.Shape, p.Directions())}, onnx.Int("transB", 1))
}
