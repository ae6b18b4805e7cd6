package op

import (
	"fmt"
	"math"

	"gorgonia.org/tensor"

	"rkd/student/internal/blas"
	"rkd/student/internal/parallel"
	"rkd/student/internal/vector"
)

// follower is the epilogue of a batch normalisation: what is fused into it.
type follower int

const (
	nothing follower = iota
	thenReLU
	thenReLUAndHalves // ReLU and maximum pooling of 2×2 windows side by side
)

func (f follower) String() string { return [...]string{"", "ReLU", "ReLUMaxPool2D"}[f] }

// infer is the shape of the output for x.
func (f follower) infer(x tensor.Shape) (tensor.Shape, error) {
	if f == thenReLUAndHalves {
		return halves.infer(x)
	}
	return x.Clone(), nil
}

// batchNormSums is (2,C): Σ gy·x̂ and Σ gy of each channel, from (x, stats, gy). These are the gradients of gamma and
// beta; the gradient of x needs them too.
type batchNormSums struct {
	operator
	eps   float64
	after follower
}

// newBatchNormSums makes the operator. With an epilogue, gy is the gradient of the epilogue's output, its mask is
// recomputed from x, and the inputs are (x, stats, gy, gamma, beta).
func newBatchNormSums(rank int, eps float64, after follower) *batchNormSums {
	o := &batchNormSums{eps: eps, after: after, operator: operator{
		name:  fmt.Sprintf("%vBatchNormSums{eps=%g}", after, eps),
		ranks: []int{rank, 2, rank, 2},
	}}
	if after != nothing {
		o.ranks = []int{rank, 2, rank, 1, 1, 2}
	}
	o.infer = func(in []tensor.Shape) (tensor.Shape, error) {
		c := in[0][1]
		if err := expectGrad(in, 2, after); err != nil {
			return nil, err
		}
		if after != nothing {
			if err := expectVectors(in, c, 3, 4); err != nil {
				return nil, err
			}
		}
		return in[1].Clone(), expectShape(in, 1, 2, c)
	}
	buffers := new(normBuffers)
	o.exec = kernels(
		func(a args[float32]) { sumBatchNorm(a, eps, after, buffers) },
		func(a args[float64]) { sumBatchNorm(a, eps, after, buffers) })
	return o
}

// expectGrad is an error unless input i has the shape of the epilogue's output for input 0.
func expectGrad(in []tensor.Shape, i int, after follower) error {
	want, err := after.infer(in[0])
	if err != nil {
		return err
	}
	return expectShape(in, i, want...)
}

// normBuffers are the scratch memory of kernels: sums, and planes that stay in the cache.
type normBuffers struct{ sums, planes parallel.Scratch }

func sumBatchNorm[T blas.Float](a args[T], eps float64, after follower, s *normBuffers) {
	l := layoutOf(a.inShape[0])
	x, mean, variance, gy := a.in[0], a.in[1][:l.channels], a.in[1][l.channels:], a.in[2]
	var scale, shift []T
	if after != nothing {
		scale, shift = affine(mean, variance, a.in[3], a.in[4], eps)
	}
	halved := newHalved(a.inShape[0], x, gy, scale, shift)
	sums, giveBack := channelSums(a.team, l, 2, &s.sums, func(from, to int, sums []float64) {
		add := func(c int, dot, total float64) {
			sums[c] += dot
			sums[l.channels+c] += total
		}
		switch after {
		case thenReLU:
			l.each(from, to, func(n, c int) {
				dot, total := vector.CentredDotReLU(plane(l, x, n, c), plane(l, gy, n, c), mean[c], scale[c], shift[c])
				add(c, dot, total)
			})
		case thenReLUAndHalves:
			halved.gradients(from, to, &s.planes, func(n, c int, gy []T) {
				dot, total := vector.CentredDot(plane(l, x, n, c), gy, mean[c])
				add(c, dot, total)
			})
		default:
			l.each(from, to, func(n, c int) {
				dot, total := vector.CentredDot(plane(l, x, n, c), plane(l, gy, n, c), mean[c])
				add(c, dot, total)
			})
		}
	})
	defer giveBack()
	for c := range l.channels {
		a.out[c] = T(sums[c] / math.Sqrt(float64(variance[c])+eps))
		a.out[l.channels+c] = T(sums[l.channels+c])
	}
}

// halved is a batch normalisation of x with ReLU and 2×2 max pooling as its epilogue, and the gradient gy on its
// output. It processes several planes of a sample at a time: enough that a loop does not read what is still in the
// store buffer, few enough that they stay in the L1 cache.
type halved[T blas.Float] struct {
	x, gy, scale, shift []T
	in, out             layout
	rows, columns       int // of windows
	width               int // of x
	together            int // planes
}

func newHalved[T blas.Float](shape tensor.Shape, x, gy, scale, shift []T) *halved[T] {
	h := &halved[T]{x: x, gy: gy, scale: scale, shift: shift, in: layoutOf(shape)}
	if len(shape) == 4 {
		h.rows, h.columns, h.width = shape[2]/2, shape[3]/2, shape[3]
	}
	h.out = h.in
	h.out.area = h.rows * h.columns
	h.together = min(h.in.channels, max(1, 4096/h.in.area))
	return h
}

// rectify fills a buffer with planes of ReLU's output, channels from to to of sample n.
func (h *halved[T]) rectify(buffer []T, n, from, to int) {
	for c := from; c < to; c++ {
		vector.AffineReLU(h.buffered(buffer, c-from), plane(h.in, h.x, n, c), h.scale[c], h.shift[c])
	}
}

