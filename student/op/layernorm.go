package op

import (
	"fmt"
	"math"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/models/onnx"
	"rkd/student/internal/blas"
	"rkd/student/internal/parallel"
)

type layerNorm struct {
	operator
	eps float64
}

// LayerNorm normalises every sample, or every position of it, over its last axes:
//
//	y = γ·x̂ + β,  x̂ = (x − μ)/√(σ² + ε),  μ and σ² the mean and the biased variance over the axes that γ has
//
// gamma and beta have the shape of x's last axes: (D) for x (N,D) or (N,T,D), (C,H,W) for x (N,C,H,W). With M elements
// of γ and g = gy·γ the gradients are
//
//	gx = (g − mean(g) − x̂·mean(g·x̂))/√(σ² + ε),  gγ = Σ gy·x̂,  gβ = Σ gy,  sums over all groups of M elements.
//
// Statistics are computed in float64 for both element types. It returns ErrShape when gamma and beta do not fit x, or
// leave none of its axes, and ErrOption unless eps > 0.
//
// Source: Ba et al., arXiv:1607.06450.
func LayerNorm(x, gamma, beta *gorgonia.Node, eps float64) (*gorgonia.Node, error) {
	name := fmt.Sprintf("LayerNorm{eps=%g}", eps)
	if err := positive(name, "eps", eps); err != nil {
		return nil, err
	}
	return apply(&layerNorm{eps: eps, operator: operator{
		name:  name,
		ranks: []int{rank(x), rank(gamma), rank(gamma), rank(x)},
		infer: func(in []tensor.Shape) (tensor.Shape, error) {
			if err := expectTrailing(in, 1); err != nil {
				return nil, err
			}
			return in[0].Clone(), expectShape(in, 2, in[1]...)
		},
		exec: kernels(
			func(a args[float32]) { layerNormForward(a, eps) },
			func(a args[float64]) { layerNormForward(a, eps) }),
		lower: onnxNode("LayerNormalization", onnx.Int("axis", int64(-rank(gamma))), onnx.Float("epsilon", float32(eps))),
	}}, x, gamma, beta)
}

// expectTrailing is an error unless input i has the shape of input 0's last axes, at least one axis fewer.
func expectTrailing(in []tensor.Shape, i int) error {
	first := in[0].Dims() - in[i].Dims()
	if first < 1 || !in[0][first:].Eq(in[i]) {
		return fmt.Errorf("%w: input %d is %v, expected the last axes of input 0, %v", ErrShape, i, in[i], in[0])
	}
	return nil
}

// standardise is x̂ = (x − mean)·scale of a group.
type standardise struct{ mean, scale float64 }

func newStandardise[T blas.Float](x []T, eps float64) standardise {
	var mean, variance float64
	for _, v := range x {
		mean += float64(v)
	}
	mean /= float64(len(x))
	for _, v := range x {
		variance += (float64(v) - mean) * (float64(v) - mean)
	}
	return standardise{mean, 1 / math.Sqrt(variance/float64(len(x))+eps)}
}

func layerNormForward[T blas.Float](a args[T], eps float64) {
	gamma, beta := a.in[1], a.in[2]
	width := len(gamma)
	a.team.For(len(a.out)/width, func(n int) {
		x, y := a.in[0][n*width:][:width], a.out[n*width:][:width]
		s := newStandardise(x, eps)
		for i, v := range x {
			y[i] = T((float64(v)-s.mean)*s.scale*float64(gamma[i]) + float64(beta[i]))
		}
	})
}

func (*layerNorm) DiffWRT(inputs int) []bool { return all(inputs) }

