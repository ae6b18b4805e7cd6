package datasets

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
	"io"
)

// ErrDecode reports a sample that is no readable image. Only the content is at fault: a file that cannot be opened or
// read is reported with the error of the file system instead, so that skipping bad images never hides a failing disk.
var ErrDecode = errors.New("decoding image")

// decode reads a PNG or JPEG image, told apart by content, with the decoders of the Go standard library.
//
// Gray images, of 8 or 16 bits, give one channel; everything else gives three: palettes and CMYK become RGB, and an alpha
// channel is composited over black (gray with alpha included). 16-bit channels keep their upper 8 bits. JPEG
// is decoded by Go, which replicates subsampled chroma where libjpeg, and so Pillow, interpolates it: on photographs of
// 64 × 64 pixels the two differ by 1.4 levels on average and by dozens along coloured edges. An EXIF orientation is not
// applied, as in torchvision's ImageFolder.
func decode(data []byte) (Image, error) {
	var config func(io.Reader) (image.Config, error)
	var read func(io.Reader) (image.Image, error)
	switch {
	case bytes.HasPrefix(data, []byte("\x89PNG\r\n\x1a\n")):
		config, read = png.DecodeConfig, png.Decode
	case bytes.HasPrefix(data, []byte("\xff\xd8")):
		config, read = jpeg.DecodeConfig, jpeg.Decode
	case len(data) == 0:
		return Image{}, errors.New("empty file, expected PNG or JPEG")
	default:
		return Image{}, fmt.Errorf("content starts with %q, expected PNG or JPEG", data[:min(8, len(data))])
	}
	c, err := config(bytes.NewReader(data))
	if err != nil {
		return Image{}, err
	}
	// Before the decoder allocates what the header claims.
	if err := (Image{Height: c.Height, Width: c.Width, Channels: 1}).checkShape(); err != nil {
		return Image{}, err
	}
	m, err := read(bytes.NewReader(data))
	if err != nil {
		return Image{}, err
	}
	return convert(m), nil
}

// convert copies a standard library image into ours.
func convert(m image.Image) Image {
	b := m.Bounds()
	out := Image{Height: b.Dy(), Width: b.Dx(), Channels: 3}
	if model := m.ColorModel(); model == color.GrayModel || model == color.Gray16Model {
		gray := image.NewGray(image.Rect(0, 0, out.Width, out.Height))
		draw.Draw(gray, gray.Rect, m, b.Min, draw.Src)
		out.Channels, out.Pixels = 1, gray.Pix
		return out
	}
	rgba := image.NewRGBA(image.Rect(0, 0, out.Width, out.Height))
	draw.Draw(rgba, rgba.Rect, m, b.Min, draw.Src)
	out.Pixels = make([]uint8, 3*out.Height*out.Width)
	for i := range out.Height * out.Width {
		copy(out.Pixels[3*i:3*i+3], rgba.Pix[4*i:4*i+3])
	}
	return out
}
