package onnx

import "fmt"

// MisplacedSlopes describes the nodes PRelu whose slope, of shape (C), has one number for each of the C channels that a
// convolution made, but lies along the width, where the specification broadcasts it: exporters mean (C,1,1).
func (m *Model) MisplacedSlopes() []string {
	g := m.Proto.GetGraph()
	dims := make(map[string][]int64)
	for _, t := range g.GetInitializer() {
		dims[t.GetName()] = t.GetDims()
	}
	channels := make(map[string]int64) // of what convolutions make, batch normalisation behind them included
	var found []string
	for _, n := range g.GetNode() {
		if len(n.Input) < 2 || len(n.Output) == 0 {
			continue
		}
		switch n.GetOpType() {
		case "Conv":
			if w := dims[n.Input[1]]; len(w) > 2 {
				channels[n.Output[0]] = w[0]
			}
		case "BatchNormalization":
			if c := channels[n.Input[0]]; c > 0 {
				channels[n.Output[0]] = c
			}
		case "PRelu":
			c, slope := channels[n.Input[0]], dims[n.Input[1]]
			if c > 1 && len(slope) == 1 && slope[0] == c {
				name := n.GetName()
				if name == "" {
					name = n.Output[0]
				}
				found = append(found,
					fmt.Sprintf("node %q (PRelu): its slope of shape (%d) lies along the width, not along the %d "+
						"channels; export it with shape (%d,1,1)", clip(name), c, c, c))
			}
		}
	}
	return found
}