// SymDiff returns the gradients with respect to x, gamma and beta.
func (l *layerNorm) SymDiff(inputs gorgonia.Nodes, _, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	x, gamma := inputs[0], inputs[1]
	eps := l.eps
	gx, err := apply(&operator{
		name:  fmt.Sprintf("LayerNormInputGrad{eps=%g}", eps),
		ranks: []int{rank(x), rank(gamma), rank(x), rank(x)},
		infer: func(in []tensor.Shape) (tensor.Shape, error) {
			if err := expectTrailing(in, 1); err != nil {
				return nil, err
			}
			return in[0].Clone(), expectShape(in, 2, in[0]...)
		},
		exec: kernels(
			func(a args[float32]) { layerNormInputBackward(a, eps) },
			func(a args[float64]) { layerNormInputBackward(a, eps) }),
	}, x, gamma, gy)
	if err != nil {
		return nil, err
	}
	buffers := new(parallel.Scratch)
	ggamma, err := apply(&operator{
		name:  fmt.Sprintf("LayerNormScaleGrad{eps=%g,axes=%d}", eps, rank(gamma)),
		ranks: []int{rank(x), rank(x), rank(gamma)},
		infer: func(in []tensor.Shape) (tensor.Shape, error) {
			return in[0][rank(x)-rank(gamma):].Clone(), expectShape(in, 1, in[0]...)
		},
		exec: kernels(
			func(a args[float32]) { layerNormScaleBackward(a, eps, buffers) },
			func(a args[float64]) { layerNormScaleBackward(a, eps, buffers) }),
	}, x, gy)
	if err != nil {
		return nil, err
	}
	gbeta, err := leadingSum(gy, rank(gamma))
	if err != nil {
		return nil, err
	}
	return gorgonia.Nodes{gx, ggamma, gbeta}, nil
}

func layerNormInputBackward[T blas.Float](a args[T], eps float64) {
	gamma := a.in[1]
	width := len(gamma)
	a.team.For(len(a.out)/width, func(n int) {
		x, gy, gx := a.in[0][n*width:][:width], a.in[2][n*width:][:width], a.out[n*width:][:width]
		s := newStandardise(x, eps)
		var mean, along float64
		for i, v := range x {
			g := float64(gy[i]) * float64(gamma[i])
			mean += g
			along += g * (float64(v) - s.mean) * s.scale
		}
		mean, along = mean/float64(width), along/float64(width)
		for i, v := range x {
			gx[i] = T((float64(gy[i])*float64(gamma[i]) - mean - (float64(v)-s.mean)*s.scale*along) * s.scale)
		}
	})
}

// layerNormScaleBackward computes Σ gy·x̂ over the groups.
func layerNormScaleBackward[T blas.Float](a args[T], eps float64, buffers *parallel.Scratch) {
	x, gy := a.in[0], a.in[1]
	width := len(a.out)
	sumGroups(a.team, a.out, len(x)/width, buffers, func(sum []float64, n int) {
		x, gy := x[n*width:][:width], gy[n*width:][:width]
		s := newStandardise(x, eps)
		for i, v := range x {
			sum[i] += float64(gy[i]) * (float64(v) - s.mean) * s.scale
		}
	})
}

// scaleChunks is the number of partial sums of a scale's gradient. It is fixed, so that the sum does not depend on the
// number of workers.
const scaleChunks = 8

// sumGroups adds up n groups of len(out) numbers, each of which add adds to its argument: partial sums over a fixed
// partition of the groups, then their sum.
func sumGroups[T blas.Float](team *parallel.Team, out []T, n int, buffers *parallel.Scratch,
	add func(sum []float64, n int),
) {
	chunks := min(scaleChunks, n)
	partial, giveBack := parallel.Borrow[float64](buffers, chunks*len(out)) // (chunks,len(out))
	defer giveBack()
	team.For(chunks, func(chunk int) {
		sum := partial[chunk*len(out):][:len(out)]
		clear(sum)
		for i := chunk * n / chunks; i < (chunk+1)*n/chunks; i++ {
			add(sum, i)
		}
	})
	for i := range out {
		var s float64
		for chunk := range chunks {
			s += partial[chunk*len(out)+i]
		}
		out[i] = T(s)
	}
}

// leadingSum is the sum of x over all but its last axes.
func leadingSum(x *gorgonia.Node, axes int) (*gorgonia.Node, error) {
	buffers := new(parallel.Scratch)
	return apply(&operator{
		name:  fmt.Sprintf("LeadingSum{axes=%d}", axes),
		ranks: []int{rank(x), axes},
		infer: func(in []tensor.Shape) (tensor.Shape, error) { return in[0][in[0].Dims()-axes:].Clone(), nil },
		exec: kernels(
			func(a args[float32]) { leadingSums(a, buffers) },
			func(a args[float64]) { leadingSums(a, buffers) }),
	}, x)
}

func leadingSums[T blas.Float](a args[T], buffers *parallel.Scratch) {
	x, width := a.in[0], len(a.out)
	sumGroups(a.team, a.out, len(x)/width, buffers, func(sum []float64, n int) {
		for i, v := range x[n*width:][:width] {
			sum[i] += float64(v)
		}
	})
}
