package op

import (
	"gorgonia.org/tensor"

	"rkd/student/internal/blas"
)

// gradChunks is the number of partial sums that a weight's gradient is made of. It is fixed, so that the sum does not
// depend on the number of processors.
const gradChunks = 8

// dotLength is the number of terms from which a sum of products is faster as gonum's dot products of rows, A·Bᵀ, than as
// its additions of scaled rows, A·B, though B must be transposed first: up to four times on 7×7 images.
const dotLength = 64

// convGeometry is one convolution with all its sizes, of one sample and one group where not said otherwise.
type convGeometry struct {
	ConvOptions
	samples          int
	channels, height int // of x; channels of all groups
	width            int
	filters          int // of all groups
	kh, kw           int
	oh, ow           int
	taps             []tap // of each weight of a channel
}

// tap is what one weight of a channel sees.
type tap struct {
	row         int // the input's row that output row 0 sees
	column      int // the input's column that output column first sees
	first, last int // output columns that see the input
	// whole says that output and input are of one size and nothing is left out, so that the tap sees the plane moved by shift
	// elements. What moves past the end of a row belongs outside.
	whole bool
	shift int
}

func newConvGeometry(o ConvOptions, x, w, y tensor.Shape) convGeometry {
	g := convGeometry{
		ConvOptions: o, samples: x[0], channels: x[1], height: x[2], width: x[3],
		filters: w[0], kh: w[2], kw: w[3], oh: y[2], ow: y[3],
	}
	whole := o.Stride == [2]int{1, 1} && g.oh == g.height && g.ow == g.width
	for u := range g.kh {
		for v := range g.kw {
			row, column := u*o.Dilation[0]-o.Pad[0], v*o.Dilation[1]-o.Pad[1]
			t := tap{row: row, whole: whole, shift: row*g.width + column}
			t.first, t.last = inside(g.ow, g.width, o.Stride[1], column)
			t.column = t.first*o.Stride[1] + column
			g.taps = append(g.taps, t)
		}
	}
	return g
}

func (g convGeometry) groupChannels() int { return g.channels / g.Groups }
func (g convGeometry) groupFilters() int  { return g.filters / g.Groups }

// patch is the number of weights that one output element sees, C/G·kh·kw: the rows of a column matrix.
func (g convGeometry) patch() int { return g.groupChannels() * g.kh * g.kw }

// area is OH·OW: the columns of a column matrix.
func (g convGeometry) area() int { return g.oh * g.ow }

// depthwise says that each filter sees one channel: the matrix product would have one row, a direct loop is faster.
func (g convGeometry) depthwise() bool { return g.groupChannels() == 1 && g.groupFilters() == 1 }

// pointwise says that the column matrix is the input itself.
func (g convGeometry) pointwise() bool {
	return g.kh == 1 && g.kw == 1 && g.Stride == [2]int{1, 1} && g.Pad == [2]int{} && g.Extra == [2]int{}
}

// columns is the matrix (C/G·kh·kw, OH·OW) of the patches of one group x (C/G,H,W): cols itself, or x where that is it.
func columns[T blas.Float](g convGeometry, cols, x []T) []T {
	if g.pointwise() {
		return x
	}
	columnsTo(g, cols, g.area(), x)
	return cols
}

// columnsTo writes that matrix to cols, whose rows begin stride elements apart.
func columnsTo[T blas.Float](g convGeometry, cols []T, stride int, x []T) {
	area, size := g.area(), g.height*g.width
	for c := range g.groupChannels() {
		plane := x[c*size:][:size]
		for i, t := range g.taps {
			row := cols[(c*len(g.taps)+i)*stride:][:area]
			if t.whole {
				shiftPlane(row, plane, t.shift)
				clearOutside(row, g.ow, t)
				continue
			}
			for i := range g.oh {
				dst := row[i*g.ow:][:g.ow]
				h := i*g.Stride[0] + t.row
				if h < 0 || h >= g.height || t.first == t.last {
					clear(dst)
					continue
				}
				src, w := plane[h*g.width:][:g.width], t.column
				clear(dst[:t.first])
				clear(dst[t.last:])
				if g.Stride[1] == 1 {
					copy(dst[t.first:t.last], src[w:])
					continue
				}
				for j := t.first; j < t.last; j++ {
					dst[j] = src[w]
					w += g.Stride[1]
				}
			}
		}
	}
}

// shiftPlane is dst[i] = src[i+by], 0 outside; both have the same length.
func shiftPlane[T blas.Float](dst, src []T, by int) {
	n := len(dst)
	from, to := min(n, max(0, -by)), max(0, min(n, n-by))
	if from >= to {
		clear(dst)
		return
	}
	clear(dst[:from])
	copy(dst[from:to], src[from+by:])
	clear(dst[to:])
}

