package conv

import (
	"rkd/student/internal/blas"
	"rkd/student/internal/parallel"
)

// gradChunks is the number of partial sums of a weight gradient. It is fixed, so that the sum does not depend on the
// number of workers.
const gradChunks = 8

// dotLength is the number of terms from which a sum of products is faster as gonum's dot products of rows, A·Bᵀ, than
// as its additions of scaled rows, A·B, although B must be transposed first: up to four times on 7×7 images.
const dotLength = 64

// Forward computes y from x, w and bias, which may be nil, as one matrix product for each sample and group. It is the
// reference that plans are tested against, and the kernel of the tape machine.
func Forward[T blas.Float](team *parallel.Team, g Geometry, y, x, w, bias []T, buffers *parallel.Scratch) {
	k, l, filters := g.patch(), g.area(), g.GroupFilters()
	xGroup, yGroup, wGroup := g.GroupChannels()*g.Height*g.Width, filters*l, filters*k
	team.For(g.Samples, func(n int) {
		y := y[n*g.Filters*l:][:g.Filters*l]
		clear(y)
		for f, b := range bias {
			row := y[f*l:][:l]
			for j := range row {
				row[j] = b
			}
		}
		buf, giveBack := parallel.Borrow[T](buffers, 2*k*l)
		defer giveBack()
		for group := range g.Groups {
			xs := x[n*g.Channels*g.Height*g.Width+group*xGroup:][:xGroup]
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
			patches := buf[k*l:] // (OH·OW,C/G·KH·KW)
			transpose(patches, cols, k, l)
			blas.Gemm(false, true, filters, l, k, 1, ws, k, patches, k, 1, ys, l)
		}
	})
}

// InputGrad computes gx (N,C,H,W) from w and gy (N,O,OH,OW). With a stride of 1 it is a convolution of gy, which is
// faster than the product with col2im behind it that serves all strides.
func InputGrad[T blas.Float](team *parallel.Team, g Geometry, gx, w, gy []T, buffers *parallel.Scratch) {
	if back, ok := g.Reversed(); ok {
		kernel, giveBack := reversedKernel(g, w, buffers)
		defer giveBack()
		x, y := []int{g.Samples, g.Filters, g.OH, g.OW}, []int{g.Samples, g.Channels, g.Height, g.Width}
		Forward(team, NewGeometry(back, x, []int{g.Channels, g.GroupFilters(), g.KH, g.KW}, y), gx, gy, kernel, nil, buffers)
		return
	}
	k, l, filters := g.patch(), g.area(), g.GroupFilters()
	xGroup, yGroup, wGroup := g.GroupChannels()*g.Height*g.Width, filters*l, filters*k
	team.For(g.Samples, func(n int) {
		cols, giveBack := parallel.Borrow[T](buffers, k*l)
		defer giveBack()
		for group := range g.Groups {
			gx := gx[n*g.Channels*g.Height*g.Width+group*xGroup:][:xGroup]
			ws, gys := w[group*wGroup:][:wGroup], gy[n*g.Filters*l+group*yGroup:][:yGroup]
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

// reversedKernel is the kernel (C,O/G,KH,KW) of the reversed convolution: w (O,C/G,KH,KW) rotated by 180°, with filters
// and channels of each group exchanged.
func reversedKernel[T blas.Float](g Geometry, w []T, buffers *parallel.Scratch) (kernel []T, giveBack func()) {
	kernel, giveBack = parallel.Borrow[T](buffers, len(w))
	filters, channels, taps := g.GroupFilters(), g.GroupChannels(), g.KH*g.KW
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
	return kernel, giveBack
}

// WeightGrad computes gw (O,C/G,KH,KW) from x and gy (N,O,OH,OW): gy·columnsᵀ of each sample and group, summed over a
// fixed partition of the batch.
func WeightGrad[T blas.Float](team *parallel.Team, g Geometry, gw, x, gy []T, buffers *parallel.Scratch) {
	k, l, filters := g.patch(), g.area(), g.GroupFilters()
	xGroup, yGroup, wGroup := g.GroupChannels()*g.Height*g.Width, filters*l, filters*k
	chunks := min(gradChunks, g.Samples)
	partial, giveBack := parallel.Borrow[T](buffers, chunks*len(gw)) // (chunks,O,C/G,KH,KW)
	defer giveBack()
	team.For(chunks, func(chunk int) {
		gw := partial[chunk*len(gw):][:len(gw)]
		clear(gw)
		cols, giveBack := parallel.Borrow[T](buffers, k*l)
		defer giveBack()
		for n := chunk * g.Samples / chunks; n < (chunk+1)*g.Samples/chunks; n++ {
			for group := range g.Groups {
				xs := x[n*g.Channels*g.Height*g.Width+group*xGroup:][:xGroup]
				gys := gy[n*g.Filters*l+group*yGroup:][:yGroup]
				if g.depthwise() {
					depthwiseWeightBackward(g, gw[group*k:][:k], xs, gys)
					continue
				}
				blas.Gemm(false, true, filters, k, l, 1, gys, l, columns(g, cols, xs), l, 1, gw[group*wGroup:], k)
			}
		}
	})
	copy(gw, partial)
	for chunk := 1; chunk < chunks; chunk++ {
		for i, v := range partial[chunk*len(gw):][:len(gw)] {
			gw[i] += v
		}
	}
}
