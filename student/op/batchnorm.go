package op

import (
	"fmt"
	"math"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/student/internal/blas"
)

// BatchStats is the mean and the biased variance of each channel,
//
//	stats[0,c] = mean_{n,h,w} x[n,c,h,w],  stats[1,c] = mean_{n,h,w} (x[n,c,h,w] − stats[0,c])²
//
// of x (N,C) or (N,C,H,W); stats is (2,C). It has no gradient of its own: BatchNorm's gradient goes through it.
//
// It returns ErrShape for other ranks.
func BatchStats(x *gorgonia.Node) (*gorgonia.Node, error) {
	if err := channelRank("BatchStats", x); err != nil {
		return nil, err
	}
	return apply(&operator{
		name:  "BatchStats",
		ranks: []int{rank(x), 2},
		infer: func(in []tensor.Shape) (tensor.Shape, error) { return tensor.Shape{2, in[0][1]}, nil },
		exec:  kernels(batchStats[float32], batchStats[float64]),
	}, x)
}

func batchStats[T blas.Float](a args[T]) {
	l := layoutOf(a.inShape[0])
	count := float64(l.perChannel())
	blas.For(l.channels, func(c int) {
		var s float64
		for n := range l.samples {
			s += sum(plane(l, a.in[0], n, c))
		}
		mean := T(s / count)
		s = 0
		for n := range l.samples {
			s += squaredDeviation(plane(l, a.in[0], n, c), mean)
		}
		a.out[c], a.out[l.channels+c] = mean, T(s/count)
	})
}

// squaredDeviation is Σ (x−mean)², in four lanes as sum.
func squaredDeviation[T blas.Float](x []T, mean T) float64 {
	var s0, s1, s2, s3 T
	whole := len(x) &^ 3
	for i := 3; i < whole; i += 4 {
		d0, d1, d2, d3 := x[i-3]-mean, x[i-2]-mean, x[i-1]-mean, x[i]-mean
		s0 += d0 * d0
		s1 += d1 * d1
		s2 += d2 * d2
		s3 += d3 * d3
	}
	for _, v := range x[whole:] {
		s0 += (v - mean) * (v - mean)
	}
	return float64(s0+s1) + float64(s2+s3)
}

// batchNorm is the operator of BatchNorm.
type batchNorm struct {
	operator
	eps float64
}

// BatchNorm normalises with the statistics of the batch, as in training:
//
//	y = γ[c]·x̂ + β[c],  x̂ = (x − μ[c])/√(σ²[c] + ε)
//
// x is (N,C) or (N,C,H,W), stats (2,C) is BatchStats(x), gamma and beta are (C). Running statistics are kept by whoever
// reads stats, with UpdateRunning.
//
// The gradient with respect to x is the total one, through the statistics too, and is right only for stats = BatchStats(x);
// stats itself is not differentiated.
//
// It returns ErrShape when the shapes do not fit and ErrOption unless eps > 0.
//
// Source: Ioffe and Szegedy, ICML 2015, algorithm 1.
func BatchNorm(x, stats, gamma, beta *gorgonia.Node, eps float64) (*gorgonia.Node, error) {
	name := fmt.Sprintf("BatchNorm{eps=%g}", eps)
	if err := channelRank(name, x); err != nil {
		return nil, err
	}
	if err := positive(name, "eps", eps); err != nil {
		return nil, err
	}
	return apply(&batchNorm{eps: eps, operator: operator{
		name:  name,
		ranks: []int{rank(x), 2, 1, 1, rank(x)},
		infer: func(in []tensor.Shape) (tensor.Shape, error) {
			c := in[0][1]
			if err := expectShape(in, 1, 2, c); err != nil {
				return nil, err
			}
			return in[0].Clone(), expectVectors(in, c, 2, 3)
		},
		exec: kernels(
			func(a args[float32]) { batchNormForward(a, eps) },
			func(a args[float64]) { batchNormForward(a, eps) }),
	}}, x, stats, gamma, beta)
}

func positive(name, attribute string, v float64) error {
	if !(v > 0) || math.IsInf(v, 1) {
		return fmt.Errorf("%s: %w: %s is %g, expected a positive number", name, ErrOption, attribute, v)
	}
	return nil
}

// expectVectors is an error unless the given inputs are (c).
func expectVectors(in []tensor.Shape, c int, inputs ...int) error {
	for _, i := range inputs {
		if err := expectShape(in, i, c); err != nil {
			return err
		}
	}
	return nil
}

