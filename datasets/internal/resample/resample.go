package resample

import "sync"

// Image is 8-bit pixels, (Height,Width,Channels) interleaved.
type Image struct {
	Height, Width, Channels int
	Pixels                  []uint8
}

// Window is the part of a resized picture that is wanted, in its pixels.
type Window struct{ Top, Left, Height, Width int }

// Resize scales src to height × width and returns the given window of the result, to the bit what Pillow 13's
// Image.resize((width, height), filter) gives for a picture of 8 bits a channel, cropped. Only what the window needs is
// computed. All sizes are at least 1, and the window lies within height × width.
//
// A pass along an axis that keeps its size is left out. The horizontal pass comes first, unless the height shrinks and
// by more than twice as many pixels as the width: then the vertical one does, as in Pillow since version 13. Earlier
// versions always began with the horizontal pass, which gives other pixels, by a level, in those cases alone.
func Resize(src Image, height, width int, w Window, filter Filter) Image {
	if filter == Nearest {
		return nearest(src, height, width, w)
	}
	out := Image{w.Height, w.Width, src.Channels, make([]uint8, w.Height*w.Width*src.Channels)}
	result := plane{out.Pixels, w.Width * src.Channels, w.Width * src.Channels}
	var across, down *weights
	if width != src.Width {
		across = axis{src.Width, width, w.Left, w.Width, filter}.weights()
	}
	if height != src.Height {
		down = axis{src.Height, height, w.Top, w.Height, filter}.weights()
	}
	// The part of src that the passes need.
	top, bottom, left, right := w.Top, w.Top+w.Height, w.Left, w.Left+w.Width
	if down != nil {
		top, bottom = down.span()
	}
	if across != nil {
		left, right = across.span()
	}
	n := src.Channels
	stride := src.Width * n
	part := plane{src.Pixels[top*stride : bottom*stride], stride, stride}
	columns := plane{part.pixels[left*n:], stride, (right - left) * n}
	switch {
	case across == nil && down == nil:
		for y := range w.Height {
			copy(result.row(y), columns.row(y))
		}
	case across == nil:
		vertical(result, columns, w.Height, top, down)
	case down == nil:
		horizontal(result, part, w.Height, n, 0, across)
	case height < src.Height && src.Height-height > 2*(src.Width-width):
		between := borrow(w.Height, columns.width, columns.width)
		defer between.giveBack()
		vertical(between.plane, columns, w.Height, top, down)
		horizontal(result, between.plane, w.Height, n, left, across)
	default:
		// One byte more than a row: the fast pass writes colour pixels four bytes at a time.
		between := borrow(bottom-top, result.width+1, result.width)
		defer between.giveBack()
		horizontal(between.plane, part, bottom-top, n, 0, across)
		vertical(result, between.plane, w.Height, top, down)
	}
	return out
}

// loan is a plane between the two passes, whose memory is used again.
type loan struct {
	plane
	buffer *[]uint8
}

var buffers = sync.Pool{New: func() any { return new([]uint8) }}

func borrow(rows, stride, width int) loan {
	buffer := buffers.Get().(*[]uint8)
	if cap(*buffer) < rows*stride {
		*buffer = make([]uint8, rows*stride)
	}
	return loan{plane{(*buffer)[:rows*stride], stride, width}, buffer}
}

func (l loan) giveBack() { buffers.Put(l.buffer) }

// plane is rows of bytes, stride apart.
type plane struct {
	pixels []uint8
	stride int
	width  int // bytes of a row that count
}

func (p plane) row(y int) []uint8 { return p.pixels[y*p.stride : y*p.stride+p.width] }

// nearest copies, for each pixel, the source pixel under its centre. Positions are added up step by step, as Pillow
// does, which decides the ties.
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
