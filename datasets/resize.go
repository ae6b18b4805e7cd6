package datasets

import (
	"cmp"

	"rkd/datasets/internal/resample"
	"rkd/datasets/memory"
)

// resize scales img to height × width and returns the given window of the result, with Pillow's resampling (see package
// resample) or, without antialiasing, PyTorch's plain interpolation.
func (p Preprocess) resize(img Image, height, width int, window resample.Window) Image {
	src := resample.Image{Height: img.Height, Width: img.Width, Channels: img.Channels, Pixels: img.Pixels}
	filter := resample.Filter(cmp.Or(p.Interpolation, interpolationDefault))
	var out resample.Image
	if p.antialiased() {
		out = resample.Resize(src, height, width, window, filter)
	} else {
		out = resample.Plain(src, height, width, window, filter)
	}
	return Image{Height: out.Height, Width: out.Width, Channels: out.Channels, Pixels: out.Pixels}
}

func (p Preprocess) antialiased() bool { return p.Antialias == nil || *p.Antialias }

// filled is a picture of one colour.
func filled(height, width, channels int, fill RGB) Image {
	out := Image{Height: height, Width: width, Channels: channels, Pixels: memory.Make[uint8](height * width * channels)}
	color := fill.bytes()
	if channels == 1 {
		color[0] = luma(color[0], color[1], color[2])
	}
	if color == [3]uint8{} {
		return out
	}
	for i := range out.Pixels {
		out.Pixels[i] = color[i%channels]
	}
	return out
}

// put copies the whole of img to (top, left) of the picture.
func (m Image) put(img Image, top, left int) {
	n := img.Width * img.Channels
	for y := range img.Height {
		copy(m.Pixels[((top+y)*m.Width+left)*m.Channels:], img.Pixels[y*n:(y+1)*n])
	}
}
