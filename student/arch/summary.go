package arch

import "gorgonia.org/tensor"

// Summary describes one layer of a network, for one sample.
type Summary struct {
	// Name begins the names of the layer's tensors. What is inside a residual or concat has its name as a prefix.
	Name   string `json:"name"`
	Kind   string `json:"kind"`
	Input  []int  `json:"input"`
	Output []int  `json:"output"`
	// Parameters is the number of trained numbers. MultiplyAdds is that of multiplications in convolutions and linear
	// layers; biases, normalisation, activations and pooling count as none, as usual. A residual or concat has none of its
	// own.
	Parameters   int64 `json:"parameters"`
	MultiplyAdds int64 `json:"multiply_adds"`
}

// Summaries lists the layers in order: what is inside a residual or concat follows it.
func (n *Network) Summaries() []Summary {
	var list []Summary
	if n.body != nil {
		list = n.body.Summaries()
	}
	return n.summaries(list, n.layers)
}

func (n *Network) summaries(list []Summary, layers []layer) []Summary {
	for _, l := range layers {
		list = append(list, n.summary(l))
		for _, inside := range append([][]layer{l.body, l.shortcut}, l.branches...) {
			list = n.summaries(list, inside)
		}
	}
	return list
}

func (n *Network) summary(l layer) Summary {
	s := Summary{Name: l.name, Kind: l.Kind, Input: l.in, Output: l.out}
	if l.weight < 0 {
		return s
	}
	weight := n.parameter(l.weight)
	s.Parameters = int64(tensor.Shape(weight.shape).TotalSize())
	switch l.Kind {
	case Conv: // every weight meets every place of the output
		s.MultiplyAdds = s.Parameters * int64(l.out[1]*l.out[2])
	case ConvTranspose: // and of the input
		s.MultiplyAdds = s.Parameters * int64(l.in[1]*l.in[2])
	case Linear:
		s.MultiplyAdds = s.Parameters
	}
	if l.bias >= 0 {
		s.Parameters += int64(tensor.Shape(n.parameter(l.bias).shape).TotalSize())
	}
	return s
}

// parameter is the description of the i-th of Weights.Params.
func (n *Network) parameter(i int) spec {
	for _, s := range n.specs {
		if s.buffer {
			continue
		}
		if i == 0 {
			return s
		}
		i--
	}
	return spec{}
}
