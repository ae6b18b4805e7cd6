package op

import (
	"slices"
	"strings"

	"gorgonia.org/gorgonia"

	"rkd/student/internal/conv"
)

// Fuser is an operator that can be computed together with the one that makes one of its inputs, in one pass over memory.
type Fuser interface {
	// Fuse returns one operator for this one, of inputs, and for that of inner, one of them, with that operator's inputs; or
	// nil. What inner fuses with can be taken in, too. alone says that nobody else reads inner, which then is never computed; else inner's work is done once
	// more for everybody who takes it in, and pays only where that is less than reading what it made. children gives the
	// inputs of a node.
	Fuse(
		inputs []*gorgonia.Node, inner *gorgonia.Node, alone bool, children func(*gorgonia.Node) []*gorgonia.Node,
	) (gorgonia.Op, []*gorgonia.Node)
}

// Fuse takes a convolution in, a batch normalisation, or the sum of one and something else, a residual connection's end.
func (r *relu) Fuse(
	_ []*gorgonia.Node, inner *gorgonia.Node, alone bool, children func(*gorgonia.Node) []*gorgonia.Node,
) (gorgonia.Op, []*gorgonia.Node) {
	if !alone {
		return nil, nil
	}
	switch o := inner.Op().(type) {
	case *convolution:
		return o.with(conv.ReLU, children(inner))
	case *batchNorm:
		return newBatchNorm(rank(inner), o.eps, thenReLU), children(inner)
	case *add:
		terms := children(inner)
		for i, term := range terms {
			if norm, ok := term.Op().(*batchNorm); ok {
				return newBatchNormAddReLU(rank(inner), norm.eps), append(children(term), terms[1-i])
			}
		}
	}
	return nil, nil
}

// Fuse takes a ReLU in, and the batch normalisation before it, where windows are halves: the gradient does without what they
// make, too.
func (p *maxPool) Fuse(
	_ []*gorgonia.Node, inner *gorgonia.Node, _ bool, children func(*gorgonia.Node) []*gorgonia.Node,
) (gorgonia.Op, []*gorgonia.Node) {
	if _, ok := inner.Op().(*relu); !ok || p.opts != halves {
		return nil, nil
	}
	of := children(inner)
	if norm, ok := of[0].Op().(*batchNorm); ok {
		return newBatchNorm(rank(inner), norm.eps, thenReLUAndHalves), children(of[0])
	}
	return newReLUMaxPool(), of
}

// Sum is the operator of the sum of two tensors of a rank, for nodes that IsSum.
func Sum(rank int) gorgonia.Op { return newAdd(rank) }

// IsSum says whether a node is the sum of two tensors of one shape that gorgonia.Backpropagate makes where a value was used
// twice: the one operator in a student's graph that is not of this package.
func IsSum(n *gorgonia.Node, children []*gorgonia.Node) bool {
	if _, ours := n.Op().(Lowerer); ours || n.Op().Arity() != 2 || !strings.HasPrefix(n.Op().String(), "+ ") {
		return false
	}
	return !slices.ContainsFunc(children, func(c *gorgonia.Node) bool { return !c.Shape().Eq(n.Shape()) })
}

// Fuse takes the gradient of a convolution of ReLU's output in; or that of a maximum pooling, whose maxima that are not above 0
// pass nothing on; or the sum of two gradients.
func (r *reluGrad) Fuse(
	inputs []*gorgonia.Node, inner *gorgonia.Node, alone bool, children func(*gorgonia.Node) []*gorgonia.Node,
) (gorgonia.Op, []*gorgonia.Node) {
	if !alone || inputs[1] != inner {
		return nil, nil
	}
	if both, of := rectified(inputs, inner, conv.ReLU, children); both != nil {
		return both, of
	}
	pool, ok := poolBelow(inputs, children)
	if !ok {
		if terms := children(inner); IsSum(inner, terms) {
			return newAddReLUGrad(rank(inner)), append([]*gorgonia.Node{inputs[0]}, terms...)
		}
		return nil, nil
	}
	x, gy := inputs[0], children(inner)[1]
	if _, ok := x.Op().(*relu); ok && pool.opts == halves {
		if before := children(x)[0]; !isBatchNorm(before) { // else it is the normalisation that is never computed
			x = before
		}
	}
	return newMaxPoolGrad(pool.opts, true), []*gorgonia.Node{x, gy}
}

// Fuse takes a convolution in.
func (r *relu6) Fuse(
	_ []*gorgonia.Node, inner *gorgonia.Node, alone bool, children func(*gorgonia.Node) []*gorgonia.Node,
) (gorgonia.Op, []*gorgonia.Node) {
	if c, ok := inner.Op().(*convolution); ok && alone {
		return c.with(conv.ReLU6, children(inner))
	}
	return nil, nil
}

