package datasets

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// ErrPreprocess reports preprocessing that is configured wrongly or does not fit an image.
var ErrPreprocess = errors.New("preprocessing")

// Preprocess turns an image into the numbers that a model takes: resize, centre crop, colour, normalisation, layout, in
// this order. The zero value divides by 255 and keeps everything else.
//
// The first three steps work on 8-bit pixels and give 8-bit pixels (see Pixels). Normalisation is
//
//	x' = (x·scale − mean) / std
//
// with each of the three operations rounded to float32, and scale, mean and std rounded to float32 before: an ONNX graph
// of Cast, Mul, Sub and Div gives the same bits.
type Preprocess struct {
	// Resize: one number makes the shorter side that long and keeps the aspect ratio, the longer side being
	// ⌊number·long/short⌋ as in torchvision; [height, width] resizes to exactly that; nothing keeps the size.
	Resize Size `yaml:"resize,omitempty"`
	// Crop cuts out the centre; one number is a square. Where the margin is odd, its half is rounded to even, as in
	// torchvision. An image smaller than the crop is an error.
	Crop Size `yaml:"crop,omitempty"`
	// Color is empty (the sample's own channels), rgb, bgr or gray. Gray becomes colour by replication; colour becomes gray
	// as ITU-R 601 luma in the fixed-point form of Pillow's mode L, (19595·R + 38470·G + 7471·B + 2¹⁵) / 2¹⁶.
	Color string `yaml:"color,omitempty"`
	// Layout is NCHW (default) or NHWC.
	Layout string `yaml:"layout,omitempty"`
	// Scale multiplies the pixel value 0–255. Default 1/255.
	Scale float64 `yaml:"scale,omitempty"`
	// Mean and Std have one value, or one per channel in the order of Color. Defaults 0 and 1.
	Mean []float64 `yaml:"mean,flow,omitempty"`
	Std  []float64 `yaml:"std,flow,omitempty"`
}

const (
	colorRGB  = "rgb"
	colorBGR  = "bgr"
	colorGray = "gray"

	layoutNCHW = "NCHW"
	layoutNHWC = "NHWC"
)

// Validate checks every field. Its errors wrap ErrPreprocess.
func (p Preprocess) Validate() error {
	if err := p.Resize.check(); err != nil {
		return fmt.Errorf("%w: resize is %w", ErrPreprocess, err)
	}
	if err := p.Crop.check(); err != nil {
		return fmt.Errorf("%w: crop is %w", ErrPreprocess, err)
	}
	switch p.Color {
	case "", colorRGB, colorBGR, colorGray:
	default:
		return fmt.Errorf("%w: color is %q, expected rgb, bgr, gray or nothing", ErrPreprocess, p.Color)
	}
	switch p.Layout {
	case "", layoutNCHW, layoutNHWC:
	default:
		return fmt.Errorf("%w: layout is %q, expected NCHW or NHWC", ErrPreprocess, p.Layout)
	}
	if scale := float32(p.Scale); p.Scale != 0 && !(scale > 0) || !finite(p.Scale) {
		return fmt.Errorf("%w: scale is %v, expected a positive number", ErrPreprocess, p.Scale)
	}
	for i, m := range p.Mean {
		if !finite(m) {
			return fmt.Errorf("%w: mean[%d] is %v, expected a finite number", ErrPreprocess, i, m)
		}
	}
	for i, s := range p.Std {
		if !(float32(s) > 0) || !finite(s) {
			return fmt.Errorf("%w: std[%d] is %v, expected a positive number", ErrPreprocess, i, s)
		}
	}
	return cmp.Or(p.checkCount("mean", len(p.Mean)), p.checkCount("std", len(p.Std)))
}

// checkCount checks a number of values against the channels that Color allows.
func (p Preprocess) checkCount(field string, n int) error {
	if n <= 1 || n == 3 && p.Color != colorGray {
		return nil
	}
	if p.Color == colorGray {
		return fmt.Errorf("%w: %s has %d values, expected one for color gray", ErrPreprocess, field, n)
	}
	return fmt.Errorf("%w: %s has %d values, expected one, or one for each of 3 channels", ErrPreprocess, field, n)
}

// finite reports whether x is finite as a float32.
func finite(x float64) bool { return math.Abs(x) <= math.MaxFloat32 }

// Shape returns the shape of one sample after preprocessing, (C,H,W) or (H,W,C). Only the dimensions of img are read. Its
// errors wrap ErrPreprocess: the crop does not fit, or mean or std do not fit the channels.
func (p Preprocess) Shape(img Image) ([]int, error) {
	if err := img.checkShape(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPreprocess, err)
	}
	g, err := p.plan(img)
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
	g, err := p.plan(img)
	if err != nil {
		return err
	}
	if want := g.channels * g.cropHeight * g.cropWidth; len(dst) != want {
		return fmt.Errorf("%w: room for %d numbers, expected %d × %d × %d", ErrPreprocess,
			len(dst), g.channels, g.cropHeight, g.cropWidth)
	}
	img, g = p.resized(img, g)
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

// Pixels applies only resize, crop and colour, and gives 8-bit pixels in the channel order of Color: what a model with
// normalisation baked in takes. Where nothing is to be done the result shares the memory of img.
func (p Preprocess) Pixels(img Image) (Image, error) {
	if err := img.check(); err != nil {
		return Image{}, fmt.Errorf("%w: %w", ErrPreprocess, err)
	}
	g, err := p.plan(img)
	if err != nil {
		return Image{}, err
	}
	img, g = p.resized(img, g)
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

// Canonical writes the effective values in one fixed form, for a cache key: configurations that compute the same numbers
// in other words give equal texts. Numbers are those of float32, and one value stands for equal values of all channels.
func (p Preprocess) Canonical() string {
	resize := "keep"
	if len(p.Resize) > 0 {
		resize = "bilinear:" + joinInts(p.Resize)
	}
	crop := "keep"
	if len(p.Crop) > 0 {
		h, w := p.Crop.pair()
		crop = joinInts([]int{h, w})
	}
	return fmt.Sprintf("resize=%s crop=%s color=%s layout=%s scale=%s mean=%s std=%s", resize, crop,
		cmp.Or(p.Color, "keep"), cmp.Or(p.Layout, layoutNCHW),
		joinFloats([]float64{cmp.Or(p.Scale, 1.0/255)}, 0), joinFloats(p.Mean, 0), joinFloats(p.Std, 1))
}

func joinInts(values []int) string {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = strconv.Itoa(v)
	}
	return strings.Join(words, "x")
}

func joinFloats(values []float64, missing float64) string {
	if len(values) == 0 {
		values = []float64{missing}
	}
	var words []string
	for _, v := range values {
		v = float64(float32(v)) + 0 // −0 + 0 = 0
		words = append(words, strconv.FormatFloat(v, 'g', -1, 32))
	}
	if slices.Equal(words[1:], words[:len(words)-1]) {
		words = words[:1]
	}
	return strings.Join(words, ",")
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
