package importer

import (
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"

	"rkd/student/arch"
)

// program is an arch.Body: steps in topological order. Value 0 is the input, value i+1 the result of step i.
type program struct {
	steps   []step
	output  int // the value that the head stands on
	shape   []int
	tensors []arch.TensorSpec
}

// step is one operator with its inputs.
type step struct {
	name   string // of the ONNX node
	kind   string // its operator
	inputs []operand
	in     []int // the shape of one sample of the first input
	out    []int // and of the result
	apply  apply
	// norm, of batch normalisation that is trained, takes the place of apply.
	norm *arch.Normalization
}

// apply adds an operator to the graph of its inputs.
type apply func(in gorgonia.Nodes) (*gorgonia.Node, error)

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

func (p *program) Tensors() []arch.TensorSpec { return p.tensors }

func (p *program) Output() []int { return p.shape }

func (p *program) Build(b *arch.Builder, x *gorgonia.Node) (*gorgonia.Node, error) {
	values := gorgonia.Nodes{x}
	for _, s := range p.steps {
		in := make(gorgonia.Nodes, len(s.inputs))
		for i, o := range s.inputs {
			switch o.source {
			case fromValues:
				in[i] = values[o.place]
			case fromParams:
				in[i] = b.Param(o.place)
			case fromBuffers:
				in[i] = b.Buffer(o.place)
			}
		}
		var y *gorgonia.Node
		var err error
		if s.norm != nil {
			y, err = b.BatchNorm(in[0], *s.norm)
		} else {
			y, err = s.apply(in)
		}
		if err != nil {
			return nil, fmt.Errorf("building node %q (%s): %w", s.name, s.kind, err)
		}
		values = append(values, y)
	}
	return values[p.output], nil
}

// add appends a tensor and returns its place among those of its kind.
func (p *program) add(t arch.TensorSpec) int {
	place := 0
	for _, other := range p.tensors {
		if other.Buffer == t.Buffer {
			place++
		}
	}
	p.tensors = append(p.tensors, t)
	return place
}

// prune removes the steps that the output does not depend on.
func (p *program) prune() {
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