// clearOutside zeroes the columns of a plane with rows of a width that a tap sees outside the input.
func clearOutside[T blas.Float](plane []T, width int, t tap) {
	for j := range t.first {
		for i := j; i < len(plane); i += width {
			plane[i] = 0
		}
	}
	for j := t.last; j < width; j++ {
		for i := j; i < len(plane); i += width {
			plane[i] = 0
		}
	}
}

// inside is the range of output positions j in [0,n) whose input position j·stride + offset lies in [0,width).
func inside(n, width, stride, offset int) (first, last int) {
	first = min(n, max(0, (-offset+stride-1)/stride))
	last = max(first, min(n, (width-1-offset)/stride+1))
	if offset >= width {
		last = first
	}
	return first, last
}

// addColumns is the adjoint of columns: it adds every entry of cols to the element of x that it was copied from.
func addColumns[T blas.Float](g convGeometry, x, cols []T) { addColumnsFrom(g, x, cols, g.area()) }

// addColumnsFrom is addColumns of a matrix whose rows begin stride elements apart. It spoils entries that have no element.
func addColumnsFrom[T blas.Float](g convGeometry, x, cols []T, stride int) {
	area, size := g.area(), g.height*g.width
	for c := range g.groupChannels() {
		plane := x[c*size:][:size]
		for i, t := range g.taps {
			row := cols[(c*len(g.taps)+i)*stride:][:area]
			if t.whole {
				clearOutside(row, g.ow, t)
				if from, to := max(0, -t.shift), min(area, area-t.shift); from < to {
					blas.Axpy(1, row[from:to], plane[from+t.shift:to+t.shift])
				}
				continue
			}
			for i := range g.oh {
				h := i*g.Stride[0] + t.row
				if h < 0 || h >= g.height || t.first == t.last {
					continue
				}
				dst, src, w := plane[h*g.width:][:g.width], row[i*g.ow:][:g.ow], t.column
				if g.Stride[1] == 1 {
					dst = dst[w:]
					for j, s := range src[t.first:t.last] {
						dst[j] += s
					}
					continue
				}
				for _, s := range src[t.first:t.last] {
					dst[w] += s
					w += g.Stride[1]
				}
			}
		}
	}
}

// convForward computes y (N,O,OH,OW) from x (N,C,H,W), w (O,C/G,kh,kw) and possibly b (O), a matrix product for each
// sample and group.
func convForward[T blas.Float](a args[T], o ConvOptions, buffers *scratch) {
	g := newConvGeometry(o, a.inShape[0], a.inShape[1], a.outShape)
	x, w := a.in[0], a.in[1]
	k, l, filters := g.patch(), g.area(), g.groupFilters()
	xGroup, yGroup, wGroup := g.groupChannels()*g.height*g.width, filters*l, filters*k
	a.team.For(g.samples, func(n int) {
		y := a.out[n*g.filters*l:][:g.filters*l]
		if len(a.in) == 3 {
			for f, b := range a.in[2] {
				row := y[f*l:][:l]
				for j := range row {
					row[j] = b
				}
			}
		} else {
			clear(y)
		}
		buf, giveBack := borrow[T](buffers, 2*k*l)
		defer giveBack()
		for group := range g.Groups {
			xs := x[n*g.channels*g.height*g.width+group*xGroup:][:xGroup]
			ws, ys := w[group*wGroup:][:wGroup], y[group*yGroup:][:yGroup]
			if g.depthwise() {
				depthwiseForward(g, ys, xs, ws)
				continue
			}
			cols := columns(g, buf[:k*l], xs)
			if k < dotLength {
				blas.Gemm(false, false, filters, l, k, 1, ws, k, cols, l, 1, ys, l)
				continue
			}
			patches := buf[k*l:] // (OH·OW,C/G·kh·kw)
			transpose(patches, cols, k, l)
			blas.Gemm(false, true, filters, l, k, 1, ws, k, patches, k, 1, ys, l)
		}
	})
}

// convInputBackward computes gx (N,C,H,W) from the shape of x, w and gy.
func convInputBackward[T blas.Float](a args[T], o ConvOptions, buffers *scratch) {
	g := newConvGeometry(o, a.inShape[0], a.inShape[1], a.inShape[2])
	if back, ok := g.reversed(); ok {
		w, shape, giveBack := reversedKernel(g, a.in[1], buffers)
		defer giveBack()
		convForward(args[T]{
			team: a.team, out: a.out, outShape: a.outShape, in: [][]T{a.in[2], w}, inShape: []tensor.Shape{a.inShape[2], shape},
		}, back, buffers)
		return
	}
	w, gy := a.in[1], a.in[2]
	k, l, filters := g.patch(), g.area(), g.groupFilters()
	xGroup, yGroup, wGroup := g.groupChannels()*g.height*g.width, filters*l, filters*k
	a.team.For(g.samples, func(n int) {
		cols, giveBack := borrow[T](buffers, k*l)
		defer giveBack()
		for group := range g.Groups {
			gx := a.out[n*g.channels*g.height*g.width+group*xGroup:][:xGroup]
			ws, gys := w[group*wGroup:][:wGroup], gy[n*g.filters*l+group*yGroup:][:yGroup]
			clear(gx)
			if g.depthwise() {
				depthwiseInputBackward(g, gx, ws, gys)
				continue
			}
			blas.Gemm(true, false, k, l, filters, 1, ws, k, gys, l, 0, cols, l)
			addColumns(g, gx, cols)
		}
	})
}

