package datasets

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Crop cuts a part out of the image, torchvision's RandomResizedCrop.
type Crop struct {
	// Scale bounds the part's share of the area. Default [0.08, 1].
	Scale []float64 `yaml:"scale,flow,omitempty"`
	// Ratio bounds its width divided by its height, drawn evenly on a logarithmic scale. Default [3/4, 4/3].
	Ratio []float64 `yaml:"ratio,flow,omitempty"`
	// Size is what the part is resized to, bilinearly, with antialiasing; nothing leaves that to preprocessing, which is
	// faster and sharper but needs a resize or crop of its own.
	Size Size `yaml:"size,omitempty"`
}

// Affine turns, moves, scales and shears the image about its centre, torchvision's RandomAffine.
type Affine struct {
	Degrees   float64   `yaml:"degrees,omitempty"`        // turned by up to so many, either way
	Translate []float64 `yaml:"translate,flow,omitempty"` // moved by up to these shares of width and height
	Scale     []float64 `yaml:"scale,flow,omitempty"`     // scaled by a factor between these; default [1, 1]
	Shear     float64   `yaml:"shear,omitempty"`          // sheared along the width by up to so many degrees
	Filter    string    `yaml:"interpolation,omitempty"`  // nearest (default) or bilinear
	Fill      RGB       `yaml:"fill,omitempty"`           // of what comes from outside; default black
}

// Jitter changes colours, torchvision's ColorJitter: each factor is drawn from 1 ± the number, hue from ± the number of
// turns of the colour circle, and the four are applied in an order that is drawn too.
type Jitter struct {
	Brightness float64 `yaml:"brightness,omitempty"`
	Contrast   float64 `yaml:"contrast,omitempty"`
	Saturation float64 `yaml:"saturation,omitempty"`
	Hue        float64 `yaml:"hue,omitempty"` // at most ½
	// Probability of a change. Default 1.
	Probability *float64 `yaml:"probability,omitempty"`
}

// Blur is torchvision's GaussianBlur.
type Blur struct {
	Kernel int `yaml:"kernel,omitempty" within:"[1,255]"` // pixels across, odd; default 9
	// standard deviation in pixels between these; default [0.1, 2]
	Sigma       []float64 `yaml:"sigma,flow,omitempty"`
	Probability *float64  `yaml:"probability,omitempty"` // default 1
}

// Erase paints a rectangle over, torchvision's RandomErasing.
type Erase struct {
	Scale       []float64 `yaml:"scale,flow,omitempty"`  // share of the area; default [0.02, 0.33]
	Ratio       []float64 `yaml:"ratio,flow,omitempty"`  // height divided by width; default [0.3, 3.3]
	Fill        RGB       `yaml:"fill,omitempty"`        // default black
	Probability *float64  `yaml:"probability,omitempty"` // default ½
}

// RandAugment applies operations drawn from a list of fourteen, all at one magnitude (Cubuk et al., 2020), as
// torchvision's.
type RandAugment struct {
	Operations int `yaml:"operations,omitempty" within:"[1,100]"` // applied one after another; default 2
	Magnitude  int `yaml:"magnitude,omitempty" within:"[1,30]"`   // 1 to 30; default 9
	Fill       RGB `yaml:"fill,omitempty"`                        // of what comes from outside; default black
}

func orElse[T any](values []T, missing ...T) []T {
	if len(values) == 0 {
		return missing
	}
	return values
}

func probability(p *float64, missing float64) float64 {
	if p == nil {
		return missing
	}
	return *p
}

