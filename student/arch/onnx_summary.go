package arch

import "gorgonia.org/tensor"

// summaries lists the nodes of the imported part as Summaries does layers. A weight that several nodes read counts with the
// first.
func (p *imported) summaries(n *Network) []Summary {
	var list []Summary
	counted := make(map[operand]bool)
	for _, s := range p.steps {
		y := Summary{Name: s.name, Kind: s.kind, Input: s.in, Output: s.out}
		for _, o := range s.inputs {
			if o.source == fromParams && !counted[o] {
				counted[o] = true
				y.Parameters += n.elements(o)
			}
		}
		switch s.kind {
		case "Conv": // every weight meets every place of the output
			y.MultiplyAdds = n.elements(s.inputs[1]) * int64(s.out[1]*s.out[2])
		case "ConvTranspose": // and of the input
			y.MultiplyAdds = n.elements(s.inputs[1]) * int64(s.in[1]*s.in[2])
		case "Gemm", "MatMul":
			y.MultiplyAdds = n.elements(s.inputs[1])
		}
		list = append(list, y)
	}
	return list
}

// elements is the number of elements of a parameter or buffer, 0 of a value.
func (n *Network) elements(o operand) int64 {
	place := 0
	for _, s := range n.specs {
		if o.source == fromValues || s.buffer != (o.source == fromBuffers) {
			continue
		}
		if place == o.place {
			return int64(tensor.Shape(s.shape).TotalSize())
		}
		place++
	}
	return 0
}
