package datasets

import "encoding/binary"

// Orientation is the EXIF orientation of stored pixels: 1 to 8, or 0 where a file says nothing. The first row and
// column of what is stored are, in the picture as people see it,
//
//	1 top, left      2 top, right     3 bottom, right  4 bottom, left
//	5 left, top      6 right, top     7 right, bottom  8 left, bottom
type Orientation uint8

// turns reports whether the pixels have to be moved.
func (o Orientation) turns() bool { return o >= 2 && o <= 8 }

// swaps reports whether height and width change places.
func (o Orientation) swaps() bool { return o >= 5 && o <= 8 }

// upright turns a raster of height × width pixels of n values each.
func upright[T any](o Orientation, pixels []T, height, width, n int) []T {
	out := make([]T, len(pixels))
	// A step along a stored row and down a stored column, in pixels of the result, and where the first pixel goes.
	w := width
	if o.swaps() {
		w = height
	}
	var start, right, down int
	switch o {
	case 2:
		start, right, down = width-1, -1, w
	case 3:
		start, right, down = width*height-1, -1, -w
	case 4:
		start, right, down = width*(height-1), 1, -w
	case 5:
		start, right, down = 0, w, 1
	case 6:
		start, right, down = height-1, w, -1
	case 7:
		start, right, down = width*height-1, -w, -1
	case 8:
		start, right, down = (width-1)*height, -w, 1
	default:
		return pixels
	}
	in := 0
	for y := range height {
		at := start + y*down
		for range width {
			copy(out[at*n:(at+1)*n], pixels[in:in+n])
			in += n
			at += right
		}
	}
	return out
}

// exifOrientation reads the orientation out of EXIF data, which are a TIFF file: tag 274 of the first directory. What
// cannot be read says nothing, as in Pillow.
func exifOrientation(data []byte) Orientation {
	var order binary.ByteOrder
	if len(data) < 8 {
		return 0
	}
	switch string(data[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return 0
	}
	at := uint64(order.Uint32(data[4:]))
	if at+2 > uint64(len(data)) {
		return 0
	}
	const tag, short = 274, 3
	entries := uint64(order.Uint16(data[at:]))
	for i := range entries {
		entry := at + 2 + 12*i
		if entry+12 > uint64(len(data)) {
			return 0
		}
		if order.Uint16(data[entry:]) == tag {
			if v := order.Uint16(data[entry+8:]); order.Uint16(data[entry+2:]) == short && v <= 8 {
				return Orientation(v)
			}
			return 0
		}
	}
	return 0
}
