package datasets

import (
	"errors"
	"math"
	"strings"
	"testing"
)

func TestPreprocessRefuses(t *testing.T) {
	img := Image{Height: 28, Width: 28, Channels: 1, Pixels: make([]uint8, 784)}
	for _, tt := range []struct {
		name string
		p    Preprocess
		img  Image
		want string
	}{
		{"unknown colour", Preprocess{Color: "cmyk"}, img, `color is "cmyk", expected rgb, bgr, gray or nothing`},
		{"unknown layout", Preprocess{Layout: "nchw"}, img, `layout is "nchw", expected NCHW or NHWC`},
		{"negative size", Preprocess{Resize: Size{-1}}, img, "resize is -1, expected 1 to 16384 pixels"},
		{"absurd size", Preprocess{Crop: Size{1, 1 << 40}}, img, "crop is 1099511627776, expected"},
		{"three numbers as a size", Preprocess{Crop: Size{1, 2, 3}}, img, "crop is 3 numbers, expected"},
		{"negative scale", Preprocess{Scale: -1}, img, "scale is -1, expected a positive number"},
		{"scale that is no number", Preprocess{Scale: math.NaN()}, img, "scale is NaN"},
		{"scale beyond float32", Preprocess{Scale: 1e39}, img, "scale is 1e+39"},
		{"scale that vanishes in float32", Preprocess{Scale: 1e-60}, img, "scale is 1e-60"},
		{"infinite mean", Preprocess{Mean: []float64{math.Inf(1)}}, img, "mean[0] is +Inf, expected a finite number"},
		{"std of zero", Preprocess{Std: []float64{0}}, img, "std[0] is 0, expected a positive number"},
		{
			"two means",
			Preprocess{Mean: []float64{1, 2}},
			img,
			"mean has 2 values, expected one, or one for each of 3",
		},
		{
			"three means for gray",
			Preprocess{Color: "gray", Mean: []float64{1, 2, 3}},
			img,
			"mean has 3 values, expected one",
		},
		{
			"three stds for a gray image",
			Preprocess{Std: []float64{1, 2, 3}},
			img,
			"an image of 1 channels, expected one or 1",
		},
		{
			"crop larger than the image",
			Preprocess{Crop: Size{32}},
			img,
			"crop is 32 × 32, expected at most the image's 28 × 28, or preprocess.fill",
		},
		{"unknown orientation", Preprocess{Orientation: "up"}, img, `orientation is "up", expected exif or ignore`},
		{"alpha of two numbers", Preprocess{Alpha: Alpha{1, 2}}, img, "alpha is 2 numbers, expected three"},
		{"fill beyond a byte", Preprocess{Fill: RGB{0, 0, 256}}, img, "fill is 256, expected 0 to 255"},
		{
			"range upside down",
			Preprocess{Range: []int{9, 3}},
			img,
			"range is [9 3], expected [low, high] with 0 ≤ low < high ≤ 65535",
		},
		{"range of one", Preprocess{Range: []int{9}}, img, "range is [9], expected [low, high]"},
		{"range beyond 16 bits", Preprocess{Range: []int{0, 65536}}, img, "range is [0 65536]"},
		{"unknown padding", Preprocess{Pad: "round"}, img, `pad is "round", expected square or nothing`},
		{
			"unknown interpolation",
			Preprocess{Interpolation: "cubic"},
			img,
			`interpolation is "cubic", expected nearest, box,`,
		},
		{
			"no antialiasing for a filter that has none",
			Preprocess{Interpolation: "lanczos", Antialias: new(bool)},
			img,
			"antialias is false for interpolation lanczos, expected bilinear or bicubic",
		},
		{
			"max_size without resize",
			Preprocess{MaxSize: 9},
			img,
			"max_size is 9 beside resize [], expected resize to be one number",
		},
		{
			"max_size below resize",
			Preprocess{Resize: Size{9}, MaxSize: 9},
			img,
			"max_size is 9, expected more than resize, 9",
		},
		{"negative max_size", Preprocess{Resize: Size{9}, MaxSize: -1}, img, "max_size is -1, expected 1 to"},
		{
			"resize beyond all memory",
			Preprocess{Resize: Size{16384}},
			Image{Height: 1, Width: 9000, Channels: 1, Pixels: make([]uint8, 9000)},
			"resizing 1 × 9000",
		},
		{
			"too few pixels",
			Preprocess{},
			Image{Height: 28, Width: 28, Channels: 1, Pixels: make([]uint8, 783)},
			"with 783 bytes, expected 784",
		},
		{
			"two channels",
			Preprocess{},
			Image{Height: 1, Width: 1, Channels: 2, Pixels: make([]uint8, 2)},
			"image of 2 channels, expected 1 or 3",
		},
		{"empty image", Preprocess{}, Image{}, "image of 0 × 0 pixels"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.p.Apply(tt.img, make([]float32, 784))
			if !errors.Is(err, ErrPreprocess) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Apply: %v, expected ErrPreprocess with %q", err, tt.want)
			}
			if _, err := tt.p.Pixels(tt.img); !errors.Is(err, ErrPreprocess) {
				t.Errorf("Pixels: %v, expected ErrPreprocess", err)
			}
		})
	}
	err := Preprocess{}.Apply(img, make([]float32, 783))
	if !errors.Is(err, ErrPreprocess) || !strings.Contains(err.Error(), "room for 783 numbers, expected 1 × 28 × 28") {
		t.Errorf("Apply into too little room: %v", err)
	}
}
