package op

import (
	"math"
	"testing"

	"gorgonia.org/gorgonia"
)

func maxPoolOp(o PoolOptions) build {
	return func(in gorgonia.Nodes) (*gorgonia.Node, error) { return MaxPool2D(in[0], o) }
}

func avgPoolOp(o PoolOptions) build {
	return func(in gorgonia.Nodes) (*gorgonia.Node, error) { return AvgPool2D(in[0], o) }
}

// poolReference applies f to the values inside x of each window and to the window's whole size.
func poolReference(o PoolOptions, f func(window []float64, size int) float64) func(in []array) array {
	return func(in []array) array {
		x, stride := in[0], o.Stride
		if stride == [2]int{} {
			stride = o.Kernel
		}
		shape := []int{x.Shape[0], x.Shape[1], 0, 0}
		for a := range 2 {
			places := float64(x.Shape[2+a]+2*o.Pad[a]+o.Extra[a]-o.Kernel[a]) / float64(stride[a])
			shape[2+a] = int(math.Floor(places)) + 1
			if o.Ceil { // PyTorch: the last window must begin within the input or the padding before it
				shape[2+a] = int(math.Ceil(places)) + 1
				if (shape[2+a]-1)*stride[a] >= x.Shape[2+a]+o.Pad[a] {
					shape[2+a]--
				}
			}
		}
		return filled(func(i []int) float64 {
			var window []float64
			size := 0 // with padding
			for u := range o.Kernel[0] {
				for v := range o.Kernel[1] {
					h, w := i[2]*stride[0]+u-o.Pad[0], i[3]*stride[1]+v-o.Pad[1]
					if h < x.Shape[2]+o.Pad[0]+o.Extra[0] && w < x.Shape[3]+o.Pad[1]+o.Extra[1] {
						size++
					}
					if h >= 0 && h < x.Shape[2] && w >= 0 && w < x.Shape[3] {
						window = append(window, x.at(i[0], i[1], h, w))
					}
				}
			}
			return f(window, size)
		}, shape...)
	}
}

func largest(window []float64, _ int) float64 {
	m := math.Inf(-1)
	for _, v := range window {
		m = math.Max(m, v)
	}
	return m
}

func total(window []float64) (s float64) {
	for _, v := range window {
		s += v
	}
	return s
}

func meanWithPadding(window []float64, size int) float64 { return total(window) / float64(size) }
func meanOfInside(window []float64, _ int) float64       { return total(window) / float64(len(window)) }

var (
	square2     = PoolOptions{Kernel: [2]int{2, 2}}
	overlapping = PoolOptions{Kernel: [2]int{3, 3}, Stride: [2]int{2, 2}, Pad: [2]int{1, 1}}
	uneven      = PoolOptions{Kernel: [2]int{2, 3}, Stride: [2]int{1, 2}, Pad: [2]int{0, 1}}
	behind      = PoolOptions{Kernel: [2]int{3, 2}, Stride: [2]int{2, 2}, Pad: [2]int{0, 1}, Extra: [2]int{1, -1}}
	ceiled      = PoolOptions{Kernel: [2]int{3, 2}, Stride: [2]int{2, 3}, Pad: [2]int{1, 0}, Ceil: true}
	dense3      = PoolOptions{Kernel: [2]int{3, 3}, Stride: [2]int{1, 1}, Pad: [2]int{1, 1}}
)

func maxPoolSpecs() map[string]spec {
	return map[string]spec{
		"max pool/2x2":            {maxPoolOp(square2), poolReference(square2, largest)},
		"max pool/2x2 ties":       {maxPoolOp(square2), poolReference(square2, largest)},
		"max pool/rest cut off":   {maxPoolOp(square2), poolReference(square2, largest)},
		"max pool/overlapping":    {maxPoolOp(overlapping), poolReference(overlapping, largest)},
		"max pool/uneven":         {maxPoolOp(uneven), poolReference(uneven, largest)},
		"max pool/padding behind": {maxPoolOp(behind), poolReference(behind, largest)},
		"max pool/rounded up":     {maxPoolOp(ceiled), poolReference(ceiled, largest)},
		"max pool/ties":           {maxPoolOp(dense3), poolReference(dense3, largest)},
	}
}

