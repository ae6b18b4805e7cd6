package op

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/models/onnx"
	"rkd/student/internal/blas"
)

type avgPool struct {
	operator
	opts PoolOptions
}

// AvgPool2D is y[n,c,i,j] = mean of x[n,c,h,w] over the window that begins at (i,j)·stride − pad. x is (N,C,H,W), y is
// (N,C,OH,OW) with OH = ⌊(H + 2·pad + extra − kernel)/stride⌋ + 1 and OW alike, rounded up with Ceil. The mean runs
// over the kernel, padding counted as zeros, unless ExcludePad is set; what a window has beyond the padding never
// counts.
//
// It returns ErrShape when the kernel is larger than the padded x, and ErrOption for attributes out of range.
func AvgPool2D(x *gorgonia.Node, opts PoolOptions) (*gorgonia.Node, error) {
	opts, err := opts.normalised()
	if err != nil {
		return nil, err
	}
	includePad := int64(1)
	if opts.ExcludePad {
		includePad = 0
	}
	return apply(&avgPool{opts: opts, operator: operator{
		name:  fmt.Sprintf("AvgPool2D{%v}", opts),
		ranks: []int{4, 4},
		infer: func(in []tensor.Shape) (tensor.Shape, error) { return opts.infer(in[0]) },
		exec: kernels(
			func(a args[float32]) { avgPoolForward(a, opts) },
			func(a args[float64]) { avgPoolForward(a, opts) }),
		lower: onnxNode("AveragePool", append(opts.lowered(x, true), onnx.Int("count_include_pad", includePad))...),
	}}, x)
}

func (*avgPool) DiffWRT(inputs int) []bool { return all(inputs) }

func (p *avgPool) SymDiff(inputs gorgonia.Nodes, _, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	gx, err := apply(&operator{
		name:  fmt.Sprintf("AvgPool2DGrad{%v}", p.opts),
		ranks: []int{4, 4, 4},
		infer: p.opts.inferGrad,
		exec: kernels(
			func(a args[float32]) { avgPoolBackward(a, p.opts) },
			func(a args[float64]) { avgPoolBackward(a, p.opts) }),
	}, inputs[0], gy)
	return gorgonia.Nodes{gx}, err
}

func avgPoolForward[T blas.Float](a args[T], o PoolOptions) {
	in, out := layoutOf(a.inShape[0]), layoutOf(a.outShape)
	height, width, oh, ow := a.inShape[0][2], a.inShape[0][3], a.outShape[2], a.outShape[3]
	a.team.For(in.samples, func(n int) {
		for c := range in.channels {
			x, y := plane(in, a.in[0], n, c), plane(out, a.out, n, c)
			for i := range oh {
				h0, h1 := o.window(0, i, height)
				for j := range ow {
					w0, w1 := o.window(1, j, width)
					var total float64
					for h := h0; h < h1; h++ {
						for _, v := range x[h*width+w0 : h*width+w1] {
							total += float64(v)
						}
					}
					y[i*ow+j] = T(total * (1 / float64(o.divisor(0, i, height)*o.divisor(1, j, width))))
				}
			}
		}
	})
}

// avgPoolBackward computes gx (N,C,H,W) from the shape of x, and gy (N,C,OH,OW).
func avgPoolBackward[T blas.Float](a args[T], o PoolOptions) {
	in, out := layoutOf(a.inShape[0]), layoutOf(a.inShape[1])
	height, width, oh, ow := a.inShape[0][2], a.inShape[0][3], a.inShape[1][2], a.inShape[1][3]
	a.team.For(in.samples, func(n int) {
		for c := range in.channels {
			gy, gx := plane(out, a.in[1], n, c), plane(in, a.out, n, c)
			clear(gx)
			for i := range oh {
				h0, h1 := o.window(0, i, height)
				for j := range ow {
					w0, w1 := o.window(1, j, width)
					g := T(float64(gy[i*ow+j]) * (1 / float64(o.divisor(0, i, height)*o.divisor(1, j, width))))
					for h := h0; h < h1; h++ {
						dst := gx[h*width+w0 : h*width+w1]
						for w := range dst {
							dst[w] += g
						}
					}
				}
			}
		}
	})
}
