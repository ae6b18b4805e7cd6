package op

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/student/internal/blas"
	"rkd/student/internal/vector"
)

type maxPool struct {
	operator
	opts PoolOptions
}

// MaxPool2D is y[n,c,i,j] = max of x[n,c,h,w] over the window that begins at (i,j)·stride − pad. Padding is never the
// maximum; a NaN in the window is. x is (N,C,H,W), y is (N,C,OH,OW) with OH = ⌊(H + 2·pad + extra − kernel)/stride⌋ + 1
// and OW alike, rounded up with Ceil. The gradient of a window goes to its first maximum in row-major order.
//
// It returns ErrShape when the kernel is larger than the padded x, and ErrOption for attributes out of range.
func MaxPool2D(x *gorgonia.Node, opts PoolOptions) (*gorgonia.Node, error) {
	opts.ExcludePad = false // means nothing here
	opts, err := opts.normalised()
	if err != nil {
		return nil, err
	}
	return apply(&maxPool{opts: opts, operator: operator{
		name:  fmt.Sprintf("MaxPool2D{%v}", opts),
		ranks: []int{4, 4},
		infer: func(in []tensor.Shape) (tensor.Shape, error) { return opts.infer(in[0]) },
		exec: kernels(
			func(a args[float32]) { maxPoolForward(a, opts) },
			func(a args[float64]) { maxPoolForward(a, opts) }),
		lower: onnxNode("MaxPool", opts.lowered(x, false)...),
	}}, x)
}

func (*maxPool) DiffWRT(inputs int) []bool { return all(inputs) }

func (p *maxPool) SymDiff(inputs gorgonia.Nodes, _, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	gx, err := apply(newMaxPoolGrad(p.opts, false), inputs[0], gy)
	return gorgonia.Nodes{gx}, err
}

type maxPoolGrad struct {
	operator
	opts PoolOptions
}

// newMaxPoolGrad is the gradient of max pooling, or, if rectified, of ReLU followed by max pooling; then x is ReLU's
// output or, with the same result, its input.
func newMaxPoolGrad(o PoolOptions, rectified bool) *maxPoolGrad {
	name := "MaxPool2DGrad"
	if rectified {
		name = "ReLUMaxPool2DGrad"
	}
	return &maxPoolGrad{opts: o, operator: operator{
		name:  fmt.Sprintf("%s{%v}", name, o),
		ranks: []int{4, 4, 4},
		infer: o.inferGrad,
		exec: kernels(
			func(a args[float32]) { maxPoolBackward(a, o, rectified) },
			func(a args[float64]) { maxPoolBackward(a, o, rectified) }),
	}}
}

// maximum is the largest element of x (H,W) in rows [h0,h1) and columns [w0,w1), or NaN if one of them is NaN.
func maximum[T blas.Float](x []T, width, h0, h1, w0, w1 int) T {
	best := x[h0*width+w0]
	for h := h0; h < h1; h++ {
		for _, v := range x[h*width+w0 : h*width+w1] {
			best = max(best, v)
		}
	}
	return best
}

// firstMaximum is the position of that element, the first of them in row-major order. Comparing in a separate pass
// avoids branch mispredictions. With a NaN in the window, the position is any in it.
func firstMaximum[T blas.Float](x []T, width, h0, h1, w0, w1 int) int {
	at := h0*width + w0
	best := x[at]
	for h := h0; h < h1; h++ {
		from := h*width + w0
		for w, v := range x[from : h*width+w1] {
			if v > best {
				at = from + w
			}
			best = max(best, v)
		}
	}
	return at
}

// halves are 2×2 windows with stride 2, by far the most common pooling, which has loops of its own.
var halves = PoolOptions{Kernel: [2]int{2, 2}, Stride: [2]int{2, 2}}

// newReLUMaxPool is ReLU and 2×2 max pooling: max(maximum, 0).
func newReLUMaxPool() *operator {
	return &operator{
		name:  fmt.Sprintf("ReLUMaxPool2D{%v}", halves),
		ranks: []int{4, 4},
		infer: func(in []tensor.Shape) (tensor.Shape, error) { return halves.infer(in[0]) },
		exec:  kernels(reluMaxPoolForward[float32], reluMaxPoolForward[float64]),
	}
}

func reluMaxPoolForward[T blas.Float](a args[T]) {
	in, out := layoutOf(a.inShape[0]), layoutOf(a.outShape)
	a.team.For(in.samples, func(n int) {
		for c := range in.channels {
			y := plane(out, a.out, n, c)
			vector.Halve(y, plane(in, a.in[0], n, c), a.outShape[2], a.outShape[3], a.inShape[0][3])
			vector.AffineReLU(y, y, 1, 0)
		}
	})
}

func maxPoolForward[T blas.Float](a args[T], o PoolOptions) {
	in, out := layoutOf(a.inShape[0]), layoutOf(a.outShape)
	height, width, oh, ow := a.inShape[0][2], a.inShape[0][3], a.outShape[2], a.outShape[3]
	a.team.For(in.samples, func(n int) {
		for c := range in.channels {
			x, y := plane(in, a.in[0], n, c), plane(out, a.out, n, c)
			if o == halves {
				vector.Halve(y, x, oh, ow, width)
				continue
			}
			for i := range oh {
				h0, h1 := o.window(0, i, height)
				for j := range ow {
					w0, w1 := o.window(1, j, width)
					y[i*ow+j] = maximum(x, width, h0, h1, w0, w1)
				}
			}
		}
	})
}

func maxPoolBackward[T blas.Float](a args[T], o PoolOptions, rectified bool) {
	in, out := layoutOf(a.inShape[0]), layoutOf(a.inShape[1])
	height, width, oh, ow := a.inShape[0][2], a.inShape[0][3], a.inShape[1][2], a.inShape[1][3]
	a.team.For(in.samples, func(n int) {
		for c := range in.channels {
			x, gy, gx := plane(in, a.in[0], n, c), plane(out, a.in[1], n, c), plane(in, a.out, n, c)
			if o == halves {
				if height%2 == 1 || width%2 == 1 { // elements that no window has
					clear(gx)
				}
				vector.HalveGrad(gx, x, gy, oh, ow, width, rectified)
				continue
			}
			clear(gx)
			for i := range oh {
				h0, h1 := o.window(0, i, height)
				for j := range ow {
					w0, w1 := o.window(1, j, width)
					at := firstMaximum(x, width, h0, h1, w0, w1)
					if !rectified || x[at] > 0 {
						gx[at] += gy[i*ow+j]
					}
				}
			}
		}
	})
}
