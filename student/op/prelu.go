package op

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/student/internal/blas"
	"rkd/student/internal/parallel"
)

type prelu struct{ operator }

// PReLU is y = x where x > 0 and slope·x elsewhere, with a learned slope. x is (N,C) or (N,C,H,W), slope is (C), one a
// channel, or (1), one for all. It has gradients with respect to both; that on x at 0 is the slope's.
//
// It returns ErrShape when the shapes do not fit.
//
// Source: He et al., Delving Deep into Rectifiers, ICCV 2015.
func PReLU(x, slope *gorgonia.Node) (*gorgonia.Node, error) {
	if err := channelRank("PReLU", x); err != nil {
		return nil, err
	}
	return apply(&prelu{operator{
		name: "PReLU", ranks: []int{rank(x), 1, rank(x)},
		infer: func(in []tensor.Shape) (tensor.Shape, error) {
			if n := in[1][0]; n != 1 && n != in[0][1] {
				return nil, fmt.Errorf("%w: input 1 is %v, expected (1) or (%d)", ErrShape, in[1], in[0][1])
			}
			return in[0].Clone(), nil
		},
		exec:  kernels(preluForward[float32], preluForward[float64]),
		lower: channelwise("PRelu", rank(x), -1),
	}}, x, slope)
}

// preluPlanes calls body for every plane of x, with the slope of its channel.
func preluPlanes[T blas.Float](team *parallel.Team, shape tensor.Shape, slopes []T,
	body func(l layout, n, c int, slope T),
) {
	l := layoutOf(shape)
	team.For(l.samples, func(n int) {
		for c := range l.channels {
			body(l, n, c, slopes[c%len(slopes)])
		}
	})
}

func preluForward[T blas.Float](a args[T]) {
	preluPlanes(a.team, a.outShape, a.in[1], func(l layout, n, c int, slope T) {
		y := plane(l, a.out, n, c)
		for i, v := range plane(l, a.in[0], n, c) {
			if v <= 0 {
				v *= slope
			}
			y[i] = v
		}
	})
}

func (*prelu) DiffWRT(inputs int) []bool { return all(inputs) }

// SymDiff returns gy, times the slope where x ≤ 0, and Σ gy·min(x, 0) over all that share a slope.
func (*prelu) SymDiff(inputs gorgonia.Nodes, _, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	x, slope := inputs[0], inputs[1]
	gx, err := apply(&operator{
		name: "PReLUGrad", ranks: []int{rank(x), 1, rank(x), rank(x)},
		infer: func(in []tensor.Shape) (tensor.Shape, error) { return in[0].Clone(), expectShape(in, 2, in[0]...) },
		exec:  kernels(preluBackward[float32], preluBackward[float64]),
	}, x, slope, gy)
	if err != nil {
		return nil, err
	}
	gslope, err := apply(&operator{
		name: "PReLUSlopeGrad", ranks: []int{rank(x), 1, rank(x), 1},
		infer: func(in []tensor.Shape) (tensor.Shape, error) { return in[1].Clone(), expectShape(in, 2, in[0]...) },
		exec:  kernels(preluSlopeBackward[float32], preluSlopeBackward[float64]),
	}, x, slope, gy)
	return gorgonia.Nodes{gx, gslope}, err
}

func preluBackward[T blas.Float](a args[T]) {
	preluPlanes(a.team, a.outShape, a.in[1], func(l layout, n, c int, slope T) {
		gx, gy := plane(l, a.out, n, c), plane(l, a.in[2], n, c)
		for i, v := range plane(l, a.in[0], n, c) {
			gx[i] = gy[i]
			if v <= 0 {
				gx[i] *= slope
			}
		}
	})
}

func preluSlopeBackward[T blas.Float](a args[T]) {
	l := layoutOf(a.inShape[0])
	sums := make([]float64, l.channels)
	a.team.For(l.channels, func(c int) {
		for n := range l.samples {
			gy := plane(l, a.in[2], n, c)
			for i, v := range plane(l, a.in[0], n, c) {
				sums[c] += float64(min(v, 0)) * float64(gy[i])
			}
		}
	})
	clear(a.out)
	for c, s := range sums {
		a.out[c%len(a.out)] += T(s)
	}
}
