package importer

import (
	"gorgonia.org/tensor"

	"rkd/student/arch"
)

// Summaries lists the nodes. A weight that several nodes read counts with the
// first.
func (p *program) Summaries() []arch.Summary {
	var list []arch.Summary
	counted := make(map[operand]bool)
	for _, s := range p.steps {
		y := arch.Summary{Name: s.name, Kind: s.kind, Input: s.in, Output: s.out}
		for _, o := range s.inputs {
			if o.source == fromParams && !counted[o] {
				counted[o] = true
				y.Parameters += p.elements(o)
			}
		}
		if len(s.inputs) > 1 { // the padding that a node needs is a step of its own, without a weight
			y.MultiplyAdds = s.multiplyAdds(p.elements(s.inputs[1]))
		}
		list = append(list, y)
	}
	return list
}

// multiplyAdds is the number of multiplications of a step with so many weights.
func (s step) multiplyAdds(weights int64) int64 {
	switch s.kind {
	case "Conv": // every weight meets every place of the output
		return weights * int64(s.out[1]*s.out[2])
	case "ConvTranspose": // and of the input
		return weights * int64(s.in[1]*s.in[2])
	case "Gemm", "MatMul":
		return weights
	}
	return 0
}

// elements is the number of elements of a parameter or buffer, 0 of a value.
func (p *program) elements(o operand) int64 {
	place := 0
	for _, t := range p.tensors {
		if o.source == fromValues || t.Buffer != (o.source == fromBuffers) {
			continue
		}
		if place == o.place {
			return int64(tensor.Shape(t.Shape).TotalSize())
		}
		place++
	}
	return 0
}
