package resample

import "math"

// Filter is a resampling kernel, with Pillow's names.
type Filter string

// The filters of Pillow's Image.Resampling. Hamming is a bilinear kernel's support with a Hamming window; Lanczos is
// sinc windowed over three lobes; Bicubic has a = −0.5.
const (
	Nearest  Filter = "nearest"
	Box      Filter = "box"
	Bilinear Filter = "bilinear"
	Hamming  Filter = "hamming"
	Bicubic  Filter = "bicubic"
	Lanczos  Filter = "lanczos"
)

// kernel is a filter as a function of the distance to the centre, in source pixels of a picture that keeps its size.
// at is zero outside ±support.
type kernel struct {
	support float64
	at      func(x float64) float64
}

// kernels holds every filter that weighs pixels; Nearest copies one.
//
// The conversions to float64 keep the compiler from fusing a product and a sum on processors where it would: pixels
// must not depend on the machine.
var kernels = map[Filter]kernel{
	Box: {0.5, func(x float64) float64 {
		if -0.5 < x && x <= 0.5 {
			return 1
		}
		return 0
	}},
	Bilinear: {1, func(x float64) float64 { return max(0, 1-math.Abs(x)) }},
	Hamming: {1, func(x float64) float64 {
		x = math.Abs(x)
		switch {
		case x == 0:
			return 1
		case x >= 1:
			return 0
		}
		x *= math.Pi
		// Pillow writes the window's two constants in single precision.
		const a, b = float32(0.54), float32(0.46)
		return math.Sin(x) / x * (float64(a) + float64(float64(b)*math.Cos(x)))
	}},
	Bicubic: {2, func(x float64) float64 { return cubic(math.Abs(x), -0.5) }},
	Lanczos: {3, func(x float64) float64 {
		if x < -3 || x >= 3 {
			return 0
		}
		return sinc(x) * sinc(x/3)
	}},
}

// cubic is Keys' convolution kernel at x ≥ 0 with parameter a.
//
//	(a+2)·x³ − (a+3)·x² + 1   where x < 1
//	a·x³ − 5a·x² + 8a·x − 4a  where x < 2
func cubic(x, a float64) float64 {
	switch {
	case x < 1:
		return float64((float64((a+2)*x)-(a+3))*x*x) + 1
	case x < 2:
		return (float64((float64((x-5)*x)+8)*x) - 4) * a
	}
	return 0
}

// sinc is sin(πx)/(πx).
func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	x *= math.Pi
	return math.Sin(x) / x
}
