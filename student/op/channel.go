package op

import (
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/models/onnx"
	"rkd/student/internal/blas"
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

// sum adds up x in four lanes, so that additions need not wait for each other.
func sum[T blas.Float](x []T) float64 {
	var s0, s1, s2, s3 T
	whole := len(x) &^ 3
	for i := 3; i < whole; i += 4 {
		s0 += x[i-3]
		s1 += x[i-2]
		s2 += x[i-1]
		s3 += x[i]
	}
	for _, v := range x[whole:] {
		s0 += v
	}
	return float64(s0+s1) + float64(s2+s3)
}

// channelSum is s[c] = Σ_{n,h,w} x[n,c,h,w], (C), of x (N,C) or (N,C,H,W): a bias's gradient.
func channelSum(x *gorgonia.Node) (*gorgonia.Node, error) {
	if err := channelRank("ChannelSum", x); err != nil {
		return nil, err
	}
	return apply(&gradient{
		operator: operator{
			name:  "ChannelSum",
			ranks: []int{rank(x), 1},
			infer: func(in []tensor.Shape) (tensor.Shape, error) { return tensor.Shape{in[0][1]}, nil },
			exec:  kernels(channelSums[float32], channelSums[float64]),
		},
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

func channelSums[T blas.Float](a args[T]) {
	l := layoutOf(a.inShape[0])
	blas.For(l.channels, func(c int) {
		var s float64
		for n := range l.samples {
			s += sum(plane(l, a.in[0], n, c))
		}
		a.out[c] = T(s)
	})
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
