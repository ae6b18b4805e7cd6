package op

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/models/onnx"
	"rkd/student/internal/blas"
	"rkd/student/internal/parallel"
)

// PadOptions are the attributes of Pad2D: rows and columns of zeros before and after the image, rows before columns.
type PadOptions struct {
	Before, After [2]int
}

func (o PadOptions) String() string { return fmt.Sprintf("before=%v,after=%v", o.Before, o.After) }

// padded is the shape of x (N,C,H,W) with its borders.
func (o PadOptions) padded(x tensor.Shape) tensor.Shape {
	out := x.Clone()
	for i := range 2 {
		out[2+i] += o.Before[i] + o.After[i]
	}
	return out
}

type pad struct {
	operator
	opts PadOptions
}

// Pad2D surrounds the images x (N,C,H,W) with zeros: y is (N,C,Before₀+H+After₀,Before₁+W+After₁). Its gradient is the
// inside of gy.
//
// It returns ErrShape for other ranks and ErrOption for negative numbers.
func Pad2D(x *gorgonia.Node, opts PadOptions) (*gorgonia.Node, error) {
	for i := range 2 {
		if opts.Before[i] < 0 || opts.After[i] < 0 {
			return nil, fmt.Errorf("Pad2D{%v}: %w: expected no negative number", opts, ErrOption)
		}
	}
	return apply(&pad{opts: opts, operator: operator{
		name:  fmt.Sprintf("Pad2D{%v}", opts),
		ranks: []int{4, 4},
		infer: func(in []tensor.Shape) (tensor.Shape, error) { return opts.padded(in[0]), nil },
		exec: kernels(
			func(a args[float32]) { padForward(a, opts) },
			func(a args[float64]) { padForward(a, opts) }),
		lower: func(b *onnx.Builder, in []string) string {
			borders := b.Int64("borders", []int{8}, []int64{
				0, 0, int64(opts.Before[0]), int64(opts.Before[1]), 0, 0, int64(opts.After[0]), int64(opts.After[1]),
			})
			return b.Node("Pad", []string{in[0], borders})
		},
	}}, x)
}

// inside calls each with the places of every row of every image of the shape inner, in itself and in the padded image.
func (o PadOptions) inside(team *parallel.Team, inner, outer tensor.Shape, each func(in, out int)) {
	height, width := inner[2], inner[3]
	team.For(inner[0]*inner[1], func(image int) {
		for h := range height {
			each((image*height+h)*width, (image*outer[2]+o.Before[0]+h)*outer[3]+o.Before[1])
		}
	})
}

func padForward[T blas.Float](a args[T], opts PadOptions) {
	clear(a.out)
	width := a.inShape[0][3]
	opts.inside(a.team, a.inShape[0], a.outShape, func(in, out int) { copy(a.out[out:], a.in[0][in:][:width]) })
}

func (*pad) DiffWRT(inputs int) []bool { return all(inputs) }

// SymDiff returns the inside of gy.
func (p *pad) SymDiff(inputs gorgonia.Nodes, _, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	opts, inner := p.opts, inputs[0].Shape()[2:].Clone()
	gx, err := apply(&operator{
		name:  fmt.Sprintf("Pad2DGrad{%v}", opts),
		ranks: []int{4, 4},
		infer: func(in []tensor.Shape) (tensor.Shape, error) {
			x := append(in[0][:2].Clone(), inner...)
			return x, expectShape(in, 0, opts.padded(x)...)
		},
		exec: kernels(
			func(a args[float32]) { cropForward(a, opts) },
			func(a args[float64]) { cropForward(a, opts) }),
		lower: func(b *onnx.Builder, in []string) string {
			two := func(name string, h, w int) string { return b.Int64(name, []int{2}, []int64{int64(h), int64(w)}) }
			h, w := opts.Before[0], opts.Before[1]
			return b.Node("Slice", []string{in[0], two("from", h, w), two("to", h+inner[0], w+inner[1]), two("axes", 2, 3)})
		},
	}, gy)
	return gorgonia.Nodes{gx}, err
}

func cropForward[T blas.Float](a args[T], opts PadOptions) {
	width := a.outShape[3]
	opts.inside(a.team, a.outShape, a.inShape[0], func(in, out int) { copy(a.out[in:][:width], a.in[0][out:]) })
}
