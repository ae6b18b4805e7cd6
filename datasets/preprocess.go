package datasets

import (
	"cmp"
	"errors"
	"fmt"

	"rkd/datasets/internal/resample"
)

// ErrPreprocess reports preprocessing that is configured wrongly or does not fit an image.
var ErrPreprocess = errors.New("preprocessing")

// Preprocess turns an image into the numbers that a model takes, in this order: orientation, alpha and 16-bit channels
// (see Develop), padding to a square, resize, centre crop, colour, normalisation, layout. The zero value turns
// pictures upright, drops transparency, divides by 255 and keeps everything else.
//
// All steps before normalisation work on 8-bit pixels and give 8-bit pixels (see Pixels). Normalisation is
//
//	x' = (x·scale − mean) / std
//
// with each of the three operations rounded to float32, and scale, mean and std rounded to float32 before: an ONNX
// graph of Cast, Mul, Sub and Div gives the same bits.
type Preprocess struct {
	// Preset names the family whose values UsePreset filled in. It is for the reader: nothing depends on it.
	Preset string `yaml:"preset,omitempty"`
	// Orientation is exif (default): the picture as people see it, or ignore: as it is stored.
	Orientation string `yaml:"orientation,omitempty"`
	// Alpha is what becomes of transparency. Default drop, as PIL.Image.convert("RGB").
	Alpha Alpha `yaml:"alpha,omitempty"`
	// Range maps [low, high] of 16-bit channels to 0–255. Default the upper 8 bits. Files of 8 bits are left alone.
	Range []int `yaml:"range,flow,omitempty"`
	// Draft decodes a JPEG at a half, a quarter or an eighth of its size where that is still no smaller than it is resized
	// to, as Pillow's Image.draft. It changes pixels. Views of an image are made of all of it.
	Draft bool `yaml:"draft,omitempty"`
	// Pad is empty, or square: the shorter side is padded on both sides with Fill, before resizing.
	Pad string `yaml:"pad,omitempty"`
	// Fill is the colour of padding, black by default, and of what a crop takes from outside the image: without it a crop
	// larger than the image is an error.
	Fill RGB `yaml:"fill,omitempty"`
	// Resize: one number makes the shorter side that long and keeps the aspect ratio, the longer side being
	// ⌊number·long/short⌋ as in torchvision; [height, width] resizes to exactly that; nothing keeps the size.
	Resize Size `yaml:"resize,omitempty"`
	// MaxSize bounds the longer side where Resize is one number: where it would be longer it is MaxSize, and the shorter
	// one ⌊MaxSize·short/long⌋. 0 does not bound it.
	MaxSize int `yaml:"max_size,omitempty" within:"[0,16384]"`
	// Interpolation is nearest, box, bilinear (default), hamming, bicubic or lanczos, each with Pillow's bits.
	Interpolation string `yaml:"interpolation,omitempty"`
	// Antialias false interpolates between the nearest pixels however much an image shrinks, as PyTorch's interpolate and
	// OpenCV do; for bilinear and bicubic. Default true.
	Antialias *bool `yaml:"antialias,omitempty"`
	// Crop cuts out the centre; one number is a square. Where the margin is odd, its half is rounded to even, as in
	// torchvision. Where the image is smaller than the crop, Fill surrounds it, as torchvision pads.
	Crop Size `yaml:"crop,omitempty"`
	// Color is empty (the sample's own channels), rgb, bgr or gray. Gray becomes colour by replication; colour becomes
	// gray as ITU-R 601 luma in the fixed-point form of Pillow's mode L, (19595·R + 38470·G + 7471·B + 2¹⁵) / 2¹⁶.
	Color string `yaml:"color,omitempty"`
	// Layout is NCHW (default) or NHWC.
	Layout string `yaml:"layout,omitempty"`
	// Scale multiplies the pixel value 0–255. Default 1/255.
	Scale float64 `yaml:"scale,omitempty" within:"(0,1000000]"`
	// Mean and Std have one value, or one per channel in the order of Color. Defaults 0 and 1.
	Mean []float64 `yaml:"mean,flow,omitempty"`
	Std  []float64 `yaml:"std,flow,omitempty"`
}

const (
	orientationExif   = "exif"
	orientationIgnore = "ignore"

	padSquare = "square"

	interpolationDefault = string(resample.Bilinear)

	colorRGB  = "rgb"
	colorBGR  = "bgr"
	colorGray = "gray"

	layoutNCHW = "NCHW"
	layoutNHWC = "NHWC"
)

