package datasets

import (
	"cmp"
	"fmt"
	"math"

	"rkd/datasets/internal/resample"
)

// Validate checks every field. Its errors wrap ErrPreprocess.
func (p Preprocess) Validate() error {
	if err := p.Resize.check(); err != nil {
		return fmt.Errorf("%w: resize is %w", ErrPreprocess, err)
	}
	if err := p.Crop.check(); err != nil {
		return fmt.Errorf("%w: crop is %w", ErrPreprocess, err)
	}
	if err := cmp.Or(p.checkCarried(), p.checkResize()); err != nil {
		return fmt.Errorf("%w: %w", ErrPreprocess, err)
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

// checkCarried checks what is done with what files carry beside 8-bit pixels, and the padding.
func (p Preprocess) checkCarried() error {
	switch p.Orientation {
	case "", orientationExif, orientationIgnore:
	default:
		return fmt.Errorf("orientation is %q, expected exif or ignore", p.Orientation)
	}
	if err := RGB(p.Alpha).check(); err != nil {
		return fmt.Errorf("alpha is %w", err)
	}
	if err := p.Fill.check(); err != nil {
		return fmt.Errorf("fill is %w", err)
	}
	if len(p.Range) > 0 && (len(p.Range) != 2 || p.Range[0] < 0 || p.Range[1] > math.MaxUint16 ||
		p.Range[0] >= p.Range[1]) {
		return fmt.Errorf("range is %v, expected [low, high] with 0 ≤ low < high ≤ %d", p.Range, math.MaxUint16)
	}
	if p.Pad != "" && p.Pad != padSquare {
		return fmt.Errorf("pad is %q, expected square or nothing", p.Pad)
	}
	return nil
}

// checkResize checks what goes with Resize.
func (p Preprocess) checkResize() error {
	switch f := resample.Filter(cmp.Or(p.Interpolation, interpolationDefault)); f {
	case resample.Bilinear, resample.Bicubic:
	case resample.Nearest, resample.Box, resample.Hamming, resample.Lanczos:
		if !p.antialiased() {
			return fmt.Errorf("antialias is false for interpolation %s, expected bilinear or bicubic with it", f)
		}
	default:
		return fmt.Errorf("interpolation is %q, expected nearest, box, bilinear, hamming, bicubic or lanczos",
			p.Interpolation)
	}
	switch {
	case p.MaxSize == 0:
		return nil
	case p.MaxSize < 0 || p.MaxSize > maxSide:
		return fmt.Errorf("max_size is %d, expected 1 to %d pixels", p.MaxSize, maxSide)
	case len(p.Resize) != 1:
		return fmt.Errorf("max_size is %d beside resize %v, expected resize to be one number, the shorter side", p.MaxSize,
			[]int(p.Resize))
	case p.MaxSize <= p.Resize[0]:
		return fmt.Errorf("max_size is %d, expected more than resize, %d", p.MaxSize, p.Resize[0])
	}
	return nil
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