// Fuse takes the gradient of a convolution of ReLU6's output in.
func (r *relu6Grad) Fuse(
	inputs []*gorgonia.Node, inner *gorgonia.Node, alone bool, children func(*gorgonia.Node) []*gorgonia.Node,
) (gorgonia.Op, []*gorgonia.Node) {
	if !alone || inputs[1] != inner {
		return nil, nil
	}
	return rectified(inputs, inner, conv.ReLU6, children)
}

// with is a convolution that takes a rectifier in, of the same inputs, or nil where it cannot.
func (c *convolution) with(r conv.Activation, inputs []*gorgonia.Node) (gorgonia.Op, []*gorgonia.Node) {
	if !conv.HasDirect() {
		return nil, nil
	}
	return newConvolution(c.opts, r, len(inputs)), inputs
}

// rectified is the gradient of a convolution of a rectifier's output y that takes the rectifier's gradient, of (y, gy), in;
// or nil.
func rectified(
	of []*gorgonia.Node, inner *gorgonia.Node, r conv.Activation, children func(*gorgonia.Node) []*gorgonia.Node,
) (gorgonia.Op, []*gorgonia.Node) {
	grad, ok := inner.Op().(*convInputGradient)
	if !ok || !conv.HasDirect() || children(inner)[0] != of[0] {
		return nil, nil
	}
	return newConvInputGrad(grad.opts, r, grad.geometry), children(inner)
}

func isBatchNorm(n *gorgonia.Node) bool {
	_, ok := n.Op().(*batchNorm)
	return ok
}

// poolBelow is the gradient of a maximum pooling which that of the ReLU before it, of (y, gy), takes in.
func poolBelow(of []*gorgonia.Node, children func(*gorgonia.Node) []*gorgonia.Node) (*maxPoolGrad, bool) {
	pool, ok := of[1].Op().(*maxPoolGrad)
	return pool, ok && children(of[1])[0] == of[0]
}

// Fuse takes the gradient of what follows in.
func (b *batchNormSums) Fuse(
	inputs []*gorgonia.Node, inner *gorgonia.Node, _ bool, children func(*gorgonia.Node) []*gorgonia.Node,
) (gorgonia.Op, []*gorgonia.Node) {
	x, stats, gy := inputs[0], inputs[1], inputs[2]
	r, ok := gradientAfter(inner, children)
	if !ok || b.after != nothing || gy != inner || r.x != x || r.stats != stats || r.eps != b.eps {
		return nil, nil
	}
	return newBatchNormSums(rank(x), b.eps, r.after), []*gorgonia.Node{x, stats, r.gy, r.gamma, r.beta}
}

// Fuse takes the gradient of what follows in.
func (b *batchNormInputGrad) Fuse(
	inputs []*gorgonia.Node, inner *gorgonia.Node, _ bool, children func(*gorgonia.Node) []*gorgonia.Node,
) (gorgonia.Op, []*gorgonia.Node) {
	x, stats, gamma, sums, gy := inputs[0], inputs[1], inputs[2], inputs[3], inputs[4]
	r, ok := gradientAfter(inner, children)
	if !ok || b.after != nothing || gy != inner || r.x != x || r.stats != stats || r.gamma != gamma || r.eps != b.eps {
		return nil, nil
	}
	return newBatchNormInputGrad(rank(x), b.eps, r.after), []*gorgonia.Node{x, stats, gamma, sums, r.gy, r.beta}
}

// normGrad is the gradient gy on what follows a batch normalisation; the other nodes are the normalisation's inputs.
type normGrad struct {
	after                     follower
	gy, x, stats, gamma, beta *gorgonia.Node
	eps                       float64
}

// gradientAfter is how grad, on a batch normalisation's output, came about from the gradient on what directly follows: a
// ReLU, whose mask costs next to nothing to compute once more, with halves behind it or without. Of other poolings, whose
// gradient takes ReLU's in, it is none.
func gradientAfter(grad *gorgonia.Node, children func(*gorgonia.Node) []*gorgonia.Node) (g normGrad, ok bool) {
	if _, ok := grad.Op().(*reluGrad); !ok {
		return g, false
	}
	of := children(grad)
	y := of[0]
	g.after, g.gy = thenReLU, of[1]
	if pool, ok := poolBelow(of, children); ok {
		if pool.opts != halves {
			return g, false
		}
		g.after, g.gy = thenReLUAndHalves, children(of[1])[1]
	}
	if _, ok := y.Op().(*relu); !ok {
		return g, false
	}
	normalised := children(y)[0]
	norm, ok := normalised.Op().(*batchNorm)
	if !ok {
		return g, false
	}
	in := children(normalised)
	g.x, g.stats, g.gamma, g.beta, g.eps = in[0], in[1], in[2], in[3], norm.eps
	return g, true
}