// Validate returns an error that wraps ErrViews and names the option where one is out of its bounds.
func (v Views) Validate() error {
	c := &checker{}
	c.number("shift", float64(v.Shift), 0, maxSide)
	if o := v.Crop; o != nil {
		c.interval("crop.scale", o.Scale, math.SmallestNonzeroFloat32, 1)
		c.interval("crop.ratio", o.Ratio, 0.01, 100)
		if err := o.Size.check(); err != nil {
			c.fail("crop.size is %w", err)
		}
	}
	if o := v.Affine; o != nil {
		c.number("affine.degrees", o.Degrees, 0, 180)
		if len(o.Translate) != 0 && len(o.Translate) != 2 {
			c.fail("affine.translate has %d numbers, expected shares of width and height", len(o.Translate))
		}
		for _, share := range o.Translate {
			c.number("affine.translate", share, 0, 1)
		}
		c.interval("affine.scale", o.Scale, 0.01, 100)
		c.number("affine.shear", o.Shear, 0, 80)
		if o.Filter != "" && o.Filter != "nearest" && o.Filter != "bilinear" {
			c.fail("affine.interpolation is %q, expected nearest or bilinear", o.Filter)
		}
		c.color("affine.fill", o.Fill)
	}
	if o := v.RandAugment; o != nil {
		c.number("randaugment.operations", float64(o.Operations), 0, 100)
		c.number("randaugment.magnitude", float64(o.Magnitude), 0, augmentBins-1)
		c.color("randaugment.fill", o.Fill)
	}
	if o := v.Jitter; o != nil {
		c.number("color_jitter.brightness", o.Brightness, 0, 100)
		c.number("color_jitter.contrast", o.Contrast, 0, 100)
		c.number("color_jitter.saturation", o.Saturation, 0, 100)
		c.number("color_jitter.hue", o.Hue, 0, 0.5)
		c.number("color_jitter.probability", probability(o.Probability, 1), 0, 1)
	}
	c.number("grayscale", v.Grayscale, 0, 1)
	if o := v.Blur; o != nil {
		if k := o.Kernel; k != 0 && (k < 1 || k > 255 || k%2 == 0) {
			c.fail("blur.kernel is %d, expected an odd number up to 255", k)
		}
		c.interval("blur.sigma", o.Sigma, 0.01, 100)
		c.number("blur.probability", probability(o.Probability, 1), 0, 1)
	}
	if o := v.Erase; o != nil {
		c.interval("erasing.scale", o.Scale, math.SmallestNonzeroFloat32, 1)
		c.interval("erasing.ratio", o.Ratio, 0.01, 100)
		c.color("erasing.fill", o.Fill)
		c.number("erasing.probability", probability(o.Probability, 0.5), 0, 1)
	}
	return c.err
}

// checker keeps the first thing that is wrong.
type checker struct{ err error }

func (c *checker) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf("%w: "+format, append([]any{ErrViews}, args...)...)
	}
}

func (c *checker) number(name string, v, low, high float64) {
	if !(low <= v && v <= high) {
		c.fail("%s is %v, expected %v to %v", name, v, low, high)
	}
}

func (c *checker) interval(name string, v []float64, low, high float64) {
	if len(v) == 0 {
		return
	}
	if len(v) != 2 || !(low <= v[0] && v[0] <= v[1] && v[1] <= high) {
		c.fail("%s is %v, expected [low, high] between %.2g and %v", name, v, low, high)
	}
}

func (c *checker) color(name string, color RGB) {
	if err := color.check(); err != nil {
		c.fail("%s is %w", name, err)
	}
}

