package datasets

import "math"

// jitter carries out one change of ColorJitter, as torchvision on Pillow images: an interpolation between the picture
// and a degenerate one, black, its mean gray, or its grays.
func (o Operation) jitter(img Image) Image {
	switch o.Name {
	case "brightness":
		return blended(img, o.Value, func(int) uint8 { return 0 })
	case "contrast":
		mean := meanGray(img)
		return blended(img, o.Value, func(int) uint8 { return mean })
	case "saturation":
		if img.Channels == 1 {
			return img
		}
		grays := withoutColor(img)
		return blended(img, o.Value, func(i int) uint8 { return grays.Pixels[i] })
	case "hue":
		return hueShifted(img, o.Value)
	}
	return img
}

// blended is degenerate + factor·(img − degenerate) in single precision, the fraction dropped and clipped to a byte.
func blended(img Image, factor float64, degenerate func(i int) uint8) Image {
	f := float32(factor)
	if f == 1 {
		return img
	}
	out := img.like()
	for i, v := range img.Pixels {
		d := degenerate(i)
		mixed := float32(d) + float32(f*float32(int(v)-int(d)))
		out.Pixels[i] = uint8(min(max(mixed, 0), 255))
	}
	return out
}

// gray is the luma of pixel i.
func (m Image) gray(i int) uint8 {
	if m.Channels == 1 {
		return m.Pixels[i]
	}
	return luma(m.Pixels[3*i], m.Pixels[3*i+1], m.Pixels[3*i+2])
}

func meanGray(img Image) uint8 {
	sum, n := 0, img.Height*img.Width
	for i := range n {
		sum += int(img.gray(i))
	}
	return uint8(float64(sum)/float64(n) + 0.5)
}

// withoutColor replaces every pixel by its luma, three times where there are three channels.
func withoutColor(img Image) Image {
	if img.Channels == 1 {
		return img
	}
	out := img.like()
	for i := range img.Height * img.Width {
		g := img.gray(i)
		out.Pixels[3*i], out.Pixels[3*i+1], out.Pixels[3*i+2] = g, g, g
	}
	return out
}

// hueShifted turns hues by a share of the circle, in Pillow's HSV of 8 bits.
func hueShifted(img Image, turn float64) Image {
	if img.Channels == 1 {
		return img
	}
	by := uint8(int32(turn * 255))
	out := img.like()
	for i := 0; i < len(img.Pixels); i += 3 {
		h, s, v := toHSV(img.Pixels[i], img.Pixels[i+1], img.Pixels[i+2])
		out.Pixels[i], out.Pixels[i+1], out.Pixels[i+2] = fromHSV(h+by, s, v)
	}
	return out
}

// toHSV and fromHSV convert with Pillow's roundings, parts of it in single precision.
func toHSV(r, g, b uint8) (h, s, v uint8) {
	most, least := max(r, g, b), min(r, g, b)
	if most == least {
		return 0, 0, most
	}
	span := float32(most - least)
	saturation := span / float32(most)
	rc, gc, bc := float32(most-r)/span, float32(most-g)/span, float32(most-b)/span
	var hue float32
	switch most {
	case r:
		hue = bc - gc
	case g:
		hue = float32(2 + float64(rc) - float64(bc))
	default:
		hue = float32(4 + float64(gc) - float64(rc))
	}
	hue = float32(math.Mod(float64(hue)/6+1, 1))
	return uint8(float64(hue) * 255), uint8(float64(saturation) * 255), most
}

func fromHSV(h, s, v uint8) (r, g, b uint8) {
	if s == 0 {
		return v, v, v
	}
	sixth := float64(float32(h)) * 6 / 255
	i := int(math.Floor(sixth))
	f := float32(float64(float32(sixth)) - float64(float32(i)))
	fs := float32(float64(float32(s)) / 255)
	round := func(share float64) uint8 { return uint8(min(max(math.Round(float64(v)*share), 0), 255)) }
	p := round(1 - float64(fs))
	q := round(1 - float64(float32(fs*f)))
	t := round(1 - float64(float64(fs)*(1-float64(f))))
	switch i % 6 {
	case 0:
		return v, t, p
	case 1:
		return q, v, p
	case 2:
		return p, v, t
	case 3:
		return p, q, v
	case 4:
		return t, p, v
	}
	return v, p, q
}

// blurred convolves with a Gaussian of kernel × kernel pixels, the border mirrored without repeating its pixels, and
// rounds to the nearest level, as torchvision's gaussian_blur.
func blurred(img Image, kernel int, sigma float64) Image {
	weights := make([]float64, kernel)
	var sum float64
	for i := range weights {
		x := (float64(i) - float64(kernel-1)/2) / sigma
		weights[i] = math.Exp(-0.5 * x * x)
		sum += weights[i]
	}
	for i := range weights {
		weights[i] /= sum
	}
	n, stride := img.Channels, img.Width*img.Channels
	out, row := img.like(), make([]float64, stride)
	for y := range img.Height {
		clear(row)
		for j, w := range weights {
			line := img.Pixels[mirror(y+j-kernel/2, img.Height)*stride:][:stride]
			for x, v := range line {
				row[x] += float64(w * float64(v))
			}
		}
		for x := range img.Width {
			for k := range n {
				var total float64
				for j, w := range weights {
					total += float64(w * row[mirror(x+j-kernel/2, img.Width)*n+k])
				}
				out.Pixels[y*stride+x*n+k] = uint8(min(max(math.RoundToEven(total), 0), 255))
			}
		}
	}
	return out
}

// mirror folds a position beyond the border back into 0 to size−1.
func mirror(i, size int) int {
	if size == 1 {
		return 0
	}
	period := 2 * (size - 1)
	i = ((i % period) + period) % period
	return min(i, period-i)
}
