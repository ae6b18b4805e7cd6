package datasets

import "math"

// Develop applies what a file has beside 8-bit pixels: 16-bit channels become 8 bits as Range says, transparency is
// dropped or laid over Alpha, and the picture is turned upright unless Orientation is ignore. A gray picture of a mixed
// data set becomes colour unless Color says otherwise. The result has 8-bit pixels alone; an image that has nothing
// else is returned as it is. Views come after it, and the methods of Preprocess begin with it themselves.
func (p Preprocess) Develop(img Image) Image {
	if img.plain() {
		return img
	}
	if p.colors(img) {
		img = img.colored()
	}
	img.AmongColor = false
	if img.Deep != nil && len(p.Range) == 2 {
		img.Pixels = narrow(img.Deep, p.Range[0], p.Range[1])
	}
	img.Deep = nil
	if img.Alpha != nil && len(p.Alpha) > 0 {
		img = p.over(img)
	}
	img.Alpha = nil
	if p.Orientation != orientationIgnore && img.Orientation.turns() {
		img.Pixels = upright(img.Orientation, img.Pixels, img.Height, img.Width, img.Channels)
		if img.Orientation.swaps() {
			img.Height, img.Width = img.Width, img.Height
		}
	}
	img.Orientation = 0
	return img
}

// DevelopOnly is the part of p that Develop reads, with pixels left as they are: the preprocessing of a model that does
// the rest itself.
func (p Preprocess) DevelopOnly() Preprocess {
	return Preprocess{Orientation: p.Orientation, Alpha: p.Alpha, Range: p.Range}
}

// developed is the shape of Develop's result, without pixels.
func (p Preprocess) developed(img Image) Image {
	if p.Orientation != orientationIgnore && img.Orientation.swaps() {
		img.Height, img.Width = img.Width, img.Height
	}
	if p.colors(img) {
		img.Channels = 3
	}
	return Image{Height: img.Height, Width: img.Width, Channels: img.Channels}
}

// colors says that an image becomes colour because others of its data set have it.
func (p Preprocess) colors(img Image) bool { return img.AmongColor && p.Color == "" }

// CanonicalOf is Canonical for the images of a data set, which may be mixed.
func (p Preprocess) CanonicalOf(mixed bool) string {
	if mixed && p.Color == "" {
		p.Color = "mixed"
	}
	return p.Canonical()
}

// narrow maps low to 0 and high to 255, linearly, rounded to nearest, and clips the rest.
func narrow(deep []uint16, low, high int) []uint8 {
	out := make([]uint8, len(deep))
	for i, v := range deep {
		scaled := float64(int(v)-low) * 255 / float64(high-low)
		out[i] = uint8(math.Round(min(max(scaled, 0), 255)))
	}
	return out
}

// over lays img over the colour Alpha, as Pillow pastes through a mask: (pixel·alpha + colour·(255−alpha)) / 255,
// rounded. A gray picture takes the colour's luma, unless it is to become colour anyway.
func (p Preprocess) over(img Image) Image {
	below := RGB(p.Alpha).bytes()
	switch {
	case img.Channels == 3:
	case p.Color == colorRGB || p.Color == colorBGR:
		img = img.colored()
	default:
		below[0] = luma(below[0], below[1], below[2])
	}
	out := make([]uint8, len(img.Pixels))
	for i, a := range img.Alpha {
		for c := range img.Channels {
			at := i*img.Channels + c
			sum := uint32(img.Pixels[at])*uint32(a) + uint32(below[c])*(255-uint32(a)) + 128
			out[at] = uint8((sum>>8 + sum) >> 8)
		}
	}
	img.Pixels = out
	return img
}
