package resample

import "golang.org/x/sys/cpu"

// horizontalAVX2 resamples two rows of colour pixels. It reads 8 bytes for each two pixels, so 2 beyond the last, and
// writes 4 bytes for each pixel, so 1 beyond the last.
//
//go:noescape
func horizontalAVX2(dst0, dst1, src0, src1 *uint8, starts, pairs *int32, count, pairCount int)

// verticalAVX2 computes 16·blocks bytes of one row.
//
//go:noescape
func verticalAVX2(dst, src *uint8, stride, blocks int, pairs *int32, pairCount int)

// horizontalFast resamples all rows, or none where it cannot, and returns how many it did. dst has a byte to spare
// after each row but where the rows lie tight: then the last is left to do.
func horizontalFast(dst, src plane, rows int, w *weights) int {
	if !cpu.X86.HasAVX2 || w.pairs == nil {
		return 0
	}
	count := len(w.starts)
	// A row that is the last of its memory is read from a copy, and a tight row written to one.
	var line [2][]uint8
	for y := 0; y < rows; y += 2 {
		var in, out [2]*uint8
		for k := range in {
			row := min(y+k, rows-1)
			source := src.pixels[row*src.stride:]
			if row == rows-1 {
				spare := make([]uint8, src.width+8)
				copy(spare, source[:src.width])
				source = spare
			}
			in[k] = &source[0]
			if dst.stride > 3*count && row == y+k {
				out[k] = &dst.pixels[row*dst.stride]
				continue
			}
			if line[k] == nil {
				line[k] = make([]uint8, 3*count+1)
			}
			out[k] = &line[k][0]
		}
		horizontalAVX2(out[0], out[1], in[0], in[1], &w.starts[0], &w.pairs[0], count, w.taps/2)
		for k := range out {
			if dst.stride == 3*count && y+k < rows {
				copy(dst.pixels[(y+k)*dst.stride:(y+k+1)*dst.stride], line[k])
			}
		}
	}
	return rows
}

// verticalFast computes the bytes of a row that fill whole registers and returns how many those are.
func verticalFast(dst, src []uint8, stride int, w *weights, y int) int {
	if !cpu.X86.HasAVX2 || w.pairs == nil || len(dst) < 16 {
		return 0
	}
	pairs := &w.pairs[y*w.taps]
	blocks := len(dst) / 16
	verticalAVX2(&dst[0], &src[0], stride, blocks, pairs, w.taps/2)
	if tail := len(dst) - 16*blocks; tail > 0 {
		// The last register overlaps the one before it.
		at := len(dst) - 16
		verticalAVX2(&dst[at], &src[at], stride, 1, pairs, w.taps/2)
	}
	return len(dst)
}