func avgPoolSpecs() map[string]spec {
	excluded, excludedUp := overlapping, ceiled
	excluded.ExcludePad, excludedUp.ExcludePad = true, true
	return map[string]spec{
		"avg pool/2x2":                          {avgPoolOp(square2), poolReference(square2, meanWithPadding)},
		"avg pool/padded":                       {avgPoolOp(overlapping), poolReference(overlapping, meanWithPadding)},
		"avg pool/padding excluded":             {avgPoolOp(excluded), poolReference(excluded, meanOfInside)},
		"avg pool/padding behind":               {avgPoolOp(behind), poolReference(behind, meanWithPadding)},
		"avg pool/rounded up":                   {avgPoolOp(ceiled), poolReference(ceiled, meanWithPadding)},
		"avg pool/rounded up, padding excluded": {avgPoolOp(excludedUp), poolReference(excludedUp, meanOfInside)},
		"avg pool/uneven":                       {avgPoolOp(uneven), poolReference(uneven, meanWithPadding)},
	}
}

func globalPoolSpecs() map[string]spec {
	reference := func(f func([]float64, int) float64) func([]array) array {
		return func(in []array) array {
			x := in[0]
			whole := poolReference(PoolOptions{Kernel: [2]int{x.Shape[2], x.Shape[3]}}, f)(in)
			return array{x.Shape[:2], whole.Data}
		}
	}
	return map[string]spec{
		"global avg pool/images": {
			func(in gorgonia.Nodes) (*gorgonia.Node, error) { return GlobalAvgPool(in[0]) }, reference(meanOfInside),
		},
		"global max pool/images": {
			func(in gorgonia.Nodes) (*gorgonia.Node, error) { return GlobalMaxPool(in[0]) }, reference(largest),
		},
	}
}

func TestPaddingNeverWins(t *testing.T) {
	x := filled(func([]int) float64 { return -5 }, 1, 1, 3, 3)
	expectClose(t, "maximum", forward[float32](t, maxPoolOp(overlapping), []array{x}),
		filled(func([]int) float64 { return -5 }, 1, 1, 2, 2), 0)
}

func TestMaxPoolKeepsNaN(t *testing.T) {
	x := filled(func(i []int) float64 { return []float64{1, math.NaN(), 2, 3}[2*i[2]+i[3]] }, 1, 1, 2, 2)
	if y := forward[float32](t, maxPoolOp(square2), []array{x}); !math.IsNaN(y.Data[0]) {
		t.Errorf("the maximum of %v is %v, want NaN", x.Data, y.Data[0])
	}
}

func TestPoolingRefusesWhatDoesNotFit(t *testing.T) {
	images := [][]int{{1, 2, 4, 4}}
	rejected := map[string]rejection{}
	for pooling, op := range map[string]func(PoolOptions) build{"max": maxPoolOp, "avg": avgPoolOp} {
		rejected[pooling+", matrix"] = rejection{op(square2), [][]int{{2, 4}}, ErrShape}
		rejected[pooling+", kernel larger than input"] = rejection{op(PoolOptions{Kernel: [2]int{2, 5}}), images, ErrShape}
		rejected[pooling+", no kernel"] = rejection{op(PoolOptions{}), images, ErrOption}
		rejected[pooling+", negative stride"] = rejection{
			op(PoolOptions{Kernel: [2]int{2, 2}, Stride: [2]int{1, -1}}),
			images, ErrOption,
		}
		rejected[pooling+", negative padding"] = rejection{
			op(PoolOptions{Kernel: [2]int{2, 2}, Pad: [2]int{-1, 0}}),
			images, ErrOption,
		}
		rejected[pooling+", window of padding only"] = rejection{
			op(PoolOptions{Kernel: [2]int{2, 2}, Pad: [2]int{2, 0}}),
			images, ErrOption,
		}
	}
	for name, s := range globalPoolSpecs() {
		rejected[name+", matrix"] = rejection{s.op, [][]int{{2, 4}}, ErrShape}
	}
	expectRejected(t, rejected)
}

func TestPoolingsThatDifferAreTwoNodes(t *testing.T) {
	x := []int{1, 2, 6, 6}
	spelt := PoolOptions{Kernel: [2]int{2, 2}, Stride: [2]int{2, 2}}
	expectMerged(t, true, maxPoolOp(square2), maxPoolOp(spelt), x)
	expectMerged(t, false, maxPoolOp(square2), avgPoolOp(square2), x)
	expectMerged(t, false, maxPoolOp(overlapping), maxPoolOp(dense3), x)
	excluded, excludedUp := overlapping, ceiled
	excluded.ExcludePad, excludedUp.ExcludePad = true, true
	expectMerged(t, false, avgPoolOp(overlapping), avgPoolOp(excluded), x)
	expectMerged(t, true, maxPoolOp(overlapping), maxPoolOp(excluded), x)
}
