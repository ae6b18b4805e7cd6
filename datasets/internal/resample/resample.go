package resample

import "sync"

// Image is 8-bit pixels, (Height,Width,Channels) interleaved.
type Image struct {
	Height, Width, Channels int
	Pixels                  []uint8
}

// Window is the part of a resized picture that is wanted, in its pixels.
type Window struct{ Top, Left, Height, Width int }

// Resize scales src to height × width and returns the given window of the result, to the bit what Pillow's
// Image.resize((width, height), filter) gives for a picture of 8 bits a channel, cropped. Only what the window needs is
// computed. All sizes are at least 1, and the window lies within height × width.
//
// A pass along an axis that keeps its size is left out, as in Pillow.
func Resize(src Image, height, width int, w Window, filter Filter) Image {
	if filter == Nearest {
		return nearest(src, height, width, w)
	}
	out := Image{w.Height, w.Width, src.Channels, make([]uint8, w.Height*w.Width*src.Channels)}
	// Rows of src that the vertical pass needs, and where its result begins.
	from, to := w.Top, w.Top+w.Height
	var vertical *weights
	if height != src.Height {
		vertical = axis{src.Height, height, w.Top, w.Height, filter}.weights()
		from, to = vertical.span()
	}
	stride := src.Width * src.Channels
	rows := plane{pixels: src.Pixels[from*stride : to*stride], stride: stride, width: w.Width * src.Channels}
	if width != src.Width {
		wide := axis{src.Width, width, w.Left, w.Width, filter}.weights()
		if vertical == nil {
			horizontal(plane{out.Pixels, w.Width * src.Channels, 0}, rows, to-from, src.Channels, wide)
			return out
		}
		// One byte more than a row: the fast pass writes colour pixels four bytes at a time.
		temporary := plane{stride: w.Width*src.Channels + 1, width: rows.width}
		buffer := buffers.Get().(*[]uint8)
		defer buffers.Put(buffer)
		if need := temporary.stride * (to - from); cap(*buffer) < need {
			*buffer = make([]uint8, need)
		}
		temporary.pixels = (*buffer)[:temporary.stride*(to-from)]
		horizontal(temporary, rows, to-from, src.Channels, wide)
		rows = temporary
	} else {
		rows.pixels = rows.pixels[w.Left*src.Channels:]
	}
	if vertical == nil {
		for y := range w.Height {
			copy(out.Pixels[y*rows.width:(y+1)*rows.width], rows.pixels[y*rows.stride:])
		}
		return out
	}
	for y := range w.Height {
		start := (int(vertical.starts[y]) - from) * rows.stride
		verticalRow(out.Pixels[y*rows.width:(y+1)*rows.width], rows.pixels[start:], rows.stride, vertical, y)
	}
	return out
}

// buffers holds what lies between the two passes.
var buffers = sync.Pool{New: func() any { return new([]uint8) }}

// plane is rows of bytes, stride apart.
type plane struct {
	pixels []uint8
	stride int
	width  int // bytes of a row that count
}

// nearest copies, for each pixel, the source pixel under its centre. Positions are added up step by step, as Pillow does,
// which decides the ties.
func nearest(src Image, height, width int, w Window) Image {
	out := Image{w.Height, w.Width, src.Channels, make([]uint8, w.Height*w.Width*src.Channels)}
	columns := centres(src.Width, width, w.Left, w.Width)
	for i, y := range centres(src.Height, height, w.Top, w.Height) {
		row := src.Pixels[y*src.Width*src.Channels:]
		dst := out.Pixels[i*w.Width*src.Channels : (i+1)*w.Width*src.Channels]
		if src.Channels == 3 {
			for j, x := range columns {
				p, q := row[3*x:3*x+3], dst[3*j:3*j+3]
				q[0], q[1], q[2] = p[0], p[1], p[2]
			}
			continue
		}
		for j, x := range columns {
			copy(dst[j*src.Channels:(j+1)*src.Channels], row[x*src.Channels:])
		}
	}
	return out
}

// centres are the source positions of output positions offset to offset+count.
func centres(in, out, offset, count int) []int {
	step := float64(in) / float64(out)
	at := float64(step * 0.5)
	positions := make([]int, 0, count)
	for i := range offset + count {
		if i >= offset {
			positions = append(positions, min(int(at), in-1))
		}
		at += step
	}
	return positions
}
