package resample

import (
	"math"
	"sync"
)

const (
	// fraction is the number of fractional bits of a coefficient: 32 bits less 8 of a pixel and 2 for overshoot.
	fraction = 32 - 8 - 2
	half     = 1 << (fraction - 1)
	// split is the bit at which a coefficient is cut in two for 16-bit products: k = high·2^split + low, low ≥ 0.
	split = 15
	// maxPairs bounds the taps whose low products fit in 32 bits: 2·maxPairs·255·(2^split−1) + half < 2^31.
	maxPairs = 127
)

// weights are the coefficients of one axis for a run of output positions. Immutable.
type weights struct {
	taps    int     // of every output position, those with coefficient 0 included
	starts  []int32 // first source position of each output position; starts[i]+taps ≤ source size
	numbers []int32 // (len(starts),taps), fixed point
	// pairs holds, for each two taps, the low halves of their coefficients and then the high ones, 16 bits each. It is nil
	// where taps is odd or beyond maxPairs.
	pairs []int32
}

// first and last+1 source position that any output needs.
func (w *weights) span() (from, to int) {
	// Pillow's starts ascend, and moving one to the left for its padding keeps them ascending.
	return int(w.starts[0]), int(w.starts[len(w.starts)-1]) + w.taps
}

// axis identifies weights: an axis of in pixels scaled to out, of which count from offset on are wanted.
type axis struct {
	in, out, offset, count int
	filter                 Filter
}

// known keeps the weights of the sizes seen last: pictures of a data set share a few sizes, and sines are slow.
var known = struct {
	sync.Mutex
	of map[axis]*weights
}{of: make(map[axis]*weights)}

const knownLimit = 128

// weights returns the coefficients of a.
func (a axis) weights() *weights {
	known.Lock()
	w := known.of[a]
	known.Unlock()
	if w != nil {
		return w
	}
	w = a.compute()
	known.Lock()
	defer known.Unlock()
	if len(known.of) >= knownLimit {
		clear(known.of)
	}
	known.of[a] = w
	return w
}

// compute evaluates the filter, scaled up with the picture where it shrinks, at the centres of the source pixels within
// its support, divides by the sum, and rounds halves away from zero.
func (a axis) compute() *weights {
	k := kernels[a.filter]
	scale := float64(a.in) / float64(a.out)
	stretch := max(scale, 1)
	support, shrink := k.support*stretch, 1/stretch

	bounds := make([][2]int, a.count)
	taps := 1
	for i := range bounds {
		centre := float64((float64(a.offset+i) + 0.5) * scale)
		from := max(0, int(centre-support+0.5))
		to := min(a.in, int(centre+support+0.5))
		bounds[i] = [2]int{from, to}
		taps = max(taps, to-from)
	}
	if taps%2 == 1 && taps < a.in {
		taps++
	}
	w := &weights{taps: taps, starts: make([]int32, a.count), numbers: make([]int32, a.count*taps)}
	values := make([]float64, taps)
	for i, b := range bounds {
		centre := float64((float64(a.offset+i) + 0.5) * scale)
		values := values[:b[1]-b[0]]
		var sum float64
		for j := range values {
			values[j] = k.at(float64((float64(j+b[0]) - centre + 0.5) * shrink))
			sum += values[j]
		}
		start := min(b[0], a.in-taps)
		w.starts[i] = int32(start)
		row := w.numbers[i*taps+b[0]-start:]
		for j, v := range values {
			if sum != 0 {
				v /= sum
			}
			row[j] = int32(float64(v*(1<<fraction)) + math.Copysign(0.5, v))
		}
	}
	if taps%2 == 0 && taps <= 2*maxPairs {
		w.pairs = pack(w.numbers)
	}
	return w
}

// pack cuts coefficients, an even number of them, into the halves that 16-bit products take.
func pack(numbers []int32) []int32 {
	pairs := make([]int32, len(numbers))
	for i := 0; i < len(numbers); i += 2 {
		a, b := numbers[i], numbers[i+1]
		const mask = 1<<split - 1
		pairs[i] = a&mask | (b&mask)<<16
		pairs[i+1] = (a>>split)&0xffff | (b>>split)<<16
	}
	return pairs
}
