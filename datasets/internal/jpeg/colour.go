package jpeg

// colourSpace is what the components of a picture are.
type colourSpace int

const (
	gray colourSpace = iota
	ycc
	rgb
	cmyk
	ycck
)

// colourSpace tells by what libjpeg tells it: JFIF and Adobe segments, and else the components' ids.
func (h *header) colourSpace() colourSpace {
	switch {
	case h.count == 1:
		return gray
	case h.count == 4:
		if h.adobe && h.adobeTransform != 0 {
			return ycck
		}
		return cmyk
	case h.jfif:
		return ycc
	case h.adobe:
		if h.adobeTransform == 0 {
			return rgb
		}
		return ycc
	case h.components[0].id == 'R' && h.components[1].id == 'G' && h.components[2].id == 'B':
		return rgb
	}
	return ycc
}

// convert makes a row of the picture of rows of its components.
func (s colourSpace) convert(dst []uint8, rows *[maxComponents][]uint8) {
	switch s {
	case gray:
		copy(dst, rows[0])
	case ycc:
		yccToRGB(dst, rows[0], rows[1], rows[2])
	case rgb:
		interleave(dst, rows[0], rows[1], rows[2])
	case cmyk:
		interleave(dst, rows[0], rows[1], rows[2])
		applyBlack(dst, rows[3])
	case ycck:
		// The three are CMY inverted once more than Adobe's.
		yccToRGB(dst, rows[0], rows[1], rows[2])
		for i := range dst {
			dst[i] = 255 - dst[i]
		}
		applyBlack(dst, rows[3])
	}
}

// The coefficients of ITU-R BT.601 as JFIF has them, times 2¹⁶: R = Y + 1.402·Cr, G = Y − 0.34414·Cb − 0.71414·Cr,
// B = Y + 1.772·Cb, of Cb and Cr around 0. Each sum of products is rounded once, halves up.
const (
	crToR = 91881
	cbToG = 22554
	crToG = 46802
	cbToB = 116130
)

func yccToRGBGo(dst, y, cb, cr []uint8) {
	n := len(dst) / 3
	y, cb, cr = y[:n], cb[:n], cr[:n]
	for i := range n {
		l, b, r := int32(y[i]), int32(cb[i])-128, int32(cr[i])-128
		p := dst[3*i:][:3]
		p[0] = clip(l + (crToR*r+1<<15)>>16)
		p[1] = clip(l + (-cbToG*b-crToG*r+1<<15)>>16)
		p[2] = clip(l + (cbToB*b+1<<15)>>16)
	}
}

func clip(v int32) uint8 { return uint8(max(0, min(255, v))) }

func interleave(dst, r, g, b []uint8) {
	n := len(dst) / 3
	r, g, b = r[:n], g[:n], b[:n]
	for i := range n {
		p := dst[3*i:][:3]
		p[0], p[1], p[2] = r[i], g[i], b[i]
	}
}

// applyBlack makes RGB of inverted CMY, in place, and of inverted black, by Pillow's formula.
func applyBlack(dst, black []uint8) {
	n := len(dst) / 3
	black = black[:n]
	for i, k := range black {
		p := dst[3*i:][:3]
		for j, c := range p {
			p[j] = k - divide255(uint32(255-c)*uint32(k))
		}
	}
}

// divide255 is v/255 rounded, for v up to 255².
func divide255(v uint32) uint8 {
	v += 128
	return uint8((v + v>>8) >> 8)
}
