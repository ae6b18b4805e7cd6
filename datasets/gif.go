package datasets

import (
	"bytes"
	"image"
	"image/color"
	"image/gif"
)

// readGIF decodes the first picture of a GIF, on a canvas of the file's size that is filled with the transparent colour
// or else the palette's first, as in Pillow.
func readGIF(data []byte) (Image, error) {
	// Go's decoder makes the transparent palette entry black. Dropping alpha needs its colour, so the transparency flag is
	// cleared before decoding.
	transparent := -1
	if at := gifControl(data); at >= 0 {
		const flags, index = 3, 6
		if data[at+flags]&1 != 0 {
			transparent = int(data[at+index])
			data = bytes.Clone(data)
			data[at+flags] &^= 1
		}
	}
	c, err := gif.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return Image{}, err
	}
	m, err := gif.Decode(bytes.NewReader(data))
	if err != nil {
		return Image{}, err
	}
	frame, ok := m.(*image.Paletted)
	if !ok {
		return convert(m), nil
	}
	if transparent >= 0 && transparent < len(frame.Palette) {
		r, g, b, _ := frame.Palette[transparent].RGBA()
		palette := append(color.Palette{}, frame.Palette...)
		palette[transparent] = color.NRGBA{uint8(r >> 8), uint8(g >> 8), uint8(b >> 8), 0}
		frame.Palette = palette
	}
	if screen := image.Rect(0, 0, c.Width, c.Height); frame.Rect != screen {
		canvas := image.NewPaletted(screen, frame.Palette)
		if transparent > 0 && transparent < len(frame.Palette) {
			for i := range canvas.Pix {
				canvas.Pix[i] = uint8(transparent)
			}
		}
		for y := frame.Rect.Min.Y; y < frame.Rect.Max.Y; y++ {
			from := (y - frame.Rect.Min.Y) * frame.Stride
			copy(canvas.Pix[y*canvas.Stride+frame.Rect.Min.X:], frame.Pix[from:from+frame.Rect.Dx()])
		}
		frame = canvas
	}
	return paletted(frame), nil
}

// gifControl is where the graphic control extension of the first picture begins, −1 where it has none.
func gifControl(data []byte) int {
	const header, image, extension, control = 13, 0x2c, 0x21, 0xf9
	if len(data) < header {
		return -1
	}
	at := header
	if flags := data[10]; flags&0x80 != 0 {
		at += 3 << (flags&7 + 1)
	}
	found := -1
	for at+8 <= len(data) && data[at] == extension {
		if data[at+1] == control && data[at+2] == 4 {
			found = at
		}
		// Blocks of a length and so many bytes, until one of length 0.
		for at += 2; at < len(data) && data[at] != 0; {
			at += 1 + int(data[at])
		}
		at++
	}
	if at >= len(data) || data[at] != image {
		return -1
	}
	return found
}
