package datasets

import (
	"math"

	"rkd/datasets/internal/resample"
)

// cut takes a part out and resizes it bilinearly where size is given: torchvision's resized_crop.
func cut(img Image, b Box, size Size) Image {
	part := img.window(resample.Window{Top: b.Top, Left: b.Left, Height: b.Height, Width: b.Width})
	if len(size) == 0 {
		return part
	}
	height, width := size.pair()
	if height == b.Height && width == b.Width {
		return part
	}
	return Preprocess{}.resize(part, height, width, resample.Window{Height: height, Width: width})
}

// Motion turns, shears, scales and moves an image about a point, its centre unless Corner is set: the upper left
// corner.
type Motion struct {
	Degrees       float64 `json:"degrees"` // clockwise
	Right         int     `json:"right"`   // in pixels
	Down          int     `json:"down"`
	Scale         float64 `json:"scale"`
	ShearX        float64 `json:"shear_x"` // in degrees
	ShearY        float64 `json:"shear_y"`
	Corner        bool    `json:"corner,omitempty"`
	Interpolation string  `json:"interpolation"` // nearest or bilinear
	Fill          RGB     `json:"fill,omitempty"`
}

// inverse is the map from a pixel of the result to one of the image, x' = m[0]·x + m[1]·y + m[2], y' = m[3]·x +
// m[4]·y + m[5]: that of torchvision's affine, in its order of operations.
func (m *Motion) inverse(height, width int) [6]float64 {
	cx, cy := float64(width)*0.5, float64(height)*0.5
	if m.Corner {
		cx, cy = 0, 0
	}
	radians := math.Pi / 180
	turn, sx, sy := m.Degrees*radians, m.ShearX*radians, m.ShearY*radians
	a := math.Cos(turn-sy) / math.Cos(sy)
	b := float64(-math.Cos(turn-sy)*math.Tan(sx)/math.Cos(sy)) - math.Sin(turn)
	c := math.Sin(turn-sy) / math.Cos(sy)
	d := float64(-math.Sin(turn-sy)*math.Tan(sx)/math.Cos(sy)) + math.Cos(turn)
	to := [6]float64{d / m.Scale, -b / m.Scale, 0, -c / m.Scale, a / m.Scale, 0}
	x, y := -cx-float64(m.Right), -cy-float64(m.Down)
	to[2] = float64(float64(to[0]*x)+float64(to[1]*y)) + cx
	to[5] = float64(float64(to[3]*x)+float64(to[4]*y)) + cy
	return to
}

func (m *Motion) apply(img Image) Image {
	return transformed(img, m.inverse(img.Height, img.Width), m.Interpolation == "bilinear", m.Fill)
}

// rotated turns an image counter-clockwise about its centre, as Pillow's Image.rotate without expanding: nearest
// pixels.
func rotated(img Image, degrees float64, fill RGB) Image {
	degrees = math.Mod(degrees, 360)
	if degrees == 0 {
		return img
	}
	angle := -degrees * (math.Pi / 180)
	round := func(v float64) float64 { return math.RoundToEven(v*1e15) / 1e15 }
	to := [6]float64{round(math.Cos(angle)), round(math.Sin(angle)), 0, round(-math.Sin(angle)), round(math.Cos(angle)), 0}
	cx, cy := float64(img.Width)/2, float64(img.Height)/2
	to[2] = float64(float64(to[0]*-cx)+float64(to[1]*-cy)) + cx
	to[5] = float64(float64(to[3]*-cx)+float64(to[4]*-cy)) + cy
	return transformed(img, to, false, fill)
}

// transformed samples img at the mapped centres of the result's pixels, as Pillow's Image.transform with AFFINE: what
// lies outside is fill.
func transformed(img Image, m [6]float64, bilinear bool, fill RGB) Image {
	out := filled(img.Height, img.Width, img.Channels, fill)
	switch {
	case bilinear:
		bilinearTransform(out, img, m)
	case m[1] == 0 && m[3] == 0:
		scaleTransform(out, img, m)
	default:
		fixedTransform(out, img, m)
	}
	return out
}

// fixedTransform takes the nearest pixels, by positions of 16 fractional bits.
func fixedTransform(out, img Image, m [6]float64) {
	fixed := func(v float64) int { return int(math.Floor(float64(v*65536) + 0.5)) }
	n := img.Channels
	rowX := fixed(m[2] + float64(m[0]*0.5) + float64(m[1]*0.5))
	rowY := fixed(m[5] + float64(m[3]*0.5) + float64(m[4]*0.5))
	a, b, c, d := fixed(m[0]), fixed(m[1]), fixed(m[3]), fixed(m[4])
	at := 0
	for range out.Height {
		x, y := rowX, rowY
		for range out.Width {
			if u, v := x>>16, y>>16; u >= 0 && u < img.Width && v >= 0 && v < img.Height {
				copy(out.Pixels[at:at+n], img.Pixels[(v*img.Width+u)*n:])
			}
			at += n
			x, y = x+a, y+c
		}
		rowX, rowY = rowX+b, rowY+d
	}
}

// scaleTransform takes the nearest pixels where neither axis depends on the other: positions are added up.
func scaleTransform(out, img Image, m [6]float64) {
	steps := func(start, step float64, count, size int) []int {
		at := make([]int, count)
		for i := range at {
			at[i] = -1
			if start >= 0 && start < float64(size) {
				at[i] = int(start)
			}
			start += step
		}
		return at
	}
	columns := steps(m[2]+float64(m[0]*0.5), m[0], out.Width, img.Width)
	rows := steps(m[5]+float64(m[4]*0.5), m[4], out.Height, img.Height)
	n := img.Channels
	for y, v := range rows {
		for x, u := range columns {
			if u >= 0 && v >= 0 {
				to := (y*out.Width + x) * n
				copy(out.Pixels[to:to+n], img.Pixels[(v*img.Width+u)*n:])
			}
		}
	}
}

// bilinearTransform interpolates between the four nearest pixels and drops the fraction.
func bilinearTransform(out, img Image, m [6]float64) {
	n := img.Channels
	for y := range out.Height {
		for x := range out.Width {
			px, py := float64(x)+0.5, float64(y)+0.5
			u := float64(float64(m[0]*px)+float64(m[1]*py)) + m[2]
			v := float64(float64(m[3]*px)+float64(m[4]*py)) + m[5]
			if u < 0 || u >= float64(img.Width) || v < 0 || v >= float64(img.Height) {
				continue
			}
			u, v = u-0.5, v-0.5
			fx, fy := math.Floor(u), math.Floor(v)
			dx, dy := u-fx, v-fy
			x0, x1 := max(int(fx), 0), min(int(fx)+1, img.Width-1)
			y0, y1 := max(int(fy), 0), min(int(fy)+1, img.Height-1)
			to := (y*out.Width + x) * n
			for k := range n {
				at := func(y, x int) float64 { return float64(img.Pixels[(y*img.Width+x)*n+k]) }
				above := at(y0, x0) + float64((at(y0, x1)-at(y0, x0))*dx)
				below := at(y1, x0) + float64((at(y1, x1)-at(y1, x0))*dx)
				out.Pixels[to+k] = uint8(above + float64((below-above)*dy))
			}
		}
	}
}
