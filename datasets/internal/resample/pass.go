package resample

// horizontal resamples rows of src, which begin at column left of the picture, along their width into dst.
func horizontal(dst, src plane, rows, channels, left int, w *weights) {
	if left > 0 {
		moved := *w
		moved.starts = make([]int32, len(w.starts))
		for i, start := range w.starts {
			moved.starts[i] = start - int32(left)
		}
		w = &moved
	}
	done := 0
	if channels == 3 {
		done = horizontalFast(dst, src, rows, w)
	}
	for y := done; y < rows; y++ {
		if channels == 3 {
			horizontalRGB(dst.row(y), src.row(y), w)
		} else {
			horizontalGray(dst.row(y), src.row(y), w)
		}
	}
}

// vertical resamples columns of src, whose first row is row top of the picture, into rows of dst.
func vertical(dst, src plane, rows, top int, w *weights) {
	for y := range rows {
		start := (int(w.starts[y]) - top) * src.stride
		verticalRow(dst.row(y), src.pixels[start:], src.stride, w, y)
	}
}

func horizontalRGB(dst, src []uint8, w *weights) {
	for i, start := range w.starts {
		numbers := w.numbers[i*w.taps : (i+1)*w.taps]
		in := src[3*start : 3*(int(start)+w.taps)]
		r, g, b := int32(half), int32(half), int32(half)
		for j, k := range numbers {
			p := in[3*j : 3*j+3 : 3*j+3]
			r += int32(p[0]) * k
			g += int32(p[1]) * k
			b += int32(p[2]) * k
		}
		out := dst[3*i : 3*i+3 : 3*i+3]
		out[0], out[1], out[2] = clip(r), clip(g), clip(b)
	}
}

func horizontalGray(dst, src []uint8, w *weights) {
	for i, start := range w.starts {
		in := src[start : int(start)+w.taps]
		sum := int32(half)
		for j, k := range w.numbers[i*w.taps : (i+1)*w.taps] {
			sum += int32(in[j]) * k
		}
		dst[i] = clip(sum)
	}
}

// verticalRow is output row y: the sum over w's taps of the rows that begin at src, stride apart, times coefficients.
func verticalRow(dst, src []uint8, stride int, w *weights, y int) {
	numbers := w.numbers[y*w.taps : (y+1)*w.taps]
	for x := verticalFast(dst, src, stride, w, y); x < len(dst); x++ {
		sum := int32(half)
		for j, k := range numbers {
			sum += int32(src[j*stride+x]) * k
		}
		dst[x] = clip(sum)
	}
}

// clip drops the fraction and keeps the result within a byte.
func clip(sum int32) uint8 { return uint8(min(max(sum>>fraction, 0), 255)) }
