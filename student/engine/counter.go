package engine

import "gorgonia.org/gorgonia"

// counter writes the number of each training step where the graph's dropout reads it.
type counter struct {
	next   int
	number []float32 // nil without dropout
}

// bind takes the graph's step node, which is nil without dropout.
func (c *counter) bind(step *gorgonia.Node) {
	if step != nil {
		c.number = step.Value().Data().([]float32)
	}
}

// count begins a step.
func (c *counter) count() {
	if c.number != nil {
		c.number[0] = float32(c.next)
	}
	c.next++
}
