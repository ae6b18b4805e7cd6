package datasets

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"rkd/datasets/internal/resample"
)

// Canonical writes the effective values in one fixed form, for a cache key: configurations that compute the same
// numbers in other words give equal texts. Numbers are those of float32, and one value stands for equal values of all
// channels.
//
// A resize names the version of the resampler. What was added later stands behind the rest, and only where it is not
// the default, so that the caches of before keep their keys.
func (p Preprocess) Canonical() string {
	resize := "keep"
	if len(p.Resize) > 0 {
		kind := cmp.Or(p.Interpolation, interpolationDefault)
		if !p.antialiased() {
			kind += "-plain"
		}
		resize = fmt.Sprintf("%s@%d:%s", kind, resample.Version, joinInts(p.Resize))
		if p.MaxSize > 0 {
			resize += fmt.Sprintf("max%d", p.MaxSize)
		}
	}
	crop := "keep"
	if len(p.Crop) > 0 {
		h, w := p.Crop.pair()
		crop = joinInts([]int{h, w})
	}
	text := fmt.Sprintf("resize=%s crop=%s color=%s layout=%s scale=%s mean=%s std=%s", resize, crop,
		cmp.Or(p.Color, "keep"), cmp.Or(p.Layout, layoutNCHW),
		joinFloats([]float64{cmp.Or(p.Scale, 1.0/255)}, 0), joinFloats(p.Mean, 0), joinFloats(p.Std, 1))
	if p.Orientation == orientationIgnore {
		text += " orientation=ignore"
	}
	if len(p.Alpha) > 0 {
		text += " alpha=" + joinInts(p.Alpha)
	}
	if len(p.Range) > 0 {
		text += " range=" + joinInts(p.Range)
	}
	if p.Draft && len(p.Resize) > 0 {
		text += " draft=true"
	}
	if p.Pad != "" {
		text += " pad=" + p.Pad
	}
	if p.Fill.bytes() != [3]uint8{} && (p.Pad != "" || len(p.Crop) > 0) {
		text += " fill=" + joinInts(p.Fill)
	}
	return text
}

// Resolved returns p with every default written out that has a value: it does what p does.
func (p Preprocess) Resolved() Preprocess {
	antialias := p.antialiased()
	p.Preset, p.Antialias = "", &antialias
	p.Orientation = cmp.Or(p.Orientation, orientationExif)
	p.Interpolation = cmp.Or(p.Interpolation, interpolationDefault)
	p.Layout = cmp.Or(p.Layout, layoutNCHW)
	p.Scale = cmp.Or(p.Scale, 1.0/255)
	if len(p.Mean) == 0 {
		p.Mean = []float64{0}
	}
	if len(p.Std) == 0 {
		p.Std = []float64{1}
	}
	return p
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
