package op

import (
	"fmt"
	"math"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/models/onnx"
	"rkd/student/internal/blas"
)

// maxPool is the operator of MaxPool2D.
type maxPool struct {
	operator
	opts PoolOptions
}

// MaxPool2D is y[n,c,i,j] = max of x[n,c,h,w] over the window that begins at (i,j)·stride − pad. Padding never wins, NaN
// does. x is (N,C,H,W), y is (N,C,OH,OW) with OH = ⌊(H + 2·pad − kernel)/stride⌋ + 1 and OW alike. The gradient of a window
// goes to its first maximum in row-major order.
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
	}}, x)
}

// DiffWRT says that x has a gradient.
func (*maxPool) DiffWRT(inputs int) []bool { return all(inputs) }

// SymDiff returns the gradient with respect to x.
func (p *maxPool) SymDiff(inputs gorgonia.Nodes, _, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	gx, err := apply(newMaxPoolGrad(p.opts, false), inputs[0], gy)
	return gorgonia.Nodes{gx}, err
}

// maxPoolGrad is the gradient of maxPool.
type maxPoolGrad struct {
	operator
	opts PoolOptions
}

// newMaxPoolGrad is the gradient of a maximum pooling, or, if rectified, of ReLU and that: then x is ReLU's output.
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

// maximum is the largest element of x (H,W) in rows [h0,h1) and columns [w0,w1), NaN if there is one.
func maximum[T blas.Float](x []T, width, h0, h1, w0, w1 int) T {
	best := x[h0*width+w0]
	for h := h0; h < h1; h++ {
		for _, v := range x[h*width+w0 : h*width+w1] {
			best = max(best, v)
		}
	}
	return best
}

// firstMaximum is the position of that element, the first of them in row-major order. Comparing separately from taking
// the maximum leaves no branch to mispredict. Where there is a NaN, the position is anywhere in the window.
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

// halves says that windows are 2×2 and side by side, by far the commonest pooling: it has loops of its own.
func (o PoolOptions) halves() bool {
	return o == PoolOptions{Kernel: [2]int{2, 2}, Stride: [2]int{2, 2}}
}

// halve is maxPoolForward of one plane, x (H,W) to y (⌊H/2⌋,⌊W/2⌋).
func halve[T blas.Float](y, x []T, width, oh, ow int) {
	for i := range oh {
		dst, above, below := y[i*ow:][:ow], x[2*i*width:][:2*ow], x[(2*i+1)*width:][:2*ow]
		for j := range dst {
			dst[j] = max(max(above[2*j], above[2*j+1]), max(below[2*j], below[2*j+1]))
		}
	}
}

// halveBackward is maxPoolBackward of one plane. gx is all zeros.
func halveBackward[T blas.Float](gx, x, gy []T, width, oh, ow int) {
	for i := range oh {
		at := 2 * i * width
		for _, g := range gy[i*ow:][:ow] {
			window, first, best := x[at:at+width+2], 0, x[at]
			if window[1] > best {
				first = 1
			}
			best = max(best, window[1])
			if window[width] > best {
				first = width
			}
			best = max(best, window[width])
			if window[width+1] > best {
				first = width + 1
			}
			gx[at+first] = g
			at += 2
		}
	}
}

// halveBackward32 is halveBackward of ReLU's output, without a branch: bits of numbers from 0 on are in their order, and two
// more tell the elements of a window apart, the first ones being larger.
func halveBackward32(gx, x, gy []float32, width, oh, ow int) {
	key := func(v float32, place int64) int64 { return int64(int32(math.Float32bits(v)))<<2 | place }
	for i := range oh {
		above, below := x[2*i*width:][:2*ow], x[(2*i+1)*width:][:2*ow]
		at := 2 * i * width
		for j, g := range gy[i*ow:][:ow] {
			best := max(key(above[2*j], 3), key(above[2*j+1], 2), key(below[2*j], 1), key(below[2*j+1], 0))
			place := int(3 - best&3)
			passes := uint32(-(best >> 2) >> 63)
			gx[at+place>>1*width+place&1] = math.Float32frombits(math.Float32bits(g) & passes)
			at += 2
		}
	}
}

func maxPoolForward[T blas.Float](a args[T], o PoolOptions) {
	in, out := layoutOf(a.inShape[0]), layoutOf(a.outShape)
	height, width, oh, ow := a.inShape[0][2], a.inShape[0][3], a.outShape[2], a.outShape[3]
	blas.For(in.samples, func(n int) {
		for c := range in.channels {
			x, y := plane(in, a.in[0], n, c), plane(out, a.out, n, c)
			if o.halves() {
				halve(y, x, width, oh, ow)
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
	blas.For(in.samples, func(n int) {
		for c := range in.channels {
			x, gy, gx := plane(in, a.in[0], n, c), plane(out, a.in[1], n, c), plane(in, a.out, n, c)
			clear(gx)
			if o.halves() {
				if x32, ok := any(x).([]float32); ok && rectified {
					halveBackward32(any(gx).([]float32), x32, any(gy).([]float32), width, oh, ow)
				} else {
					halveBackward(gx, x, gy, width, oh, ow)
				}
				continue
			}
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

// Lower adds a MaxPool.
func (p *maxPool) Lower(b *onnx.Builder, inputs []string) (string, error) {
	return p.lowerTo(b, "MaxPool", inputs, pair("kernel_shape", p.opts.Kernel), pair("strides", p.opts.Stride), pads(p.opts.Pad))
}