// Canonical writes the policy in one fixed form, for a cache key: options that are not set are not in it, but for the
// first two.
func (v Views) Canonical() string {
	var b strings.Builder
	fmt.Fprintf(&b, "flip=%t shift=%d", v.Flip, v.Shift)
	if o := v.Crop; o != nil {
		fmt.Fprintf(&b, " crop=%s,%s,%s", numbers(orElse(o.Scale, cropScale...)), numbers(orElse(o.Ratio, cropRatio...)),
			joinInts(o.Size))
	}
	if o := v.Affine; o != nil {
		fmt.Fprintf(&b, " affine=%s,%s,%s,%s,%s,%v", numbers([]float64{o.Degrees}), numbers(orElse(o.Translate, 0, 0)),
			numbers(orElse(o.Scale, 1, 1)), numbers([]float64{o.Shear}), o.filter(), o.Fill.bytes())
	}
	if o := v.RandAugment; o != nil {
		fmt.Fprintf(&b, " randaugment=%d,%d,%v", o.operations(), o.magnitude(), o.Fill.bytes())
	}
	if o := v.Jitter; o != nil {
		fmt.Fprintf(&b, " color_jitter=%s",
			numbers([]float64{o.Brightness, o.Contrast, o.Saturation, o.Hue, probability(o.Probability, 1)}))
	}
	if v.Grayscale > 0 {
		fmt.Fprintf(&b, " grayscale=%s", numbers([]float64{v.Grayscale}))
	}
	if o := v.Blur; o != nil {
		fmt.Fprintf(&b, " blur=%d,%s,%s", o.kernel(), numbers(orElse(o.Sigma, blurSigma...)),
			numbers([]float64{probability(o.Probability, 1)}))
	}
	if o := v.Erase; o != nil {
		fmt.Fprintf(&b, " erasing=%s,%s,%v,%s", numbers(orElse(o.Scale, eraseScale...)),
			numbers(orElse(o.Ratio, eraseRatio...)), o.Fill.bytes(),
			numbers([]float64{probability(o.Probability, 0.5)}))
	}
	return b.String()
}

// numbers joins values with colons.
func numbers(values []float64) string {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = strconv.FormatFloat(v, 'g', -1, 64)
	}
	return strings.Join(words, ":")
}

// Defaults of intervals, torchvision's.
var (
	cropScale  = []float64{0.08, 1}
	cropRatio  = []float64{3.0 / 4, 4.0 / 3}
	blurSigma  = []float64{0.1, 2}
	eraseScale = []float64{0.02, 0.33}
	eraseRatio = []float64{0.3, 3.3}
)

func (o *Affine) filter() string {
	if o.Filter == "" {
		return "nearest"
	}
	return o.Filter
}

func (o *Blur) kernel() int {
	if o.Kernel == 0 {
		return 9
	}
	return o.Kernel
}

func (o *RandAugment) operations() int {
	if o.Operations == 0 {
		return 2
	}
	return o.Operations
}

func (o *RandAugment) magnitude() int {
	if o.Magnitude == 0 {
		return 9
	}
	return o.Magnitude
}

// Resolved returns v with every default written out: it does what v does.
func (v Views) Resolved() Views {
	always := func(p *float64, missing float64) *float64 { missing = probability(p, missing); return &missing }
	if o := v.Crop; o != nil {
		c := *o
		c.Scale, c.Ratio = orElse(o.Scale, cropScale...), orElse(o.Ratio, cropRatio...)
		v.Crop = &c
	}
	if o := v.Affine; o != nil {
		c := *o
		c.Translate, c.Scale, c.Filter = orElse(o.Translate, 0, 0), orElse(o.Scale, 1, 1), o.filter()
		v.Affine = &c
	}
	if o := v.RandAugment; o != nil {
		c := *o
		c.Operations, c.Magnitude = o.operations(), o.magnitude()
		v.RandAugment = &c
	}
	if o := v.Jitter; o != nil {
		c := *o
		c.Probability = always(o.Probability, 1)
		v.Jitter = &c
	}
	if o := v.Blur; o != nil {
		c := *o
		c.Kernel, c.Sigma, c.Probability = o.kernel(), orElse(o.Sigma, blurSigma...), always(o.Probability, 1)
		v.Blur = &c
	}
	if o := v.Erase; o != nil {
		c := *o
		c.Scale, c.Ratio = orElse(o.Scale, eraseScale...), orElse(o.Ratio, eraseRatio...)
		c.Probability = always(o.Probability, 0.5)
		v.Erase = &c
	}
	return v
}
