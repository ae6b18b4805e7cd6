package op

import (
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/models/onnx"
	"rkd/student/internal/blas"
	"rkd/student/internal/parallel"
	"rkd/student/internal/vector"
)

// layout is a tensor (N,C) or (N,C,H,W) seen as (samples, channels, area), the area of (N,C) being 1.
type layout struct{ samples, channels, area int }

func layoutOf(s tensor.Shape) layout {
	l := layout{samples: s[0], channels: s[1], area: 1}
	for _, d := range s[2:] {
		l.area *= d
	}
	return l
}

// perChannel is the number of elements of one channel.
func (l layout) perChannel() int { return l.samples * l.area }

// pieces is the number of parts of the batch that have partial sums of their own. It does not depend on the number of
// threads.
func (l layout) pieces() int { return min(16, l.samples) }

// piece is the range of samples of part i.
func (l layout) piece(i int) (from, to int) {
	return i * l.samples / l.pieces(), (i + 1) * l.samples / l.pieces()
}

// each calls body with every plane of a range of samples.
func (l layout) each(from, to int, body func(sample, channel int)) {
	for n := from; n < to; n++ {
		for c := range l.channels {
			body(n, c)
		}
	}
}

// plane is the area of one channel of one sample of x.
func plane[T any](l layout, x []T, sample, channel int) []T {
	return x[(sample*l.channels+channel)*l.area:][:l.area]
}

// channelRank is an error unless n is (N,C) or (N,C,H,W).
func channelRank(name string, n *gorgonia.Node) error {
	switch rank(n) {
	case 2, 4:
		return nil
	}
	if n == nil {
		return fmt.Errorf("%s: %w: input 0 is nil", name, ErrShape)
	}
	return fmt.Errorf("%s: %w: input 0 is %v, expected (N,C) or (N,C,H,W)", name, ErrShape, n.Shape())
}

// channelSum is s[c] = Σ_{n,h,w} x[n,c,h,w], (C), of x (N,C) or (N,C,H,W): a bias's gradient.
func channelSum(x *gorgonia.Node) (*gorgonia.Node, error) {
	if err := channelRank("ChannelSum", x); err != nil {
		return nil, err
	}
	buffers := new(parallel.Scratch)
	return apply(&operator{
		name:  "ChannelSum",
		ranks: []int{rank(x), 1},
		infer: func(in []tensor.Shape) (tensor.Shape, error) { return tensor.Shape{in[0][1]}, nil },
		exec: kernels(
			func(a args[float32]) { sumChannels(a, buffers) },
			func(a args[float64]) { sumChannels(a, buffers) }),
		native: x.Dims() > 2,
		lower: func(b *onnx.Builder, in []string) string {
			if samples, channels := x.Shape()[0], x.Shape()[1]; x.Dims() == 2 { // a product is faster than ReduceSum here
				ones := b.Float32("ones", []int{1, samples}, slices.Repeat([]float32{1}, samples))
				sums := b.Node("MatMul", []string{ones, in[0]})
				return b.Node("Reshape", []string{sums, b.Int64("shape", []int{1}, []int64{int64(channels)})})
			}
			axes := b.Int64("axes", []int{3}, []int64{0, 2, 3})
			return b.Node("ReduceSum", []string{in[0], axes}, onnx.Int("keepdims", 0))
		},
	}, x)
}

func sumChannels[T blas.Float](a args[T], s *parallel.Scratch) {
	l := layoutOf(a.inShape[0])
	sums, giveBack := channelSums(a.team, l, 1, s, func(from, to int, sums []float64) {
		l.each(from, to, func(n, c int) { sums[c] += vector.Sum(plane(l, a.in[0], n, c)) })
	})
	defer giveBack()
	for c, v := range sums {
		a.out[c] = T(v)
	}
}

// channelSums are count sums of each channel, (count,C); add adds those of a range of samples.
func channelSums(
	team *parallel.Team, l layout, count int, s *parallel.Scratch, add func(from, to int, sums []float64),
) (sums []float64, giveBack func()) {
	width := count * l.channels
	partial, giveBack := parallel.Borrow[float64](s, l.pieces()*width)
	team.For(l.pieces(), func(piece int) {
		own := partial[piece*width:][:width]
		clear(own)
		from, to := l.piece(piece)
		add(from, to, own)
	})
	sums = partial[:width]
	for piece := 1; piece < l.pieces(); piece++ {
		for i, v := range partial[piece*width:][:width] {
			sums[i] += v
		}
	}
	return sums, giveBack
}

// row is row i, (C), of x (R,C).
func row(x *gorgonia.Node, i int) (*gorgonia.Node, error) {
	return apply(&operator{
		name:  fmt.Sprintf("Row{%d}", i),
		ranks: []int{2, 1},
		infer: func(in []tensor.Shape) (tensor.Shape, error) {
			if i >= in[0][0] {
				return nil, fmt.Errorf("%w: row %d of %v", ErrShape, i, in[0])
			}
			return tensor.Shape{in[0][1]}, nil
		},
		exec: kernels(
			func(a args[float32]) { copy(a.out, a.in[0][i*len(a.out):]) },
			func(a args[float64]) { copy(a.out, a.in[0][i*len(a.out):]) }),
	}, x)
}
