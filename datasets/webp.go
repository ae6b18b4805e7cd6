package datasets

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"

	"golang.org/x/image/webp"
)

// readWebP decodes a WebP; of an animated one, the first frame on its canvas. Pixels are those of libwebp: Go's decoder
// gives the same planes, and chroma is interpolated between its samples as libwebp does by default.
func readWebP(data []byte) (Image, error) {
	var orientation Orientation
	var frame []byte
	animated := false
	var canvas image.Point
	for chunk, content := range riffChunks(data[min(12, len(data)):]) {
		switch chunk {
		case "VP8X":
			if len(content) >= 10 {
				animated = content[0]&2 != 0
				canvas = image.Pt(1+int(uint24(content[4:])), 1+int(uint24(content[7:])))
			}
		case "ANMF":
			if frame == nil {
				frame = content
			}
		case "EXIF":
			exif, _ := bytes.CutPrefix(content, []byte("Exif\x00\x00"))
			orientation = exifOrientation(exif)
		}
	}
	var img Image
	var err error
	if animated {
		img, err = firstFrame(frame, canvas)
	} else {
		img, err = stillWebP(data)
	}
	img.Orientation = orientation
	return img, err
}

func stillWebP(data []byte) (Image, error) {
	m, err := webp.Decode(bytes.NewReader(data))
	if err != nil {
		return Image{}, err
	}
	switch m := m.(type) {
	case *image.YCbCr:
		return interpolated(m), nil
	case *image.NYCbCrA:
		img := interpolated(&m.YCbCr)
		img.Alpha = make([]uint8, 0, img.Height*img.Width)
		for y := range img.Height {
			img.Alpha = append(img.Alpha, m.A[y*m.AStride:y*m.AStride+img.Width]...)
		}
		return img, nil
	}
	return convert(m), nil
}

// firstFrame decodes an ANMF chunk and puts it on a canvas of transparent black.
func firstFrame(frame []byte, canvas image.Point) (Image, error) {
	const header = 16
	if len(frame) < header {
		return Image{}, errShort
	}
	left, top := 2*int(uint24(frame)), 2*int(uint24(frame[3:]))
	size := image.Pt(1+int(uint24(frame[6:])), 1+int(uint24(frame[9:])))
	if left+size.X > canvas.X || top+size.Y > canvas.Y {
		return Image{}, errors.New("the first frame lies outside the canvas")
	}
	if err := (Image{Height: canvas.Y, Width: canvas.X, Channels: 3}).checkShape(); err != nil {
		return Image{}, err
	}
	// The frame as a file of its own: VP8X says whether there is alpha.
	extended := make([]byte, 10)
	for chunk := range riffChunks(frame[header:]) {
		if chunk == "ALPH" {
			extended[0] = 1 << 4
		}
	}
	putUint24(extended[4:], size.X-1)
	putUint24(extended[7:], size.Y-1)
	file := append([]byte("RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00"), extended...)
	file = append(file, frame[header:]...)
	binary.LittleEndian.PutUint32(file[4:], uint32(len(file)-8))
	img, err := stillWebP(file)
	if err != nil || size == canvas {
		return img, err
	}
	if img.Alpha == nil {
		img.Alpha = bytes.Repeat([]byte{255}, img.Height*img.Width)
	}
	whole := filled(canvas.Y, canvas.X, 3, nil)
	whole.put(img, top, left)
	alpha := Image{Height: canvas.Y, Width: canvas.X, Channels: 1, Pixels: make([]uint8, canvas.Y*canvas.X)}
	alpha.put(Image{Height: img.Height, Width: img.Width, Channels: 1, Pixels: img.Alpha}, top, left)
	whole.Alpha = alpha.Pixels
	return whole, nil
}

// riffChunks yields type and content of the chunks that lie whole within data.
func riffChunks(data []byte) func(yield func(string, []byte) bool) {
	return func(yield func(string, []byte) bool) {
		for len(data) >= 8 {
			length := uint64(binary.LittleEndian.Uint32(data[4:]))
			if 8+length > uint64(len(data)) || !yield(string(data[:4]), data[8:8+length]) {
				return
			}
			data = data[min(8+length+length&1, uint64(len(data))):]
		}
	}
}

func uint24(b []byte) uint32 { return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 }

func putUint24(b []byte, v int) { b[0], b[1], b[2] = uint8(v), uint8(v>>8), uint8(v>>16) }

// interpolated turns planes of which chroma has half the height and width into colours. A pixel's chroma is
//
//	(9·nearest + 3·next in its row + 3·next in its column + 1·diagonal) / 16
//
// of the four samples around it, in the order of roundings of libwebp's upsampling; at the border a sample stands for
// the missing one.
func interpolated(m *image.YCbCr) Image {
	h, w := m.Rect.Dy(), m.Rect.Dx()
	out := Image{Height: h, Width: w, Channels: 3, Pixels: make([]uint8, 3*h*w)}
	columns, rows := (w+1)/2, (h+1)/2
	for y := range h {
		// The row of chroma that is nearest, and the next one on the pixel's other side.
		near := y / 2
		far := min(max(near-1+2*(y&1), 0), rows-1)
		u, v := m.Cb[near*m.CStride:], m.Cr[near*m.CStride:]
		u2, v2 := m.Cb[far*m.CStride:], m.Cr[far*m.CStride:]
		luma := m.Y[y*m.YStride : y*m.YStride+w]
		dst := out.Pixels[3*y*w : 3*(y+1)*w]
		for x, l := range luma {
			a := x / 2
			b := a - 1 + 2*(x&1)
			if b < 0 || b >= columns {
				yuv(dst[3*x:3*x+3], l, (3*int32(u[a])+int32(u2[a])+2)>>2, (3*int32(v[a])+int32(v2[a])+2)>>2)
				continue
			}
			yuv(dst[3*x:3*x+3], l, mix(u[a], u[b], u2[a], u2[b]), mix(v[a], v[b], v2[a], v2[b]))
		}
	}
	return out
}

// mix weighs four samples 9 : 3 : 3 : 1.
func mix(near, side, below, diagonal uint8) int32 {
	n, s, b, d := int32(near), int32(side), int32(below), int32(diagonal)
	return ((n+s+b+d+8+2*(s+b))>>3 + n) >> 1
}

// yuv is libwebp's conversion of studio-range YUV (BT.601) in fixed point of 14 bits, of which 8 are dropped first.
func yuv(dst []uint8, y uint8, u, v int32) {
	scaled := int32(y) * 19077 >> 8
	dst[0] = clip6(scaled + v*26149>>8 - 14234)
	dst[1] = clip6(scaled - u*6419>>8 - v*13320>>8 + 8708)
	dst[2] = clip6(scaled + u*33050>>8 - 17685)
}

// clip6 drops 6 fractional bits and keeps the result within a byte.
func clip6(v int32) uint8 { return uint8(min(max(v>>6, 0), 255)) }
