package datasets

import (
	"fmt"
	"math"

	"rkd/datasets/internal/resample"
)

// geometry is what Preprocess does to the size and the channels of one image.
type geometry struct {
	square                int // side after padding to a square, 0 without
	height, width         int // after resizing
	top, left             int // of the crop; negative where it begins outside
	cropHeight, cropWidth int
	channels              int // after the change of colour
}

// pair is height and width of a size of one or two numbers.
func (s Size) pair() (height, width int) { return s[0], s[len(s)-1] }

// plan checks p against the dimensions of img, which is developed, and works out the geometry.
func (p Preprocess) plan(img Image) (geometry, error) {
	if err := p.Validate(); err != nil {
		return geometry{}, err
	}
	g := geometry{height: img.Height, width: img.Width, channels: img.Channels}
	if p.Pad == padSquare && img.Height != img.Width {
		g.square = max(img.Height, img.Width)
		g.height, g.width = g.square, g.square
	}
	switch len(p.Resize) {
	case 1:
		short, long := p.Resize[0], p.Resize[0]*max(g.height, g.width)/min(g.height, g.width)
		if p.MaxSize > 0 && long > p.MaxSize {
			short, long = p.MaxSize*short/long, p.MaxSize
		}
		if g.height < g.width {
			g.height, g.width = short, long
		} else {
			g.height, g.width = long, short
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
		if len(p.Fill) == 0 && (g.cropHeight > g.height || g.cropWidth > g.width) {
			return geometry{}, fmt.Errorf("%w: crop is %d × %d, expected at most the image's %d × %d, or preprocess.fill, the "+
				"colour around smaller images", ErrPreprocess, g.cropHeight, g.cropWidth, g.height, g.width)
		}
		g.top, g.left = margin(g.height, g.cropHeight), margin(g.width, g.cropWidth)
	}
	switch p.Color {
	case colorGray:
		g.channels = 1
	case colorRGB, colorBGR:
		g.channels = 3
	}
	for _, values := range [][]float64{p.Mean, p.Std} {
		if len(values) > 1 && len(values) != g.channels {
			return geometry{}, fmt.Errorf("%w: %d values of mean or std for an image of %d channels, expected one or %d: "+
				"preprocess.color: rgb makes every image one of 3 channels", ErrPreprocess, len(values), g.channels, g.channels)
		}
	}
	return g, nil
}

// margin is where a centred crop begins: half of what is left over, rounded to even, or half of what is missing,
// rounded up in favour of the far side, as torchvision's center_crop pads.
func margin(size, crop int) int {
	if crop > size {
		return -((crop - size) / 2)
	}
	return int(math.RoundToEven(float64(size-crop) / 2))
}

// shaped returns img padded, resized and cropped as g says. An image that is to keep its size is returned as it is, and
// a crop alone is left to the caller, with the geometry of what is left to do.
func (p Preprocess) shaped(img Image, g geometry) (Image, geometry) {
	if (g.square > 0 || g.cropHeight > g.height || g.cropWidth > g.width) && !p.Fill.gray() && p.Color != colorGray &&
		g.channels == 3 {
		img = img.colored() // a gray picture on a coloured ground
	}
	if g.square > 0 {
		square := filled(g.square, g.square, img.Channels, p.Fill)
		square.put(img, (g.square-img.Height)/2, (g.square-img.Width)/2)
		img = square
	}
	// The part of the crop within the picture.
	w := resample.Window{Top: max(g.top, 0), Left: max(g.left, 0)}
	w.Height, w.Width = min(g.cropHeight, g.height), min(g.cropWidth, g.width)
	if g.height != img.Height || g.width != img.Width {
		img = p.resize(img, g.height, g.width, w)
		w.Top, w.Left = 0, 0
	}
	if w.Height < g.cropHeight || w.Width < g.cropWidth {
		canvas := filled(g.cropHeight, g.cropWidth, img.Channels, p.Fill)
		canvas.put(img.window(w), max(-g.top, 0), max(-g.left, 0))
		img = canvas
		w.Top, w.Left = 0, 0
	}
	g.square, g.height, g.width, g.top, g.left = 0, img.Height, img.Width, w.Top, w.Left
	return img, g
}

// window cuts out a part.
func (m Image) window(w resample.Window) Image {
	if w.Height == m.Height && w.Width == m.Width {
		return m
	}
	out := Image{
		Height: w.Height, Width: w.Width, Channels: m.Channels,
		Pixels: make([]uint8, 0, w.Height*w.Width*m.Channels),
	}
	for y := range w.Height {
		at := ((w.Top+y)*m.Width + w.Left) * m.Channels
		out.Pixels = append(out.Pixels, m.Pixels[at:at+w.Width*m.Channels]...)
	}
	return out
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
