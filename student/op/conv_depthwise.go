package op

import "rkd/student/internal/blas"

// visit calls each(i, j0, j1, h, w0, weight) for every row of every tap of a kernel: the outputs [j0,j1) of row i see,
// through that weight, the inputs of row h that begin at w0 and lie a stride apart.
func (g convGeometry) visit(each func(i, j0, j1, h, w0, weight int)) {
	for u := range g.kh {
		for v := range g.kw {
			offset := v*g.Dilation[1] - g.Pad[1]
			first, last := inside(g.ow, g.width, g.Stride[1], offset)
			for i := range g.oh {
				h := i*g.Stride[0] + u*g.Dilation[0] - g.Pad[0]
				if h >= 0 && h < g.height {
					each(i, first, last, h, first*g.Stride[1]+offset, u*g.kw+v)
				}
			}
		}
	}
}

// depthwiseForward adds to y (OH,OW) the correlation of x (H,W) with w (kh,kw).
func depthwiseForward[T blas.Float](g convGeometry, y, x, w []T) {
	g.visit(func(i, j0, j1, h, w0, weight int) {
		k, row := w[weight], x[h*g.width:][:g.width]
		dst := y[i*g.ow+j0 : i*g.ow+j1]
		for j := range dst {
			dst[j] += k * row[w0+j*g.Stride[1]]
		}
	})
}

// depthwiseInputBackward adds to gx (H,W) what w (kh,kw) carries back from gy (OH,OW).
func depthwiseInputBackward[T blas.Float](g convGeometry, gx, w, gy []T) {
	g.visit(func(i, j0, j1, h, w0, weight int) {
		k, row := w[weight], gx[h*g.width:][:g.width]
		for j, v := range gy[i*g.ow+j0 : i*g.ow+j1] {
			row[w0+j*g.Stride[1]] += k * v
		}
	})
}

// depthwiseWeightBackward adds to gw (kh,kw) the correlation of x (H,W) with gy (OH,OW).
func depthwiseWeightBackward[T blas.Float](g convGeometry, gw, x, gy []T) {
	g.visit(func(i, j0, j1, h, w0, weight int) {
		row := x[h*g.width:][:g.width]
		var sum T
		for j, v := range gy[i*g.ow+j0 : i*g.ow+j1] {
			sum += v * row[w0+j*g.Stride[1]]
		}
		gw[weight] += sum
	})
}
