package op

import (
	"gorgonia.org/gorgonia"

	"rkd/student/internal/conv"
)

// Site is a place in a graph where two operators may be fused: the operator of Node reads the output of Inner.
type Site struct {
	Node, Inner *gorgonia.Node
	// Exclusive is set if nothing else reads Inner, so that it need not be computed. Otherwise its work is done again by
	// each operator that it is fused with.
	Exclusive bool
}

// fusion is a rule: an operator that outer matches and the producer, which inner matches, of one of its inputs are
// merged by merge.
type fusion struct {
	outer, inner func(n *gorgonia.Node) bool
	// exclusive is set if the rule is faster only when nothing else reads inner.
	exclusive bool
	// merge returns the fused operator and its inputs, or nil where the rule does not apply after all. A producer of inner
	// may be merged, too.
	merge func(s Site) (Operator, []*gorgonia.Node)
}

// fusions are all rules. At most one applies to a site.
var fusions = []fusion{
	// Activations become the epilogue of what precedes them.
	{is[*relu], is[*convolution], true, func(s Site) (Operator, []*gorgonia.Node) { return activatedConv(s, conv.ReLU) }},
	{
		is[*relu6], is[*convolution], true,
		func(s Site) (Operator, []*gorgonia.Node) { return activatedConv(s, conv.ReLU6) },
	},
	{is[*relu], is[*batchNorm], true, normReLU},
	{is[*relu], is[*add], true, normAddReLU},
	{is[*maxPool], is[*relu], false, reluMaxPool},
	// Their masks become the epilogue of input gradients.
	{
		is[*reluGrad], is[*convInputGradient], true,
		func(s Site) (Operator, []*gorgonia.Node) { return maskedConvGrad(s, conv.ReLU) },
	},
	{
		is[*relu6Grad], is[*convInputGradient], true,
		func(s Site) (Operator, []*gorgonia.Node) { return maskedConvGrad(s, conv.ReLU6) },
	},
	{is[*reluGrad], is[*maxPoolGrad], true, maskedMaxPoolGrad},
	{is[*reluGrad], isGorgoniaSum, true, maskedSum},
	// Gradients of a batch normalisation recompute the mask of its epilogue.
	{is[*batchNormSums], is[*reluGrad], false, maskedSums},
	{is[*batchNormInputGrad], is[*reluGrad], false, maskedNormGrad},
}

// fuse applies the rule for a site.
func fuse(s Site) (Operator, []*gorgonia.Node) {
	for _, f := range fusions {
		if (s.Exclusive || !f.exclusive) && f.outer(s.Node) && f.inner(s.Inner) {
			return f.merge(s)
		}
	}
	return nil, nil
}

// is reports whether the operator of n is an O.
func is[O gorgonia.Op](n *gorgonia.Node) bool {
	_, ok := n.Op().(O)
	return ok
}

// isGorgoniaSum reports whether n is the sum of two tensors of one shape that gorgonia.Backpropagate makes where a
// value is used twice: the only operator in a student's graph that is not of this package.
func isGorgoniaSum(n *gorgonia.Node) bool {
	if n.IsVar() || n.Op().Arity() != 2 || n.Dims() == 0 {
		return false
	}
	for _, in := range Inputs(n) {
		if !in.Shape().Eq(n.Shape()) {
			return false
		}
	}
	g := gorgonia.NewGraph()
	term := func(name string) *gorgonia.Node {
		return gorgonia.NewTensor(g, n.Dtype(), n.Dims(), gorgonia.WithShape(n.Shape()...), gorgonia.WithName(name))
	}
	sum, err := gorgonia.Add(term("a"), term("b"))
	return err == nil && sum.Op() == n.Op()
}

// Inputs are the nodes that the operator of n reads, in its order.
func Inputs(n *gorgonia.Node) []*gorgonia.Node {
	var list []*gorgonia.Node
	for it := n.Graph().From(n.ID()); it.Next(); {
		list = append(list, it.Node().(*gorgonia.Node))
	}
	for len(list) > 0 && len(list) < n.Op().Arity() { // an input that is given twice is listed once
		list = append(list, list[0])
	}
	return list
}

// activatedConv is the convolution of s with an activation.
func activatedConv(s Site, a conv.Activation) (Operator, []*gorgonia.Node) {
	if !conv.HasDirect() {
		return nil, nil
	}
	inputs := Inputs(s.Inner)
	return newConvolution(s.Inner.Op().(*convolution).opts, a, len(inputs)), inputs
}

// maskedConvGrad is the input gradient of a convolution that follows an activation, with the activation's mask.
func maskedConvGrad(s Site, a conv.Activation) (Operator, []*gorgonia.Node) {
	grad, y, inputs := s.Inner.Op().(*convInputGradient), Inputs(s.Node)[0], Inputs(s.Inner)
	if !conv.HasDirect() || Inputs(s.Node)[1] != s.Inner || inputs[0] != y {
		return nil, nil
	}
	return newConvInputGrad(grad.opts, a, grad.geometry), inputs
}

// normReLU is a batch normalisation with ReLU.
func normReLU(s Site) (Operator, []*gorgonia.Node) {
	return newBatchNorm(rank(s.Inner), s.Inner.Op().(*batchNorm).eps, thenReLU), Inputs(s.Inner)
}