func batchNormForward[T blas.Float](a args[T], eps float64) {
	c := layoutOf(a.inShape[0]).channels
	stats := a.in[1]
	normalise(a.out, a.in[0], layoutOf(a.inShape[0]), stats[:c], stats[c:], a.in[2], a.in[3], eps)
}

// normalise computes y = γ·(x−μ)/√(σ²+ε) + β as scale·x + shift: a sum of scaled rows is the fastest there is.
func normalise[T blas.Float](y, x []T, l layout, mean, variance, gamma, beta []T, eps float64) {
	scale := scales(variance, gamma, eps)
	shift := make([]T, len(scale))
	for c, s := range scale {
		shift[c] = T(float64(beta[c]) - float64(s)*float64(mean[c]))
	}
	blas.For(l.samples, func(n int) {
		for c := range l.channels {
			dst := plane(l, y, n, c)
			fill(dst, shift[c])
			blas.Axpy(scale[c], plane(l, x, n, c), dst)
		}
	})
}

// scales is γ/√(σ²+ε) of each channel.
func scales[T blas.Float](variance, gamma []T, eps float64) []T {
	s := make([]T, len(gamma))
	for c := range s {
		s[c] = T(float64(gamma[c]) / math.Sqrt(float64(variance[c])+eps))
	}
	return s
}

// DiffWRT says that x, gamma and beta have a gradient, and stats not.
func (*batchNorm) DiffWRT(int) []bool { return []bool{true, false, true, true} }

// SymDiff returns the gradients with respect to x, gamma and beta, and nil for stats.
func (b *batchNorm) SymDiff(inputs gorgonia.Nodes, _, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	x, stats, gamma := inputs[0], inputs[1], inputs[2]
	sums, err := batchNormSums(x, stats, gy, b.eps)
	if err != nil {
		return nil, err
	}
	gx, err := batchNormInputGrad(x, stats, gamma, sums, gy, b.eps)
	if err != nil {
		return nil, err
	}
	ggamma, err := row(sums, 0)
	if err != nil {
		return nil, err
	}
	gbeta, err := row(sums, 1)
	if err != nil {
		return nil, err
	}
	return gorgonia.Nodes{gx, nil, ggamma, gbeta}, nil
}

// batchNormSums is (2,C): Σ gy·x̂ and Σ gy of each channel. These are the gradients of gamma and beta, and that of x needs
// them.
func batchNormSums(x, stats, gy *gorgonia.Node, eps float64) (*gorgonia.Node, error) {
	return apply(&operator{
		name:  fmt.Sprintf("BatchNormSums{eps=%g}", eps),
		ranks: []int{rank(x), 2, rank(x), 2},
		infer: func(in []tensor.Shape) (tensor.Shape, error) {
			if err := expectShape(in, 2, in[0]...); err != nil {
				return nil, err
			}
			return in[1].Clone(), expectShape(in, 1, 2, in[0][1])
		},
		exec: kernels(
			func(a args[float32]) { batchNormSumsKernel(a, eps) },
			func(a args[float64]) { batchNormSumsKernel(a, eps) }),
	}, x, stats, gy)
}

func batchNormSumsKernel[T blas.Float](a args[T], eps float64) {
	l := layoutOf(a.inShape[0])
	stats := a.in[1]
	blas.For(l.channels, func(c int) {
		a.out[c], a.out[l.channels+c] = channelGrads(a.in[0], a.in[2], l, c, stats[c], stats[l.channels+c], eps)
	})
}

// channelGrads is Σ gy·x̂ and Σ gy of channel c.
func channelGrads[T blas.Float](x, gy []T, l layout, c int, mean, variance T, eps float64) (scale, shift T) {
	var dot, total float64
	for n := range l.samples {
		d, t := centredDot(plane(l, x, n, c), plane(l, gy, n, c), mean)
		dot, total = dot+d, total+t
	}
	return T(dot / math.Sqrt(float64(variance)+eps)), T(total)
}

// centredDot is Σ (x−mean)·g and Σ g of slices of one length, in four lanes each.
func centredDot[T blas.Float](x, g []T, mean T) (dot, total float64) {
	var d0, d1, d2, d3, t0, t1, t2, t3 T
	g = g[:len(x)]
	whole := len(x) &^ 3
	for i := 3; i < whole; i += 4 {
		g0, g1, g2, g3 := g[i-3], g[i-2], g[i-1], g[i]
		d0 += (x[i-3] - mean) * g0
		d1 += (x[i-2] - mean) * g1
		d2 += (x[i-1] - mean) * g2
		d3 += (x[i] - mean) * g3
		t0 += g0
		t1 += g1
		t2 += g2
		t3 += g3
	}
	for i := whole; i < len(x); i++ {
		d0 += (x[i] - mean) * g[i]
		t0 += g[i]
	}
	return float64(d0+d1) + float64(d2+d3), float64(t0+t1) + float64(t2+t3)
}

