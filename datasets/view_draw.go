package datasets

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"math/rand/v2"
)

// generator is the source of one option's draws: a PCG whose two words of state are the first 16 bytes, little-endian,
// of the SHA-256 of seed (8 bytes), id (8) and view (4), all little-endian, followed by the option's name. Each option
// has its own, so that none changes what another draws.
func generator(seed uint64, id int64, view int32, option string) *rand.Rand {
	key := binary.LittleEndian.AppendUint64(make([]byte, 0, 40), seed)
	key = binary.LittleEndian.AppendUint64(key, uint64(id))
	key = binary.LittleEndian.AppendUint32(key, uint32(view))
	key = append(key, option...)
	sum := sha256.Sum256(key)
	return rand.New(rand.NewPCG(binary.LittleEndian.Uint64(sum[:]), binary.LittleEndian.Uint64(sum[8:])))
}

// Draw draws a view of an image of height × width, a pure function of its arguments. Distributions are torchvision's,
// numbers are not: each option draws from a generator of its own, named as its key (shift and flip share the one
// without a name, the shift right, the shift down and then a coin).
//
// Numbers are rounded to float32, so that machines whose exponentials differ in the last bit agree.
func (v Views) Draw(height, width int, seed uint64, id int64, view int32) View {
	var w View
	if view == 0 {
		return w
	}
	source := func(option string) *rand.Rand { return generator(seed, id, view, option) }
	if o := v.Crop; o != nil {
		box := o.draw(height, width, source("crop"))
		w.Crop, w.Size = &box, o.Size
		height, width = box.Height, box.Width
		if len(o.Size) > 0 {
			height, width = o.Size.pair()
		}
	}
	rng := source("")
	shift := max(v.Shift, 0)
	w.ShiftX = rng.IntN(2*shift+1) - shift
	w.ShiftY = rng.IntN(2*shift+1) - shift
	coin := rng.Uint64()&1 == 1
	w.Mirror = v.Flip && coin
	if v.Affine != nil {
		w.Affine = v.Affine.draw(height, width, source("affine"))
	}
	if v.RandAugment != nil {
		w.Augment = v.RandAugment.draw(height, width, source("randaugment"))
	}
	if v.Jitter != nil {
		w.Jitter = v.Jitter.draw(source("color_jitter"))
	}
	if v.Grayscale > 0 {
		w.Gray = source("grayscale").Float64() < v.Grayscale
	}
	if o := v.Blur; o != nil {
		rng := source("blur")
		if rng.Float64() < probability(o.Probability, 1) {
			w.BlurKernel, w.BlurSigma = o.kernel(), between(rng, orElse(o.Sigma, blurSigma...))
		}
	}
	if o := v.Erase; o != nil {
		rng := source("erasing")
		if rng.Float64() < probability(o.Probability, 0.5) {
			if box, ok := o.draw(height, width, rng); ok {
				w.Erase, w.EraseFill = &box, o.Fill
			}
		}
	}
	return w
}

// between draws evenly from [low, high].
func between(rng *rand.Rand, interval []float64) float64 {
	return float64(float32(interval[0] + float64(rng.Float64()*(interval[1]-interval[0]))))
}

// logBetween draws evenly on a logarithmic scale.
func logBetween(rng *rand.Rand, interval []float64) float64 {
	return float64(float32(math.Exp(between(rng, []float64{math.Log(interval[0]), math.Log(interval[1])}))))
}

// draw tries ten times to fit a part of the drawn area and ratio into the image, and else takes the largest part in the
// middle whose ratio is allowed.
func (o *Crop) draw(height, width int, rng *rand.Rand) Box {
	ratio := orElse(o.Ratio, cropRatio...)
	for range 10 {
		area := float64(height*width) * between(rng, orElse(o.Scale, cropScale...))
		aspect := logBetween(rng, ratio)
		w := int(math.RoundToEven(math.Sqrt(area * aspect)))
		h := int(math.RoundToEven(math.Sqrt(area / aspect)))
		if 0 < w && w <= width && 0 < h && h <= height {
			return Box{Top: rng.IntN(height - h + 1), Left: rng.IntN(width - w + 1), Height: h, Width: w}
		}
	}
	h, w := height, width
	switch is := float64(width) / float64(height); {
	case is < ratio[0]:
		h = min(height, int(math.RoundToEven(float64(w)/ratio[0])))
	case is > ratio[1]:
		w = min(width, int(math.RoundToEven(float64(h)*ratio[1])))
	}
	h, w = max(h, 1), max(w, 1)
	return Box{Top: (height - h) / 2, Left: (width - w) / 2, Height: h, Width: w}
}

