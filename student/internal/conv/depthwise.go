package conv

import "rkd/student/internal/blas"

// visit calls each(i, j0, j1, h, w0, weight) for every weight and every output row i that reads the input through it:
// outputs [j0,j1) of the row read input row h from column w0 on, a stride apart.
func (g Geometry) visit(each func(i, j0, j1, h, w0, weight int)) {
	for u := range g.KH {
		for v := range g.KW {
			offset := v*g.Dilation[1] - g.Pad[1]
			first, last := inside(g.OW, g.Width, g.Stride[1], offset)
			for i := range g.OH {
				h := i*g.Stride[0] + u*g.Dilation[0] - g.Pad[0]
				if h >= 0 && h < g.Height {
					each(i, first, last, h, first*g.Stride[1]+offset, u*g.KW+v)
				}
			}
		}
	}
}

// depthwiseForward adds to y (OH,OW) the correlation of x (H,W) with w (KH,KW).
func depthwiseForward[T blas.Float](g Geometry, y, x, w []T) {
	g.visit(func(i, j0, j1, h, w0, weight int) {
		k, row := w[weight], x[h*g.Width:][:g.Width]
		dst := y[i*g.OW+j0 : i*g.OW+j1]
		for j := range dst {
			dst[j] += k * row[w0+j*g.Stride[1]]
		}
	})
}

// depthwiseInputBackward adds to gx (H,W) the adjoint of the correlation with w (KH,KW), applied to gy (OH,OW).
func depthwiseInputBackward[T blas.Float](g Geometry, gx, w, gy []T) {
	g.visit(func(i, j0, j1, h, w0, weight int) {
		k, row := w[weight], gx[h*g.Width:][:g.Width]
		for j, v := range gy[i*g.OW+j0 : i*g.OW+j1] {
			row[w0+j*g.Stride[1]] += k * v
		}
	})
}

// depthwiseWeightBackward adds to gw (KH,KW) the correlation of x (H,W) with gy (OH,OW).
func depthwiseWeightBackward[T blas.Float](g Geometry, gw, x, gy []T) {
	g.visit(func(i, j0, j1, h, w0, weight int) {
		row := x[h*g.Width:][:g.Width]
		var sum T
		for j, v := range gy[i*g.OW+j0 : i*g.OW+j1] {
			sum += v * row[w0+j*g.Stride[1]]
		}
		gw[weight] += sum
	})
}