// batchNormInputGrad is, with m the number of elements of a channel,
//
//	gx = γ/√(σ²+ε) · (gy − (Σ gy)/m − x̂·(Σ gy·x̂)/m)
func batchNormInputGrad(x, stats, gamma, sums, gy *gorgonia.Node, eps float64) (*gorgonia.Node, error) {
	return apply(&operator{
		name:  fmt.Sprintf("BatchNormInputGrad{eps=%g}", eps),
		ranks: []int{rank(x), 2, 1, 2, rank(x), rank(x)},
		infer: func(in []tensor.Shape) (tensor.Shape, error) {
			c := in[0][1]
			for i, want := range []tensor.Shape{1: {2, c}, 2: {c}, 3: {2, c}, 4: in[0]} {
				if err := expectShape(in, i, want...); i > 0 && err != nil {
					return nil, err
				}
			}
			return in[0].Clone(), nil
		},
		exec: kernels(
			func(a args[float32]) { batchNormInputBackward(a, eps) },
			func(a args[float64]) { batchNormInputBackward(a, eps) }),
	}, x, stats, gamma, sums, gy)
}

func batchNormInputBackward[T blas.Float](a args[T], eps float64) {
	l := layoutOf(a.inShape[0])
	x, stats, gamma, sums, gy := a.in[0], a.in[1], a.in[2], a.in[3], a.in[4]
	count := float64(l.perChannel())
	// gx = scale·gy + slope·x + shift, whose sums of scaled rows are the fastest there are
	scale, slope, shift := make([]T, l.channels), make([]T, l.channels), make([]T, l.channels)
	for c := range l.channels {
		invStd := 1 / math.Sqrt(float64(stats[l.channels+c])+eps)
		s := float64(gamma[c]) * invStd
		scale[c], slope[c] = T(s), T(-s*invStd*float64(sums[c])/count)
		shift[c] = T(-s*float64(sums[l.channels+c])/count - float64(slope[c])*float64(stats[c]))
	}
	blas.For(l.samples, func(n int) {
		for c := range l.channels {
			dst := plane(l, a.out, n, c)
			fill(dst, shift[c])
			blas.Axpy(slope[c], plane(l, x, n, c), dst)
			blas.Axpy(scale[c], plane(l, gy, n, c), dst)
		}
	})
}

// fill sets every element of x, doubling what is set.
func fill[T blas.Float](x []T, v T) {
	if len(x) == 0 {
		return
	}
	x[0] = v
	for n := 1; n < len(x); n *= 2 {
		copy(x[n:], x[:n])
	}
}

// UpdateRunning moves the running mean and variance of each channel towards those of a batch, in place:
//
//	mean ← (1−momentum)·mean + momentum·μ,  variance ← (1−momentum)·variance + momentum·σ²·n/(n−1)
//
// stats (2,C) is the value of BatchStats, n the number of elements of one channel in the batch (N, or N·H·W), mean and
// variance are (C). PyTorch's usual momentum is 0.1. For n = 1 the variance, which is 0, is taken as it is.
//
// It returns ErrShape when the lengths do not fit or n < 1, and ErrOption unless 0 ≤ momentum ≤ 1.
//
// Source: PyTorch's convention, in which the running variance is the unbiased one.
func UpdateRunning[T blas.Float](mean, variance, stats []T, n int, momentum float64) error {
	c := len(mean)
	if len(variance) != c || len(stats) != 2*c || n < 1 {
		return fmt.Errorf("updating running statistics: %w: mean has %d elements, variance %d, stats %d, a channel of the batch %d",
			ErrShape, c, len(variance), len(stats), n)
	}
	if !(momentum >= 0 && momentum <= 1) {
		return fmt.Errorf("updating running statistics: %w: momentum is %g, expected 0 to 1", ErrOption, momentum)
	}
	unbiased := float64(n) / float64(max(1, n-1))
	for i := range c {
		mean[i] = T((1-momentum)*float64(mean[i]) + momentum*float64(stats[i]))
		variance[i] = T((1-momentum)*float64(variance[i]) + momentum*unbiased*float64(stats[c+i]))
	}
	return nil
}