// draw tries ten times to fit a rectangle of the drawn area and ratio into the image.
func (o *Erase) draw(height, width int, rng *rand.Rand) (Box, bool) {
	for range 10 {
		area := float64(height*width) * between(rng, orElse(o.Scale, eraseScale...))
		aspect := logBetween(rng, orElse(o.Ratio, eraseRatio...))
		h := int(math.RoundToEven(math.Sqrt(area * aspect)))
		w := int(math.RoundToEven(math.Sqrt(area / aspect)))
		if 0 < h && h < height && 0 < w && w < width {
			return Box{Top: rng.IntN(height - h + 1), Left: rng.IntN(width - w + 1), Height: h, Width: w}, true
		}
	}
	return Box{}, false
}

func (o *Affine) draw(height, width int, rng *rand.Rand) *Motion {
	translate := orElse(o.Translate, 0, 0)
	either := func(most float64) float64 { return between(rng, []float64{-most, most}) }
	m := &Motion{Degrees: either(o.Degrees), Interpolation: o.filter(), Fill: o.Fill}
	m.Right = int(math.RoundToEven(either(translate[0] * float64(width))))
	m.Down = int(math.RoundToEven(either(translate[1] * float64(height))))
	m.Scale = between(rng, orElse(o.Scale, 1, 1))
	m.ShearX = either(o.Shear)
	return m
}

func (o *Jitter) draw(rng *rand.Rand) []Operation {
	if rng.Float64() >= probability(o.Probability, 1) {
		return nil
	}
	all := []Operation{{Name: "brightness"}, {Name: "contrast"}, {Name: "saturation"}, {Name: "hue"}}
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	var drawn []Operation
	for _, op := range all {
		var interval []float64
		switch op.Name {
		case "hue":
			interval = []float64{-o.Hue, o.Hue}
		default:
			by := map[string]float64{"brightness": o.Brightness, "contrast": o.Contrast, "saturation": o.Saturation}[op.Name]
			interval = []float64{max(0, 1-by), 1 + by}
		}
		if interval[0] == interval[1] {
			continue
		}
		op.Value = between(rng, interval)
		drawn = append(drawn, op)
	}
	return drawn
}

// augmentBins is the number of magnitudes that RandAugment knows.
const augmentBins = 31

// magnitudes says what magnitude m of 0 to 30 is for each operation, and whether its sign is drawn.
var magnitudes = []struct {
	name   string
	signed bool
	at     func(m float64, height, width int) float64
}{
	{"identity", false, none},
	{"shear_x", true, linear(0.3)},
	{"shear_y", true, linear(0.3)},
	{"translate_x", true, func(m float64, _,
		width int,
	) float64 {
		return 150.0 / 331 * float64(width) * m / (augmentBins - 1)
	}},
	{"translate_y", true, func(m float64, height,
		_ int,
	) float64 {
		return 150.0 / 331 * float64(height) * m / (augmentBins - 1)
	}},
	{"rotate", true, linear(30)},
	{"brightness", true, linear(0.9)},
	{"color", true, linear(0.9)},
	{"contrast", true, linear(0.9)},
	{"sharpness", true, linear(0.9)},
	{"posterize", false, func(m float64, _, _ int) float64 { return 8 - math.RoundToEven(m/((augmentBins-1)/4.0)) }},
	{"solarize", false, func(m float64, _, _ int) float64 { return 255 - 255*m/(augmentBins-1) }},
	{"autocontrast", false, none},
	{"equalize", false, none},
}

func none(float64, int, int) float64 { return 0 }

func linear(most float64) func(float64, int, int) float64 {
	return func(m float64, _, _ int) float64 { return most * m / (augmentBins - 1) }
}

func (o *RandAugment) draw(height, width int, rng *rand.Rand) []Operation {
	var drawn []Operation
	for range o.operations() {
		kind := magnitudes[rng.IntN(len(magnitudes))]
		op := Operation{
			Name:  kind.name,
			Value: float64(float32(kind.at(float64(o.magnitude()), height, width))), Fill: o.Fill,
		}
		if negative := rng.IntN(2) == 1; kind.signed && negative {
			op.Value = -op.Value
		}
		drawn = append(drawn, op)
	}
	return drawn
}