// normAddReLU is a batch normalisation, the sum of it and something else, and ReLU: the end of a residual block.
func normAddReLU(s Site) (Operator, []*gorgonia.Node) {
	terms := Inputs(s.Inner)
	for i, term := range terms {
		if norm, ok := term.Op().(*batchNorm); ok {
			return newBatchNormAddReLU(rank(s.Inner), norm.eps), append(Inputs(term), terms[1-i])
		}
	}
	return nil, nil
}

// reluMaxPool is ReLU and 2×2 max pooling, after a batch normalisation if there is one. The gradient does not need the
// values between them either.
func reluMaxPool(s Site) (Operator, []*gorgonia.Node) {
	if s.Node.Op().(*maxPool).opts != halves {
		return nil, nil
	}
	of := Inputs(s.Inner)
	if norm, ok := of[0].Op().(*batchNorm); ok {
		return newBatchNorm(rank(s.Inner), norm.eps, thenReLUAndHalves), Inputs(of[0])
	}
	return newReLUMaxPool(), of
}

// maskedMaxPoolGrad is the gradient of max pooling with the mask of the ReLU before it: maxima that are not above 0
// pass nothing on.
func maskedMaxPoolGrad(s Site) (Operator, []*gorgonia.Node) {
	x := Inputs(s.Node)[0]
	pool, ok := poolGradOf(s.Inner, x)
	if !ok || Inputs(s.Node)[1] != s.Inner {
		return nil, nil
	}
	if is[*relu](x) && pool.opts == halves {
		if before := Inputs(x)[0]; !is[*batchNorm](before) { // the output of a normalisation is not computed here
			x = before
		}
	}
	return newMaxPoolGrad(pool.opts, true), []*gorgonia.Node{x, Inputs(s.Inner)[1]}
}

// poolGradOf reports whether n is the gradient of max pooling of x.
func poolGradOf(n, x *gorgonia.Node) (*maxPoolGrad, bool) {
	pool, ok := n.Op().(*maxPoolGrad)
	return pool, ok && Inputs(n)[0] == x
}

// maskedSum is the sum of two gradients with the mask of ReLU.
func maskedSum(s Site) (Operator, []*gorgonia.Node) {
	if Inputs(s.Node)[1] != s.Inner {
		return nil, nil
	}
	return newAddReLUGrad(rank(s.Inner)), append([]*gorgonia.Node{Inputs(s.Node)[0]}, Inputs(s.Inner)...)
}

// maskedSums are the gradients of a batch normalisation's scale and shift from the gradient on its epilogue.
func maskedSums(s Site) (Operator, []*gorgonia.Node) {
	b, of := s.Node.Op().(*batchNormSums), Inputs(s.Node)
	x, stats, gy := of[0], of[1], of[2]
	r, ok := epilogueGrad(s.Inner)
	if !ok || b.after != nothing || gy != s.Inner || r.x != x || r.stats != stats || r.eps != b.eps {
		return nil, nil
	}
	return newBatchNormSums(rank(x), b.eps, r.after), []*gorgonia.Node{x, stats, r.gy, r.gamma, r.beta}
}

// maskedNormGrad is the input gradient of a batch normalisation from the gradient on its epilogue.
func maskedNormGrad(s Site) (Operator, []*gorgonia.Node) {
	b, of := s.Node.Op().(*batchNormInputGrad), Inputs(s.Node)
	x, stats, gamma, sums, gy := of[0], of[1], of[2], of[3], of[4]
	r, ok := epilogueGrad(s.Inner)
	if !ok || b.after != nothing || gy != s.Inner || r.x != x || r.stats != stats || r.gamma != gamma || r.eps != b.eps {
		return nil, nil
	}
	return newBatchNormInputGrad(rank(x), b.eps, r.after), []*gorgonia.Node{x, stats, gamma, sums, r.gy, r.beta}
}

// normGrad is the gradient gy on the output of a batch normalisation's epilogue; the other nodes are the
// normalisation's inputs.
type normGrad struct {
	after                     follower
	gy, x, stats, gamma, beta *gorgonia.Node
	eps                       float64
}

// epilogueGrad finds the gradient of the output of a batch normalisation's epilogue, from which grad, the gradient of
// the normalisation's own output, is computed. The epilogue is ReLU alone, whose mask is cheap to recompute, or ReLU
// and 2×2 max pooling. ok is false for anything else; the gradient of other pooling is fused with ReLU's instead.
func epilogueGrad(grad *gorgonia.Node) (g normGrad, ok bool) {
	of := Inputs(grad)
	y := of[0]
	g.after, g.gy = thenReLU, of[1]
	if pool, ok := poolGradOf(of[1], y); ok {
		if pool.opts != halves {
			return g, false
		}
		g.after, g.gy = thenReLUAndHalves, Inputs(of[1])[1]
	}
	if _, ok := y.Op().(*relu); !ok {
		return g, false
	}
	normalised := Inputs(y)[0]
	norm, ok := normalised.Op().(*batchNorm)
	if !ok {
		return g, false
	}
	in := Inputs(normalised)
	g.x, g.stats, g.gamma, g.beta, g.eps = in[0], in[1], in[2], in[3], norm.eps
	return g, true
}
