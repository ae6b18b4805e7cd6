package conv

import "rkd/student/internal/blas"

// columns is im2col of one group x (C/G,H,W): the matrix (C/G·KH·KW, OH·OW) of its patches. It fills and returns cols,
// or returns x if that is the matrix already.
func columns[T blas.Float](g Geometry, cols, x []T) []T {
	if g.pointwise() {
		return x
	}
	columnsTo(g, cols, g.area(), x)
	return cols
}

// columnsTo writes that matrix to cols with a row stride of stride elements.
func columnsTo[T blas.Float](g Geometry, cols []T, stride int, x []T) {
	area, size := g.area(), g.Height*g.Width
	for c := range g.GroupChannels() {
		plane := x[c*size:][:size]
		for i, t := range g.taps {
			row := cols[(c*len(g.taps)+i)*stride:][:area]
			if t.whole {
				shiftPlane(row, plane, t.shift)
				clearOutside(row, g.OW, t)
				continue
			}
			for i := range g.OH {
				dst := row[i*g.OW:][:g.OW]
				h := i*g.Stride[0] + t.row
				if h < 0 || h >= g.Height || t.first == t.last {
					clear(dst)
					continue
				}
				src, w := plane[h*g.Width:][:g.Width], t.column
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

// shiftPlane sets dst[i] = src[i+by], 0 outside. Both have the same length.
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

// clearOutside zeroes the columns of a plane, whose rows are width wide, in which a tap reads padding.
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

// addColumns is col2im, the adjoint of columns: it adds each entry of cols to the element of x that it was copied from.
func addColumns[T blas.Float](g Geometry, x, cols []T) { addColumnsFrom(g, x, cols, g.area()) }

// addColumnsFrom is addColumns with a row stride of stride elements. It overwrites entries of cols that are padding.
func addColumnsFrom[T blas.Float](g Geometry, x, cols []T, stride int) {
	area, size := g.area(), g.Height*g.Width
	for c := range g.GroupChannels() {
		plane := x[c*size:][:size]
		for i, t := range g.taps {
			row := cols[(c*len(g.taps)+i)*stride:][:area]
			if t.whole {
				clearOutside(row, g.OW, t)
				if from, to := max(0, -t.shift), min(area, area-t.shift); from < to {
					blas.Axpy(1, row[from:to], plane[from+t.shift:to+t.shift])
				}
				continue
			}
			for i := range g.OH {
				h := i*g.Stride[0] + t.row
				if h < 0 || h >= g.Height || t.first == t.last {
					continue
				}
				dst, src, w := plane[h*g.Width:][:g.Width], row[i*g.OW:][:g.OW], t.column
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

// transpose writes the transpose of src (rows,cols) to dst (cols,rows), four rows at a time for contiguous writes.
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
