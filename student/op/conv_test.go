package op

import (
	"testing"

	"gorgonia.org/gorgonia"
)

// convOp is Conv2D on (x, w) or (x, w, b).
func convOp(opts ConvOptions) build {
	return func(in gorgonia.Nodes) (*gorgonia.Node, error) {
		if len(in) == 2 {
			return Conv2D(in[0], in[1], nil, opts)
		}
		return Conv2D(in[0], in[1], in[2], opts)
	}
}

func convSpec(opts ConvOptions) spec {
	return spec{op: convOp(opts), reference: func(in []array) array {
		o, err := opts.normalised()
		if err != nil {
			panic(err)
		}
		x, w := in[0], in[1]
		filters, channels, kh, kw := w.Shape[0], w.Shape[1], w.Shape[2], w.Shape[3]
		oh := (x.Shape[2]+2*o.Pad[0]+o.Extra[0]-o.Dilation[0]*(kh-1)-1)/o.Stride[0] + 1
		ow := (x.Shape[3]+2*o.Pad[1]+o.Extra[1]-o.Dilation[1]*(kw-1)-1)/o.Stride[1] + 1
		return filled(func(i []int) float64 {
			n, f := i[0], i[1]
			var y float64
			if len(in) == 3 {
				y = in[2].at(f)
			}
			group := f / (filters / o.Groups)
			for c := range channels {
				for u := range kh {
					for v := range kw {
						h, wd := i[2]*o.Stride[0]+u*o.Dilation[0]-o.Pad[0], i[3]*o.Stride[1]+v*o.Dilation[1]-o.Pad[1]
						if h >= 0 && h < x.Shape[2] && wd >= 0 && wd < x.Shape[3] {
							y += w.at(f, c, u, v) * x.at(n, group*channels+c, h, wd)
						}
					}
				}
			}
			return y
		}, x.Shape[0], filters, oh, ow)
	}}
}

func convSpecs() map[string]spec {
	return map[string]spec{
		"conv/plain":                          convSpec(ConvOptions{}),
		"conv/stride":                         convSpec(ConvOptions{Stride: [2]int{2, 2}, Pad: [2]int{1, 1}}),
		"conv/uneven":                         convSpec(ConvOptions{Stride: [2]int{1, 2}, Pad: [2]int{2, 1}}),
		"conv/padding wider than the input":   convSpec(ConvOptions{Stride: [2]int{3, 2}, Pad: [2]int{4, 3}}),
		"conv/padding wider than the kernel":  convSpec(ConvOptions{Pad: [2]int{2, 1}}),
		"conv/dilation":                       convSpec(ConvOptions{Dilation: [2]int{2, 1}}),
		"conv/dilation wider than the input":  convSpec(ConvOptions{Pad: [2]int{0, 4}, Dilation: [2]int{1, 4}}),
		"conv/depthwise wider than the input": convSpec(ConvOptions{Pad: [2]int{0, 4}, Dilation: [2]int{1, 4}, Groups: 2}),
		"conv/long sums":                      convSpec(ConvOptions{Pad: [2]int{0, 2}}),
		"conv/long sums backwards":            convSpec(ConvOptions{Pad: [2]int{1, 1}}),
		"conv/dilation wider than the input, with stride": convSpec(
			ConvOptions{Stride: [2]int{2, 1}, Pad: [2]int{0, 4}, Dilation: [2]int{1, 4}}),
		"conv/groups":                         convSpec(ConvOptions{Pad: [2]int{1, 1}, Groups: 2}),
		"conv/depthwise":                      convSpec(ConvOptions{Stride: [2]int{2, 1}, Pad: [2]int{1, 1}, Groups: 4}),
		"conv/depthwise dilated":              convSpec(ConvOptions{Pad: [2]int{2, 2}, Dilation: [2]int{2, 2}, Groups: 3}),
		"conv/depth multiplier":               convSpec(ConvOptions{Groups: 2}),
		"conv/pointwise":                      convSpec(ConvOptions{}),
		"conv/pointwise grouped":              convSpec(ConvOptions{Groups: 2}),
		"conv/pointwise with stride":          convSpec(ConvOptions{Stride: [2]int{2, 2}}),
		"conv/batch of one":                   convSpec(ConvOptions{Pad: [2]int{2, 2}}),
		"conv/kernel as large as the input":   convSpec(ConvOptions{}),
		"conv/more samples than partial sums": convSpec(ConvOptions{}),
		"conv/more padding after the image":   convSpec(ConvOptions{Stride: [2]int{2, 2}, Extra: [2]int{1, 1}, Groups: 2}),
		"conv/less padding after the image":   convSpec(ConvOptions{Pad: [2]int{2, 1}, Extra: [2]int{-1, 1}}),
	}
}

