package engine

import "gorgonia.org/gorgonia"

// counter counts training steps, and writes the number of each where the graph's dropout reads it.
type counter struct {
	next   int       // the number of the next step, from 0
	number []float32 // nil without dropout
}

// bind takes the graph's step node, which is nil without dropout.
func (c *counter) bind(step *gorgonia.Node) {
	if step != nil {
		c.number = step.Value().Data().([]float32)
	}
}

// write hands the number of the coming step to the graph.
func (c *counter) write() {
	if c.number != nil {
		c.number[0] = float32(c.next)
	}
}
