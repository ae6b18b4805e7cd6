package op

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/models/onnx"
	"rkd/student/internal/blas"
)

type sliceChannels struct {
	operator
	from, to int
}

// SliceChannels is y = x[:, from:to]: of x (N,C,…) the channels from, from+1, …, to−1. Its gradient is 0 at all others.
//
// It returns ErrOption unless 0 ≤ from < to ≤ C, and ErrShape for x of less than 2 dimensions.
func SliceChannels(x *gorgonia.Node, from, to int) (*gorgonia.Node, error) {
	name := fmt.Sprintf("SliceChannels{%d:%d}", from, to)
	if rank(x) < 2 {
		return nil, fmt.Errorf("%s: %w: expected x (N,C,…)", name, ErrShape)
	}
	if from < 0 || to <= from || to > x.Shape()[1] {
		return nil, fmt.Errorf("%s: %w: expected a range of the %d channels of x", name, ErrOption, x.Shape()[1])
	}
	return apply(&sliceChannels{from: from, to: to, operator: operator{
		name:  name,
		ranks: []int{rank(x), rank(x)},
		infer: func(in []tensor.Shape) (tensor.Shape, error) {
			if in[0][1] < to {
				return nil, fmt.Errorf("%w: x is %v, expected %d or more channels", ErrShape, in[0], to)
			}
			out := in[0].Clone()
			out[1] = to - from
			return out, nil
		},
		exec: kernels(
			func(a args[float32]) { channelRangeForward(a, from) },
			func(a args[float64]) { channelRangeForward(a, from) }),
		lower: func(b *onnx.Builder, in []string) string {
			one := func(name string, v int) string { return b.Int64(name, []int{1}, []int64{int64(v)}) }
			return b.Node("Slice", []string{in[0], one("from", from), one("to", to), one("axis", 1)})
		},
	}}, x)
}

func (*sliceChannels) DiffWRT(inputs int) []bool { return all(inputs) }

// SymDiff returns gy, with zeros for the other channels.
func (s *sliceChannels) SymDiff(inputs gorgonia.Nodes, _, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	channels, from, axes := inputs[0].Shape()[1], s.from, rank(gy)
	gx, err := apply(&operator{
		name:  fmt.Sprintf("SliceChannelsGrad{%d:%d,channels=%d}", s.from, s.to, channels),
		ranks: []int{axes, axes},
		infer: func(in []tensor.Shape) (tensor.Shape, error) {
			out := in[0].Clone()
			out[1] = channels
			return out, nil
		},
		exec: kernels(
			func(a args[float32]) { sliceChannelsBackward(a, from) },
			func(a args[float64]) { sliceChannelsBackward(a, from) }),
		lower: func(b *onnx.Builder, in []string) string {
			borders := make([]int64, 2*axes)
			borders[1], borders[axes+1] = int64(from), int64(channels-s.to)
			return b.Node("Pad", []string{in[0], b.Int64("borders", []int{2 * axes}, borders)})
		},
	}, gy)
	return gorgonia.Nodes{gx}, err
}

func sliceChannelsBackward[T blas.Float](a args[T], from int) {
	part, whole := perSample(a.inShape[0]), perSample(a.outShape)
	first := from * (whole / a.outShape[1])
	a.team.For(a.outShape[0], func(n int) {
		gx := a.out[n*whole:][:whole]
		clear(gx[:first])
		clear(gx[first+copy(gx[first:], a.in[0][n*part:][:part]):])
	})
}
