package op

import (
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/models/onnx"
	"rkd/student/internal/blas"
	"rkd/student/internal/vector"
)

// scale is the operator of Scale, gate that of Gate and shift that of Shift.
type (
	scale struct{ operator }
	gate  struct{ operator }
	shift struct{ operator }
)

// Scale is y = s[c]·x, one factor a channel. x is (N,C) or (N,C,H,W), s is (C). It has gradients with respect to both.
//
// It returns ErrShape when the shapes do not fit.
func Scale(x, s *gorgonia.Node) (*gorgonia.Node, error) {
	if err := channelRank("Scale", x); err != nil {
		return nil, err
	}
	return apply(&scale{operator{
		name: "Scale", ranks: []int{rank(x), 1, rank(x)}, infer: inferChannelwise,
		exec:  kernels(scaleForward[float32], scaleForward[float64]),
		lower: channelwise("Mul", rank(x), -1),
	}}, x, s)
}

// Gate is y = g[n,c]·x, one factor a channel of every sample, as in squeeze-and-excitation (Hu et al., CVPR 2018). x is
// (N,C,H,W), g is (N,C). It has gradients with respect to both.
//
// It returns ErrShape when the shapes do not fit.
func Gate(x, g *gorgonia.Node) (*gorgonia.Node, error) {
	return apply(&gate{operator{
		name: "Gate", ranks: []int{4, 2, 4},
		infer: func(in []tensor.Shape) (tensor.Shape, error) {
			return in[0].Clone(), expectShape(in, 1, in[0][:2]...)
		},
		exec:  kernels(scaleForward[float32], scaleForward[float64]),
		lower: channelwise("Mul", 4, 0, -1),
	}}, x, g)
}

// Shift is y = x + b[c], one summand a channel. x is (N,C) or (N,C,H,W), b is (C). It has gradients with respect to
// both.
//
// It returns ErrShape when the shapes do not fit.
func Shift(x, b *gorgonia.Node) (*gorgonia.Node, error) {
	if err := channelRank("Shift", x); err != nil {
		return nil, err
	}
	return apply(&shift{operator{
		name: "Shift", ranks: []int{rank(x), 1, rank(x)}, infer: inferChannelwise,
		exec:  kernels(shiftForward[float32], shiftForward[float64]),
		lower: channelwise("Add", rank(x), -1),
	}}, x, b)
}

func inferChannelwise(in []tensor.Shape) (tensor.Shape, error) {
	return in[0].Clone(), expectShape(in, 1, in[0][1])
}

// scaleForward serves Scale and Gate: with one row of factors, every sample uses it again.
func scaleForward[T blas.Float](a args[T]) {
	l := layoutOf(a.outShape)
	a.team.For(l.samples, func(n int) {
		for c := range l.channels {
			s := a.in[1][(n*l.channels+c)%len(a.in[1])]
			vector.Affine(plane(l, a.out, n, c), plane(l, a.in[0], n, c), s, 0)
		}
	})
}

func shiftForward[T blas.Float](a args[T]) {
	l := layoutOf(a.outShape)
	a.team.For(l.samples, func(n int) {
		for c := range l.channels {
			vector.Affine(plane(l, a.out, n, c), plane(l, a.in[0], n, c), 1, a.in[1][c])
		}
	})
}

func (*scale) DiffWRT(inputs int) []bool { return all(inputs) }

func (*gate) DiffWRT(inputs int) []bool { return all(inputs) }

func (*shift) DiffWRT(inputs int) []bool { return all(inputs) }

// SymDiff returns gy·s and Σ_{n,h,w} gy·x.
func (*scale) SymDiff(inputs gorgonia.Nodes, _, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	gx, err := Scale(gy, inputs[1])
	if err != nil {
		return nil, err
	}
	gs, err := dots("ScaleGrad", inputs[0], gy, 1)
	return gorgonia.Nodes{gx, gs}, err
}

// SymDiff returns gy·g and Σ_{h,w} gy·x.
func (*gate) SymDiff(inputs gorgonia.Nodes, _, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	gx, err := Gate(gy, inputs[1])
	if err != nil {
		return nil, err
	}
	gg, err := dots("GateGrad", inputs[0], gy, 2)
	return gorgonia.Nodes{gx, gg}, err
}

// SymDiff returns gy and Σ_{n,h,w} gy.
func (*shift) SymDiff(_ gorgonia.Nodes, _, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	gb, err := channelSum(gy)
	return gorgonia.Nodes{gy, gb}, err
}

// dots adds up x·gy over images, (N,C), or over samples and images, (C): outRank says which.
func dots(name string, x, gy *gorgonia.Node, outRank int) (*gorgonia.Node, error) {
	axes := []int64{0}
	if rank(x) == 4 {
		axes = []int64{0, 2, 3}
	}
	axes = axes[outRank-1:]
	return apply(&operator{
		name:  name,
		ranks: []int{rank(x), rank(x), outRank},
		infer: func(in []tensor.Shape) (tensor.Shape, error) {
			return in[0][2-outRank : 2].Clone(), expectShape(in, 1, in[0]...)
		},
		exec: kernels(dotsForward[float32], dotsForward[float64]),
		lower: func(b *onnx.Builder, in []string) string {
			list := b.Int64("axes", []int{len(axes)}, axes)
			return b.Node("ReduceSum", []string{b.Node("Mul", in), list}, onnx.Int("keepdims", 0))
		},
	}, x, gy)
}

func dotsForward[T blas.Float](a args[T]) {
	l := layoutOf(a.inShape[0])
	a.team.For(l.channels, func(c int) {
		var total float64
		for n := range l.samples {
			gy := plane(l, a.in[1], n, c)
			for i, v := range plane(l, a.in[0], n, c) {
				total += float64(v) * float64(gy[i])
			}
			if len(a.outShape) == 2 {
				a.out[n*l.channels+c] = T(total)
				total = 0
			}
		}
		if len(a.outShape) == 1 {
			a.out[c] = T(total)
		}
	})
}

// channelwise is an ONNX operator of x and a number for each channel. keep are the dimensions of the numbers; for
// images two of size 1 are added to them, so that they broadcast.
func channelwise(name string, rank int, keep ...int64) lowering {
	return func(b *onnx.Builder, in []string) string {
		numbers := in[1]
		if rank == 4 {
			shape := append(keep[:len(keep):len(keep)], 1, 1)
			numbers = b.Node("Reshape", []string{numbers, b.Int64("shape", []int{len(shape)}, shape)})
		}
		return b.Node(name, []string{in[0], numbers})
	}
}
