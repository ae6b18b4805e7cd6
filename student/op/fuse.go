package op

import "gorgonia.org/gorgonia"

// Fuser is an operator that can be computed together with the one that makes one of its inputs, in one pass over memory.
type Fuser interface {
	// Fuse returns one operator for this one, of inputs, and for that of inner, an input that is read by nobody else, and
	// that operator's inputs; or nil. children gives the inputs of a node.
	Fuse(inputs []*gorgonia.Node, inner *gorgonia.Node, children func(*gorgonia.Node) []*gorgonia.Node) (gorgonia.Op, []*gorgonia.Node)
}

// Fuse takes the gradient of a maximum pooling in: the pooling's maxima that are not above 0 pass nothing on.
func (r *reluGrad) Fuse(
	inputs []*gorgonia.Node, inner *gorgonia.Node, children func(*gorgonia.Node) []*gorgonia.Node,
) (gorgonia.Op, []*gorgonia.Node) {
	pool, ok := inner.Op().(*maxPoolGrad)
	if !ok || inputs[1] != inner {
		return nil, nil
	}
	below := children(inner)
	if below[0] != inputs[0] {
		return nil, nil
	}
	return newMaxPoolGrad(pool.opts, true), below
}