// reversed is the convolution of gy that gives gx, which there is for a stride of 1. It is faster than the matrix product
// and addColumns, which work for all. Its padding can be negative: borders of gy that came from x's padding alone.
func (g convGeometry) reversed() (ConvOptions, bool) {
	o := g.ConvOptions
	o.Pad = [2]int{o.Dilation[0]*(g.kh-1) - o.Pad[0], o.Dilation[1]*(g.kw-1) - o.Pad[1]}
	o.Extra = [2]int{-o.Extra[0], -o.Extra[1]}
	return o, o.Stride == [2]int{1, 1}
}

// reversedKernel is the kernel (C,O/G,kh,kw) of that convolution: w (O,C/G,kh,kw) turned by half a circle, with filters
// and channels of each group exchanged.
func reversedKernel[T blas.Float](g convGeometry, w []T, buffers *scratch) (kernel []T, shape tensor.Shape, giveBack func()) {
	kernel, giveBack = borrow[T](buffers, len(w))
	filters, channels, taps := g.groupFilters(), g.groupChannels(), g.kh*g.kw
	for group := range g.Groups {
		for f := range filters {
			for c := range channels {
				src := w[((group*filters+f)*channels+c)*taps:][:taps]
				dst := kernel[((group*channels+c)*filters+f)*taps:][:taps]
				for i, v := range src {
					dst[taps-1-i] = v
				}
			}
		}
	}
	return kernel, tensor.Shape{g.channels, filters, g.kh, g.kw}, giveBack
}

// convWeightBackward computes gw (O,C/G,kh,kw) from x, the shape of w, and gy: gy·columnsᵀ for each sample and group.
func convWeightBackward[T blas.Float](a args[T], o ConvOptions, buffers *scratch) {
	g := newConvGeometry(o, a.inShape[0], a.inShape[1], a.inShape[2])
	x, gy := a.in[0], a.in[2]
	k, l, filters := g.patch(), g.area(), g.groupFilters()
	xGroup, yGroup, wGroup := g.groupChannels()*g.height*g.width, filters*l, filters*k
	chunks := min(gradChunks, g.samples)
	partial, giveBack := borrow[T](buffers, chunks*len(a.out)) // (chunks,O,C/G,kh,kw)
	defer giveBack()
	a.team.For(chunks, func(chunk int) {
		gw := partial[chunk*len(a.out):][:len(a.out)]
		clear(gw)
		cols, giveBack := borrow[T](buffers, k*l)
		defer giveBack()
		for n := chunk * g.samples / chunks; n < (chunk+1)*g.samples/chunks; n++ {
			for group := range g.Groups {
				xs := x[n*g.channels*g.height*g.width+group*xGroup:][:xGroup]
				gys := gy[n*g.filters*l+group*yGroup:][:yGroup]
				if g.depthwise() {
					depthwiseWeightBackward(g, gw[group*k:][:k], xs, gys)
					continue
				}
				blas.Gemm(false, true, filters, k, l, 1, gys, l, columns(g, cols, xs), l, 1, gw[group*wGroup:], k)
			}
		}
	})
	copy(a.out, partial)
	for chunk := 1; chunk < chunks; chunk++ {
		for i, v := range partial[chunk*len(a.out):][:len(a.out)] {
			a.out[i] += v
		}
	}
}

// transpose writes the transpose of src (rows,cols) to dst (cols,rows), four rows at a time to write neighbours together.
func transpose[T blas.Float](dst, src []T, rows, cols int) {
	whole := rows - rows%4
	for i := 0; i < whole; i += 4 {
		r0, r1, r2, r3 := src[i*cols:][:cols], src[(i+1)*cols:][:cols], src[(i+2)*cols:][:cols], src[(i+3)*cols:][:cols]
		for j, v := range r0 {
			d := dst[j*rows+i:][:4]
			d[0], d[1], d[2], d[3] = v, r1[j], r2[j], r3[j]
		}
	}
	for i := whole; i < rows; i++ {
		for j, v := range src[i*cols:][:cols] {
			dst[j*rows+i] = v
		}
	}
}
