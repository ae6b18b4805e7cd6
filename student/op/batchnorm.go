package op

import (
	"fmt"
	"math"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/student/internal/blas"
	"rkd/student/internal/parallel"
	"rkd/student/internal/vector"
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
	buffers := new(parallel.Scratch)
	return apply(&operator{
		name:  "BatchStats",
		ranks: []int{rank(x), 2},
		infer: func(in []tensor.Shape) (tensor.Shape, error) { return tensor.Shape{2, in[0][1]}, nil },
		exec: kernels(
			func(a args[float32]) { batchStats(a, buffers) },
			func(a args[float64]) { batchStats(a, buffers) }),
	}, x)
}

// batchStats reads x from memory once. Each part of the batch sums deviations from the mean of its first plane, which
// is close enough to the channel's mean that squares do not cancel (the squared difference is at most σ² times the
// number of planes). Partial sums are combined in float64.
//
// Source: Chan, Golub and LeVeque, Algorithms for Computing the Sample Variance, The American Statistician 37 (1983):
// shifted data, and the formula that combines two partial results.
func batchStats[T blas.Float](a args[T], s *parallel.Scratch) {
	l := layoutOf(a.inShape[0])
	width := 3 * l.channels
	partial, giveBack := parallel.Borrow[float64](s, l.pieces()*width)
	defer giveBack()
	of := func(piece int) (about, sums, squares []float64) {
		own := partial[piece*width:][:width]
		return own[:l.channels], own[l.channels : 2*l.channels], own[2*l.channels:]
	}
	a.team.For(l.pieces(), func(piece int) {
		clear(partial[piece*width:][:width])
		about, sums, squares := of(piece)
		from, to := l.piece(piece)
		for c := range about {
			about[c] = float64(T(vector.Sum(plane(l, a.in[0], from, c)) / float64(l.area)))
		}
		l.each(from, to, func(n, c int) {
			sum, square := vector.Deviations(plane(l, a.in[0], n, c), T(about[c]))
			sums[c] += sum
			squares[c] += square
		})
	})
	for c := range l.channels {
		var count, mean, squares float64
		for piece := range l.pieces() {
			from, to := l.piece(piece)
			about, sums, deviations := of(piece)
			n := float64((to - from) * l.area)
			d := about[c] + sums[c]/n - mean
			squares += deviations[c] - sums[c]*sums[c]/n + d*d*count*n/(count+n)
			count += n
			mean += d * n / count
		}
		a.out[c], a.out[l.channels+c] = T(mean), T(max(0, squares)/count)
	}
}

type batchNorm struct {
	operator
	eps float64
}

// BatchNorm normalises with the statistics of the batch, as in training:
//
//	y = γ[c]·x̂ + β[c],  x̂ = (x − μ[c])/√(σ²[c] + ε)
//
// x is (N,C) or (N,C,H,W), stats (2,C) is BatchStats(x), gamma and beta are (C). Whoever reads stats keeps the running
// statistics, with UpdateRunning.
//
// The gradient with respect to x includes the path through the statistics and is correct only for stats =
// BatchStats(x); stats has no gradient of its own.
//
// It returns ErrShape when the shapes do not fit and ErrOption unless eps > 0.
//
// Source: Ioffe and Szegedy, ICML 2015, algorithm 1.
func BatchNorm(x, stats, gamma, beta *gorgonia.Node, eps float64) (*gorgonia.Node, error) {
	if err := channelRank("BatchNorm", x); err != nil {
		return nil, err
	}
	if err := positive("BatchNorm", "eps", eps); err != nil {
		return nil, err
	}
	return apply(newBatchNorm(rank(x), eps, nothing), x, stats, gamma, beta)
}

// newBatchNorm is BatchNorm with an epilogue, in one pass.
func newBatchNorm(rank int, eps float64, after follower) *batchNorm {
	buffers := new(parallel.Scratch)
	return &batchNorm{eps: eps, operator: operator{
		name:  fmt.Sprintf("BatchNorm%v{eps=%g}", after, eps),
		ranks: []int{rank, 2, 1, 1, rank},
		infer: func(in []tensor.Shape) (tensor.Shape, error) {
			if err := expectNorm(in); err != nil {
				return nil, err
			}
			return after.infer(in[0])
		},
		exec: kernels(
			func(a args[float32]) { batchNormForward(a, eps, after, buffers) },
			func(a args[float64]) { batchNormForward(a, eps, after, buffers) }),
	}}
}

