package datasets

import (
	"fmt"
	"image"
	"math"
)

// geometry is what Preprocess does to the size and the channels of one image.
type geometry struct {
	height, width         int // after resizing
	top, left             int // of the crop
	cropHeight, cropWidth int
	channels              int // after the change of colour
}

// pair is height and width of a size of one or two numbers.
func (s Size) pair() (height, width int) { return s[0], s[len(s)-1] }

// plan checks p against the dimensions of img and works out the geometry.
func (p Preprocess) plan(img Image) (geometry, error) {
	if err := p.Validate(); err != nil {
		return geometry{}, err
	}
	g := geometry{height: img.Height, width: img.Width, channels: img.Channels}
	switch len(p.Resize) {
	case 1:
		short, long := p.Resize[0], p.Resize[0]*max(img.Height, img.Width)/min(img.Height, img.Width)
		if g.height, g.width = long, short; img.Height < img.Width {
			g.height, g.width = short, long
		}
	case 2:
		g.height, g.width = p.Resize.pair()
	}
	if err := (Image{Height: g.height, Width: g.width, Channels: g.channels}).checkShape(); err != nil {
		return geometry{}, fmt.Errorf("%w: resizing %d × %d by resize %v: %w",
			ErrPreprocess, img.Height, img.Width, p.Resize, err)
	}
	g.cropHeight, g.cropWidth = g.height, g.width
	if len(p.Crop) > 0 {
		g.cropHeight, g.cropWidth = p.Crop.pair()
		if g.cropHeight > g.height || g.cropWidth > g.width {
			return geometry{}, fmt.Errorf("%w: crop is %d × %d, expected at most the image's %d × %d",
				ErrPreprocess, g.cropHeight, g.cropWidth, g.height, g.width)
		}
		g.top = int(math.RoundToEven(float64(g.height-g.cropHeight) / 2))
		g.left = int(math.RoundToEven(float64(g.width-g.cropWidth) / 2))
	}
	switch p.Color {
	case colorGray:
		g.channels = 1
	case colorRGB, colorBGR:
		g.channels = 3
	}
	for _, values := range [][]float64{p.Mean, p.Std} {
		if len(values) > 1 && len(values) != g.channels {
			return geometry{}, fmt.Errorf("%w: %d values of mean or std for an image of %d channels, expected one or %d",
				ErrPreprocess, len(values), g.channels, g.channels)
		}
	}
	return g, nil
}

// resized returns img in its new size, already cropped, and the geometry that is left to do. An image that has its size
// is returned as it is.
func (p Preprocess) resized(img Image, g geometry) (Image, geometry) {
	if g.height == img.Height && g.width == img.Width {
		return img, g
	}
	img = resize(img, g.height, g.width, image.Rect(g.left, g.top, g.left+g.cropWidth, g.top+g.cropHeight))
	g.top, g.left, g.height, g.width = 0, 0, g.cropHeight, g.cropWidth
	return img, g
}

// channel says how one output channel is read from and written to interleaved pixels.
type channel struct {
	in, out int // offset in a pixel of the image, and of the first value in the result
	step    int // between values of one channel in the result
	luma    bool
}

// fill writes the crop of img into dst, every 8-bit value v of the channel as table[v].
func fill[T uint8 | float32](dst []T, table *[256]T, img Image, g geometry, c channel) {
	stride := img.Channels
	for y := range g.cropHeight {
		start := ((g.top+y)*img.Width + g.left) * stride
		row := img.Pixels[start : start+g.cropWidth*stride]
		o := c.out + y*g.cropWidth*c.step
		if c.luma {
			for i := 0; i < len(row); i += 3 {
				dst[o] = table[luma(row[i], row[i+1], row[i+2])]
				o += c.step
			}
			continue
		}
		for i := c.in; i < len(row); i += stride {
			dst[o] = table[row[i]]
			o += c.step
		}
	}
}

// luma is ITU-R 601 luma in Pillow's fixed point.
func luma(r, g, b uint8) uint8 {
	return uint8((19595*uint32(r) + 38470*uint32(g) + 7471*uint32(b) + 1<<15) >> 16)
}
