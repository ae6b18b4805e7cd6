package resample

import "math"

// Plain scales src to height × width by interpolation between the nearest 2 × 2 (Bilinear) or 4 × 4 pixels (Bicubic,
// a = −0.75), whatever the scale, and returns the given window of the result: torch.nn.functional.interpolate with
// align_corners=False and antialias=False on float32 pixels, rounded to the nearest level, halves to even, and clipped.
// OpenCV's INTER_LINEAR and INTER_CUBIC sample the same points. filter is Bilinear or Bicubic; sizes as for Resize.
//
// A pixel may differ from PyTorch's by one level where the exact value lies within a rounding error of a half: its
// kernels add in an order that depends on the processor.
func Plain(src Image, height, width int, w Window, filter Filter) Image {
	out := Image{w.Height, w.Width, src.Channels, make([]uint8, w.Height*w.Width*src.Channels)}
	taps := 2
	if filter == Bicubic {
		taps = 4
	}
	columns := points(src.Width, width, w.Left, w.Width, taps)
	rows := points(src.Height, height, w.Top, w.Height, taps)
	n := w.Width * src.Channels
	// Source rows that are interpolated along their width, each kept in the place of its number modulo taps.
	lines := make([]float32, taps*n)
	have := []int{-1, -1, -1, -1}[:taps]
	for y, p := range rows {
		var line [4][]float32
		for j, row := range p.at[:taps] {
			slot := row % taps
			line[j] = lines[slot*n : (slot+1)*n]
			if have[slot] != row {
				have[slot] = row
				stretch(line[j], src.Pixels[row*src.Width*src.Channels:], src.Channels, columns, taps)
			}
		}
		dst := out.Pixels[y*n : (y+1)*n]
		for x := range dst {
			sum := line[0][x] * p.weight[0]
			for j := 1; j < taps; j++ {
				sum += float32(line[j][x] * p.weight[j])
			}
			dst[x] = uint8(min(max(math.RoundToEven(float64(sum)), 0), 255))
		}
	}
	return out
}

// point is where one output position samples its axis.
type point struct {
	at     [4]int
	weight [4]float32
}

// points are the positions offset to offset+count of an axis of in pixels scaled to out.
//
// In single precision, as PyTorch computes them: the centre of output i is at s = (i+½)·in/out − ½, for taps = 2 at
// least 0, and positions beyond the edge repeat it.
func points(in, out, offset, count, taps int) []point {
	scale := float32(in) / float32(out)
	all := make([]point, count)
	for i := range all {
		s := float32(scale*(float32(offset+i)+0.5)) - 0.5
		if taps == 2 {
			s = max(s, 0)
		}
		floor := min(int(math.Floor(float64(s))), in-1)
		t := min(max(s-float32(floor), 0), 1)
		p := &all[i]
		if taps == 2 {
			p.at = [4]int{floor, min(floor+1, in-1)}
			p.weight = [4]float32{1 - t, t}
			continue
		}
		for j := range p.at {
			p.at[j] = min(max(floor-1+j, 0), in-1)
			p.weight[j] = keys(float32(math.Abs(float64(t - float32(j-1)))))
		}
	}
	return all
}

// keys is the cubic convolution kernel with a = −0.75 in single precision.
func keys(x float32) float32 {
	const a = -0.75
	if x <= 1 {
		return float32(float32(float32((a+2)*x)-(a+3))*x)*x + 1
	}
	return float32(float32(float32(float32(a*x)-5*a)*x)+8*a)*x - 4*a
}

// stretch interpolates one row of pixels along its width.
func stretch(dst []float32, row []uint8, channels int, columns []point, taps int) {
	for x, p := range columns {
		for c := range channels {
			sum := float32(row[p.at[0]*channels+c]) * p.weight[0]
			for j := 1; j < taps; j++ {
				sum += float32(float32(row[p.at[j]*channels+c]) * p.weight[j])
			}
			dst[x*channels+c] = sum
		}
	}
}
