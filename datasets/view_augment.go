package datasets

import "math"

// augment carries out one operation of RandAugment, as torchvision on Pillow images.
func (o Operation) augment(img Image) Image {
	motion := &Motion{Scale: 1, Fill: o.Fill}
	switch o.Name {
	case "shear_x":
		motion.ShearX, motion.Corner = math.Atan(o.Value)*180/math.Pi, true
		return motion.apply(img)
	case "shear_y":
		motion.ShearY, motion.Corner = math.Atan(o.Value)*180/math.Pi, true
		return motion.apply(img)
	case "translate_x":
		motion.Right = int(o.Value)
		return motion.apply(img)
	case "translate_y":
		motion.Down = int(o.Value)
		return motion.apply(img)
	case "rotate":
		return rotated(img, o.Value, o.Fill)
	case "brightness", "contrast":
		return Operation{Name: o.Name, Value: 1 + o.Value}.jitter(img)
	case "color":
		return Operation{Name: "saturation", Value: 1 + o.Value}.jitter(img)
	case "sharpness":
		smooth := smoothed(img)
		return blended(img, 1+o.Value, func(i int) uint8 { return smooth.Pixels[i] })
	case "posterize":
		keep := uint8(0xff << (8 - int(o.Value)))
		return mapped(img, func(v uint8) uint8 { return v & keep })
	case "solarize":
		return mapped(img, func(v uint8) uint8 {
			if float64(v) < o.Value {
				return v
			}
			return 255 - v
		})
	case "autocontrast":
		return byChannel(img, stretched)
	case "equalize":
		return byChannel(img, equalized)
	}
	return img
}

// mapped replaces every value.
func mapped(img Image, to func(uint8) uint8) Image {
	var table [256]uint8
	for v := range table {
		table[v] = to(uint8(v))
	}
	out := img.like()
	for i, v := range img.Pixels {
		out.Pixels[i] = table[v]
	}
	return out
}

// byChannel replaces the values of each channel by a table made of its histogram.
func byChannel(img Image, table func(histogram *[256]int) [256]uint8) Image {
	out := img.like()
	for k := range img.Channels {
		var histogram [256]int
		for i := k; i < len(img.Pixels); i += img.Channels {
			histogram[img.Pixels[i]]++
		}
		to := table(&histogram)
		for i := k; i < len(img.Pixels); i += img.Channels {
			out.Pixels[i] = to[img.Pixels[i]]
		}
	}
	return out
}

// stretched maps the lowest value to 0 and the highest to 255.
func stretched(histogram *[256]int) (table [256]uint8) {
	low, high := 0, 255
	for low < 255 && histogram[low] == 0 {
		low++
	}
	for high > 0 && histogram[high] == 0 {
		high--
	}
	for v := range table {
		table[v] = uint8(v)
		if high > low {
			scale := 255 / float64(high-low)
			table[v] = uint8(min(max(math.Trunc(float64(float64(v)*scale)+float64(float64(-low)*scale)), 0), 255))
		}
	}
	return table
}

// equalized spreads values so that all are about equally frequent.
func equalized(histogram *[256]int) (table [256]uint8) {
	total, last, kinds := 0, 0, 0
	for _, n := range histogram {
		if n > 0 {
			total, last, kinds = total+n, n, kinds+1
		}
	}
	step := (total - last) / 255
	n := step / 2
	for v := range table {
		table[v] = uint8(v)
		if kinds > 1 && step > 0 {
			table[v] = uint8(min(n/step, 255))
		}
		n += histogram[v]
	}
	return table
}

// smoothed is Pillow's filter SMOOTH: a mean over 3 × 3 pixels in which the middle counts five times; the border stays.
func smoothed(img Image) Image {
	out := img.like()
	copy(out.Pixels, img.Pixels)
	n, stride := img.Channels, img.Width*img.Channels
	for y := 1; y < img.Height-1; y++ {
		for x := n; x < stride-n; x++ {
			at := y*stride + x
			sum := 4 * int(img.Pixels[at])
			for dy := -stride; dy <= stride; dy += stride {
				sum += int(img.Pixels[at+dy-n]) + int(img.Pixels[at+dy]) + int(img.Pixels[at+dy+n])
			}
			out.Pixels[at] = uint8((2*sum + 13) / 26)
		}
	}
	return out
}