// newBatchNormAddReLU is max(BatchNorm(x, stats, gamma, beta) + z, 0), in one pass.
func newBatchNormAddReLU(rank int, eps float64) *operator {
	return &operator{
		name:  fmt.Sprintf("BatchNormAddReLU{eps=%g}", eps),
		ranks: []int{rank, 2, 1, 1, rank, rank},
		infer: func(in []tensor.Shape) (tensor.Shape, error) {
			if err := expectShape(in, 4, in[0]...); err != nil {
				return nil, err
			}
			return in[0].Clone(), expectNorm(in)
		},
		exec: kernels(
			func(a args[float32]) { batchNormAddReLU(a, eps) },
			func(a args[float64]) { batchNormAddReLU(a, eps) }),
	}
}

// expectNorm is an error unless in begins with x, stats, gamma and beta.
func expectNorm(in []tensor.Shape) error {
	c := in[0][1]
	if err := expectShape(in, 1, 2, c); err != nil {
		return err
	}
	return expectVectors(in, c, 2, 3)
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

func batchNormForward[T blas.Float](a args[T], eps float64, after follower, s *parallel.Scratch) {
	l := layoutOf(a.inShape[0])
	scale, shift := affine(a.in[1][:l.channels], a.in[1][l.channels:], a.in[2], a.in[3], eps)
	switch after {
	case thenReLU:
		eachPlane(a.team, l, a.out, a.in[0], scale, shift, vector.AffineReLU)
	case thenReLUAndHalves:
		h := newHalved(a.inShape[0], a.in[0], nil, scale, shift)
		a.team.For(l.pieces(), func(piece int) { h.forward(a.out, piece, s) })
	default:
		eachPlane(a.team, l, a.out, a.in[0], scale, shift, vector.Affine)
	}
}

// eachPlane computes y = f(x) for each plane, with the scale and shift of its channel.
func eachPlane[T blas.Float](team *parallel.Team, l layout, y, x, scale, shift []T, f func(y, x []T, scale, shift T)) {
	team.For(l.samples, func(n int) {
		for c, s := range scale {
			f(plane(l, y, n, c), plane(l, x, n, c), s, shift[c])
		}
	})
}

func batchNormAddReLU[T blas.Float](a args[T], eps float64) {
	l := layoutOf(a.inShape[0])
	x, mean, variance, z := a.in[0], a.in[1][:l.channels], a.in[1][l.channels:], a.in[4]
	scale, shift := affine(mean, variance, a.in[2], a.in[3], eps)
	a.team.For(l.samples, func(n int) {
		for c, s := range scale {
			vector.AffineAddReLU(plane(l, a.out, n, c), plane(l, x, n, c), plane(l, z, n, c), s, shift[c])
		}
	})
}

// affine is γ/√(σ²+ε) and β − μ·γ/√(σ²+ε) of each channel. ReLU's masks recompute scale·x + shift from these same
// numbers, so that they agree with the forward pass to the bit.
func affine[T blas.Float](mean, variance, gamma, beta []T, eps float64) (scale, shift []T) {
	scale, shift = scales(variance, gamma, eps), make([]T, len(gamma))
	for c, s := range scale {
		shift[c] = T(float64(beta[c]) - float64(s)*float64(mean[c]))
	}
	return scale, shift
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
	sums, err := apply(newBatchNormSums(rank(x), b.eps, nothing), x, stats, gy)
	if err != nil {
		return nil, err
	}
	gx, err := apply(newBatchNormInputGrad(rank(x), b.eps, nothing), x, stats, gamma, sums, gy)
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
		return fmt.Errorf("updating running statistics: %w: mean has %d elements, variance %d, stats %d, a channel of the "+
			"batch %d",
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