func TestConv2DRefusesWhatDoesNotFit(t *testing.T) {
	conv := func(opts ConvOptions, shapes ...[]int) rejection {
		return rejection{op: convOp(opts), shapes: shapes, want: ErrShape}
	}
	x, w := []int{2, 4, 5, 5}, []int{6, 4, 3, 3}
	rejected := map[string]rejection{
		"matrix instead of images":    conv(ConvOptions{}, []int{2, 4}, w),
		"other number of channels":    conv(ConvOptions{}, x, []int{6, 3, 3, 3}),
		"kernel larger than input":    conv(ConvOptions{}, x, []int{6, 4, 6, 3}),
		"dilated kernel larger":       conv(ConvOptions{Dilation: [2]int{1, 3}}, x, w),
		"bias of other length":        conv(ConvOptions{}, x, w, []int{5}),
		"bias as matrix":              conv(ConvOptions{}, x, w, []int{1, 6}),
		"groups do not divide inputs": conv(ConvOptions{Groups: 3}, x, []int{6, 1, 3, 3}),
		"groups do not divide output": conv(ConvOptions{Groups: 4}, x, []int{6, 1, 3, 3}),
	}
	for name, opts := range map[string]ConvOptions{
		"negative stride":                  {Stride: [2]int{-1, 1}},
		"negative padding":                 {Pad: [2]int{0, -1}},
		"negative dilation":                {Dilation: [2]int{1, -2}},
		"negative padding after the image": {Pad: [2]int{1, 1}, Extra: [2]int{0, -2}},
		"negative groups":                  {Groups: -1},
	} {
		rejected[name] = rejection{op: convOp(opts), shapes: [][]int{x, w}, want: ErrOption}
	}
	expectRejected(t, rejected)
}

func TestConvolutionsThatDifferAreTwoNodes(t *testing.T) {
	x, w := []int{1, 2, 6, 6}, []int{2, 2, 3, 3}
	same := convOp(ConvOptions{})
	for name, opts := range map[string]ConvOptions{
		"stride":   {Stride: [2]int{2, 1}},
		"padding":  {Pad: [2]int{1, 0}},
		"extra":    {Extra: [2]int{1, 0}},
		"dilation": {Dilation: [2]int{1, 2}},
	} {
		t.Run(name, func(t *testing.T) { expectMerged(t, false, same, convOp(opts), x, w) })
	}
	t.Run("equal", func(t *testing.T) { expectMerged(t, true, same, same, x, w) })
	t.Run("defaults spelt out", func(t *testing.T) {
		expectMerged(t, true, same, convOp(ConvOptions{Stride: [2]int{1, 1}, Dilation: [2]int{1, 1}, Groups: 1}), x, w)
	})
	t.Run("attributes exchanged", func(t *testing.T) {
		a, b := ConvOptions{Stride: [2]int{1, 2}}, ConvOptions{Stride: [2]int{2, 1}}
		expectMerged(t, false, convOp(a), convOp(b), x, w)
	})
	t.Run("groups", func(t *testing.T) {
		a, err := ConvOptions{Groups: 2}.normalised()
		if err != nil {
			t.Fatal(err)
		}
		if b := (ConvOptions{Groups: 4}); a.String() == b.String() {
			t.Errorf("both are %v", a)
		}
	})
}
