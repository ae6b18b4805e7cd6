package op

import (
	"testing"

	"gorgonia.org/gorgonia"
)

func convTransposeOp(o ConvTransposeOptions) build {
	return func(in gorgonia.Nodes) (*gorgonia.Node, error) {
		if len(in) == 2 {
			return ConvTranspose2D(in[0], in[1], nil, o)
		}
		return ConvTranspose2D(in[0], in[1], in[2], o)
	}
}

func convTransposeSpec(o ConvTransposeOptions) spec {
	return spec{op: convTransposeOp(o), reference: func(in []array) array {
		x, w := in[0], in[1]
		n, err := o.normalised()
		if err != nil {
			return array{}
		}
		side := func(axis int) int {
			return (x.Shape[2+axis]-1)*n.Stride[axis] - 2*n.Pad[axis] + n.Dilation[axis]*(w.Shape[2+axis]-1) +
				n.OutputPad[axis] + 1
		}
		filters, channels := w.Shape[1], x.Shape[1]/n.Groups // of one group
		y := newArray(x.Shape[0], filters*n.Groups, side(0), side(1))
		if len(in) == 3 {
			y = filled(func(i []int) float64 { return in[2].at(i[1]) }, y.Shape...)
		}
		filled(func(i []int) float64 { // every input element, times the kernel
			for f := range filters {
				for u := range w.Shape[2] {
					for v := range w.Shape[3] {
						h := i[2]*n.Stride[0] + u*n.Dilation[0] - n.Pad[0]
						c := i[3]*n.Stride[1] + v*n.Dilation[1] - n.Pad[1]
						if h >= 0 && h < y.Shape[2] && c >= 0 && c < y.Shape[3] {
							y.Data[y.offset(i[0], i[1]/channels*filters+f, h, c)] += x.at(i...) * w.at(i[1], f, u, v)
						}
					}
				}
			}
			return 0
		}, x.Shape...)
		return y
	}}
}

func convTransposeSpecs() map[string]spec {
	both := func(v int) [2]int { return [2]int{v, v} }
	conv := func(o ConvOptions, pad ...int) spec {
		t := ConvTransposeOptions{ConvOptions: o}
		copy(t.OutputPad[:], pad)
		return convTransposeSpec(t)
	}
	return map[string]spec{
		"conv transpose/plain":                         conv(ConvOptions{}),
		"conv transpose/no bias":                       conv(ConvOptions{}),
		"conv transpose/stride":                        conv(ConvOptions{Stride: both(2), Pad: both(1)}),
		"conv transpose/output padding":                conv(ConvOptions{Stride: [2]int{2, 3}, Pad: both(1)}, 1, 2),
		"conv transpose/groups":                        conv(ConvOptions{Stride: both(2), Groups: 2}),
		"conv transpose/depthwise":                     conv(ConvOptions{Stride: [2]int{1, 2}, Groups: 3}, 0, 1),
		"conv transpose/dilation":                      conv(ConvOptions{Dilation: [2]int{2, 1}, Pad: [2]int{1, 0}}),
		"conv transpose/gap between kernels":           conv(ConvOptions{Stride: both(3)}),
		"conv transpose/padding wider than the kernel": conv(ConvOptions{Pad: both(2)}),
	}
}

func TestConvTranspose2DRefusesWhatDoesNotFit(t *testing.T) {
	with := func(o ConvOptions, pad int) build {
		return convTransposeOp(ConvTransposeOptions{ConvOptions: o, OutputPad: [2]int{pad, pad}})
	}
	x, w := []int{1, 4, 3, 3}, []int{4, 2, 3, 3}
	expectRejected(t, map[string]rejection{
		"matrix":                    {with(ConvOptions{}, 0), [][]int{{2, 3}, w}, ErrShape},
		"other channels":            {with(ConvOptions{}, 0), [][]int{{1, 3, 3, 3}, w}, ErrShape},
		"groups":                    {with(ConvOptions{Groups: 3}, 0), [][]int{x, w}, ErrShape},
		"bias of other length":      {with(ConvOptions{}, 0), [][]int{x, w, {4}}, ErrShape},
		"padding that leaves none":  {with(ConvOptions{Pad: [2]int{3, 3}}, 0), [][]int{x, w}, ErrShape},
		"negative stride":           {with(ConvOptions{Stride: [2]int{-1, 1}}, 0), [][]int{x, w}, ErrOption},
		"output_pad of the stride":  {with(ConvOptions{Stride: [2]int{2, 2}}, 2), [][]int{x, w}, ErrOption},
		"output_pad without stride": {with(ConvOptions{}, 1), [][]int{x, w}, ErrOption},
		"negative output_pad":       {with(ConvOptions{}, -1), [][]int{x, w}, ErrOption},
		"more padding at one end":   {with(ConvOptions{Extra: [2]int{1, 0}}, 0), [][]int{x, w}, ErrOption},
	})
}

func TestTransposedConvolutionsThatDifferAreTwoNodes(t *testing.T) {
	stride := ConvOptions{Stride: [2]int{2, 2}}
	a, b := ConvTransposeOptions{ConvOptions: stride}, ConvTransposeOptions{ConvOptions: stride, OutputPad: [2]int{1, 0}}
	expectMerged(t, false, convTransposeOp(a), convTransposeOp(b), []int{1, 1, 2, 2}, []int{1, 1, 2, 2})
}
