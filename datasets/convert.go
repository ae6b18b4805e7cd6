package datasets

import (
	"image"
	"image/color"
	"image/draw"
)

// convert copies an image of the standard library into ours. Alpha is kept where some pixel is not opaque.
func convert(m image.Image) Image {
	b := m.Bounds()
	h, w := b.Dy(), b.Dx()
	switch m := m.(type) {
	case *image.Gray:
		out := Image{Height: h, Width: w, Channels: 1, Pixels: make([]uint8, 0, h*w)}
		for y := range h {
			out.Pixels = append(out.Pixels, m.Pix[y*m.Stride:y*m.Stride+w]...)
		}
		return out
	case *image.Gray16:
		return deep(m.Pix, m.Stride, h, w, 1, false)
	case *image.RGBA64:
		return deep(m.Pix, m.Stride, h, w, 3, false)
	case *image.NRGBA64:
		return deep(m.Pix, m.Stride, h, w, 3, true)
	case *image.NRGBA:
		return quads(m.Pix, m.Stride, h, w, true)
	case *image.RGBA:
		if m.Opaque() {
			return quads(m.Pix, m.Stride, h, w, false)
		}
	case *image.Paletted:
		return paletted(m)
	case *image.CMYK:
		return inks(m)
	}
	straight := image.NewNRGBA(image.Rect(0, 0, w, h))
	draw.Draw(straight, straight.Rect, m, b.Min, draw.Src)
	return quads(straight.Pix, straight.Stride, h, w, true)
}

// quads are pixels of red, green, blue and alpha.
func quads(pix []uint8, stride, h, w int, alpha bool) Image {
	out := Image{Height: h, Width: w, Channels: 3, Pixels: make([]uint8, 3*h*w)}
	if alpha {
		out.Alpha = make([]uint8, h*w)
	}
	opaque, i := true, 0
	for y := range h {
		row := pix[y*stride : y*stride+4*w]
		for ; len(row) > 0; row = row[4:] {
			p := out.Pixels[3*i : 3*i+3 : 3*i+3]
			p[0], p[1], p[2] = row[0], row[1], row[2]
			if alpha {
				out.Alpha[i] = row[3]
				opaque = opaque && row[3] == 255
			}
			i++
		}
	}
	if opaque {
		out.Alpha = nil
	}
	return out
}

// deep are pixels of 16 bits a channel, big-endian, of which channels count: of four, red, green, blue and alpha.
func deep(pix []uint8, stride, h, w, channels int, alpha bool) Image {
	n := h * w * channels
	out := Image{Height: h, Width: w, Channels: channels, Pixels: make([]uint8, 0, n), Deep: make([]uint16, 0, n)}
	size := 2
	if channels == 3 {
		size = 8
	}
	opaque := true
	for y := range h {
		row := pix[y*stride : y*stride+size*w]
		for ; len(row) > 0; row = row[size:] {
			for c := 0; c < 2*channels; c += 2 {
				out.Pixels = append(out.Pixels, row[c])
				out.Deep = append(out.Deep, uint16(row[c])<<8|uint16(row[c+1]))
			}
			if alpha {
				out.Alpha = append(out.Alpha, row[6])
				opaque = opaque && row[6] == 255
			}
		}
	}
	if opaque {
		out.Alpha = nil
	}
	return out
}

func paletted(m *image.Paletted) Image {
	h, w := m.Rect.Dy(), m.Rect.Dx()
	var colors [256]color.NRGBA
	opaque := true
	for i, c := range m.Palette {
		straight, ok := c.(color.NRGBA)
		if !ok {
			straight = color.NRGBAModel.Convert(c).(color.NRGBA)
		}
		colors[i] = straight
		opaque = opaque && straight.A == 255
	}
	out := Image{Height: h, Width: w, Channels: 3, Pixels: make([]uint8, 0, 3*h*w)}
	for y := range h {
		for _, index := range m.Pix[y*m.Stride : y*m.Stride+w] {
			c := colors[index]
			out.Pixels = append(out.Pixels, c.R, c.G, c.B)
			if !opaque {
				out.Alpha = append(out.Alpha, c.A)
			}
		}
	}
	return out
}

// inks turns CMYK into RGB as Pillow does: (255 − K) − C·(255 − K)/255, rounded.
func inks(m *image.CMYK) Image {
	h, w := m.Rect.Dy(), m.Rect.Dx()
	out := Image{Height: h, Width: w, Channels: 3, Pixels: make([]uint8, 0, 3*h*w)}
	for y := range h {
		row := m.Pix[y*m.Stride : y*m.Stride+4*w]
		for ; len(row) > 0; row = row[4:] {
			light := 255 - int(row[3])
			for _, ink := range row[:3] {
				product := int(ink)*light + 128
				out.Pixels = append(out.Pixels, uint8(max(0, light-((product>>8+product)>>8))))
			}
		}
	}
	return out
}