// Shape returns the shape of one sample after preprocessing, (C,H,W) or (H,W,C). The pixels of img are
// not read. Its errors wrap ErrPreprocess: the crop does not fit, mean or std do not fit
// the channels, or the size is absurd.
func (p Preprocess) Shape(img Image) ([]int, error) {
	if err := img.checkShape(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPreprocess, err)
	}
	g, err := p.plan(p.developed(img))
	if err != nil {
		return nil, err
	}
	if p.Layout == layoutNHWC {
		return []int{g.cropHeight, g.cropWidth, g.channels}, nil
	}
	return []int{g.channels, g.cropHeight, g.cropWidth}, nil
}

// Apply preprocesses img into dst, whose length is the product of Shape. It allocates only to resize. Its errors wrap
// ErrPreprocess.
func (p Preprocess) Apply(img Image, dst []float32) error {
	if err := img.check(); err != nil {
		return fmt.Errorf("%w: %w", ErrPreprocess, err)
	}
	img = p.Develop(img)
	g, err := p.plan(img)
	if err != nil {
		return err
	}
	if want := g.channels * g.cropHeight * g.cropWidth; len(dst) != want {
		return fmt.Errorf("%w: room for %d numbers, expected %d × %d × %d", ErrPreprocess,
			len(dst), g.channels, g.cropHeight, g.cropWidth)
	}
	img, g = p.shaped(img, g)
	scale := float32(cmp.Or(p.Scale, 1.0/255))
	for k := range g.channels {
		mean, std := float32(channelValue(p.Mean, k, 0)), float32(channelValue(p.Std, k, 1))
		var table [256]float32
		for v := range table {
			// The conversion keeps the compiler from fusing two roundings into one.
			table[v] = (float32(float32(v)*scale) - mean) / std
		}
		fill(dst, &table, img, g, p.channel(img, g, k, p.Layout == layoutNHWC))
	}
	return nil
}

// Pixels applies all but normalisation, and gives 8-bit pixels in the channel order of Color: what a model with
// normalisation baked in takes. Where nothing is to be done the result shares the memory of img.
func (p Preprocess) Pixels(img Image) (Image, error) {
	if err := img.check(); err != nil {
		return Image{}, fmt.Errorf("%w: %w", ErrPreprocess, err)
	}
	img = p.Develop(img)
	g, err := p.plan(img)
	if err != nil {
		return Image{}, err
	}
	img, g = p.shaped(img, g)
	sameColor := g.channels == img.Channels && (g.channels == 1 || p.Color != colorBGR)
	if sameColor && g.cropHeight == img.Height && g.cropWidth == img.Width {
		return img, nil
	}
	var same [256]uint8
	for v := range same {
		same[v] = uint8(v)
	}
	out := Image{
		Height: g.cropHeight, Width: g.cropWidth, Channels: g.channels,
		Pixels: make([]uint8, g.channels*g.cropHeight*g.cropWidth),
	}
	for k := range g.channels {
		fill(out.Pixels, &same, img, g, p.channel(img, g, k, true))
	}
	return out, nil
}

// channel says how channel k of the result is made: interleaved, or as a plane.
func (p Preprocess) channel(img Image, g geometry, k int, interleaved bool) channel {
	c := channel{out: k * g.cropHeight * g.cropWidth, step: 1}
	if interleaved {
		c.out, c.step = k, g.channels
	}
	switch {
	case img.Channels == 1:
	case p.Color == colorGray:
		c.luma = true
	case p.Color == colorBGR:
		c.in = 2 - k
	default:
		c.in = k
	}
	return c
}

// Normalization returns what is done to pixels of so many channels, (x·scale − mean)/std, with one mean and one std for
// each channel, defaults filled in.
func (p Preprocess) Normalization(channels int) (scale float32, mean, std []float32) {
	for k := range channels {
		mean = append(mean, float32(channelValue(p.Mean, k, 0)))
		std = append(std, float32(channelValue(p.Std, k, 1)))
	}
	return float32(cmp.Or(p.Scale, 1.0/255)), mean, std
}

// channelValue is the value of channel k out of none, one, or one per channel.
func channelValue(values []float64, k int, missing float64) float64 {
	switch len(values) {
	case 0:
		return missing
	case 1:
		return values[0]
	}
	return values[k]
}