// buffered is plane i of a buffer.
func (h *halved[T]) buffered(buffer []T, i int) []T { return buffer[i*h.in.area:][:h.in.area] }

// forward fills a piece of the samples of out.
func (h *halved[T]) forward(out []T, piece int, s *parallel.Scratch) {
	buffer, giveBack := parallel.Borrow[T](s, h.together*h.in.area)
	defer giveBack()
	first, last := h.in.piece(piece)
	for n := first; n < last; n++ {
		for from := 0; from < h.in.channels; from += h.together {
			to := min(from+h.together, h.in.channels)
			h.rectify(buffer, n, from, to)
			for c := from; c < to; c++ {
				vector.Halve(plane(h.out, out, n, c), h.buffered(buffer, c-from), h.rows, h.columns, h.width)
			}
		}
	}
}

// gradients calls body with the gradient on each plane of the normalised values, for a range of samples.
func (h *halved[T]) gradients(first, last int, s *parallel.Scratch, body func(n, c int, gradient []T)) {
	buffer, giveBack := parallel.Borrow[T](s, 2*h.together*h.in.area)
	defer giveBack()
	y, gx := buffer[:len(buffer)/2], buffer[len(buffer)/2:]
	clear(gx) // some elements may be in no window
	for n := first; n < last; n++ {
		for from := 0; from < h.in.channels; from += h.together {
			to := min(from+h.together, h.in.channels)
			h.rectify(y, n, from, to)
			for c := from; c < to; c++ {
				i := c - from
				vector.HalveGrad(h.buffered(gx, i), h.buffered(y, i), plane(h.out, h.gy, n, c), h.rows, h.columns, h.width, true)
			}
			for c := from; c < to; c++ {
				body(n, c, h.buffered(gx, c-from))
			}
		}
	}
}

// batchNormInputGrad is, from (x, stats, gamma, sums, gy) and with m the number of elements of a channel,
//
//	gx = γ/√(σ²+ε) · (gy − (Σ gy)/m − x̂·(Σ gy·x̂)/m)
type batchNormInputGrad struct {
	operator
	eps   float64
	after follower
}

// newBatchNormInputGrad makes the operator; with an epilogue, as in newBatchNormSums, the inputs are
// (x, stats, gamma, sums, gy, beta).
func newBatchNormInputGrad(rank int, eps float64, after follower) *batchNormInputGrad {
	o := &batchNormInputGrad{eps: eps, after: after, operator: operator{
		name:  fmt.Sprintf("%vBatchNormInputGrad{eps=%g}", after, eps),
		ranks: []int{rank, 2, 1, 2, rank, rank},
	}}
	vectors := []int{2}
	if after != nothing {
		o.ranks, vectors = []int{rank, 2, 1, 2, rank, 1, rank}, []int{2, 5}
	}
	o.infer = func(in []tensor.Shape) (tensor.Shape, error) {
		c := in[0][1]
		for _, i := range []int{1, 3} {
			if err := expectShape(in, i, 2, c); err != nil {
				return nil, err
			}
		}
		if err := expectGrad(in, 4, after); err != nil {
			return nil, err
		}
		return in[0].Clone(), expectVectors(in, c, vectors...)
	}
	buffers := new(parallel.Scratch)
	o.exec = kernels(
		func(a args[float32]) { batchNormInputBackward(a, eps, after, buffers) },
		func(a args[float64]) { batchNormInputBackward(a, eps, after, buffers) })
	return o
}

func batchNormInputBackward[T blas.Float](a args[T], eps float64, after follower, s *parallel.Scratch) {
	l := layoutOf(a.inShape[0])
	x, stats, gamma, sums, gy := a.in[0], a.in[1], a.in[2], a.in[3], a.in[4]
	mean, variance := stats[:l.channels], stats[l.channels:]
	count := float64(l.perChannel())
	// gx = factor·gy + slope·x + offset
	factor, slope, offset := make([]T, l.channels), make([]T, l.channels), make([]T, l.channels)
	for c := range l.channels {
		invStd := 1 / math.Sqrt(float64(variance[c])+eps)
		s := float64(gamma[c]) * invStd
		factor[c], slope[c] = T(s), T(-s*invStd*float64(sums[c])/count)
		offset[c] = T(-s*float64(sums[l.channels+c])/count - float64(slope[c])*float64(mean[c]))
	}
	var scale, shift []T
	if after != nothing {
		scale, shift = affine(mean, variance, gamma, a.in[5], eps)
	}
	halved := newHalved(a.inShape[0], x, gy, scale, shift)
	a.team.For(l.pieces(), func(piece int) {
		from, to := l.piece(piece)
		switch after {
		case thenReLU:
			l.each(from, to, func(n, c int) {
				vector.BlendReLU(plane(l, a.out, n, c), plane(l, x, n, c), plane(l, gy, n, c),
					factor[c], slope[c], offset[c], scale[c], shift[c])
			})
		case thenReLUAndHalves:
			halved.gradients(from, to, s, func(n, c int, gy []T) {
				vector.Blend(plane(l, a.out, n, c), plane(l, x, n, c), gy, factor[c], slope[c], offset[c])
			})
		default:
			l.each(from, to, func(n, c int) {
				vector.Blend(plane(l, a.out, n, c), plane(l, x, n, c), plane(l, gy, n, c), factor[c], slope[c], offset[c])
			})
		}
	})
}
