package op

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/models/onnx"
	"rkd/student/internal/blas"
	"rkd/student/internal/conv"
	"rkd/student/internal/parallel"
)

// ConvTransposeOptions are the attributes of ConvTranspose2D: those of the convolution whose adjoint it is, and the
// rows and columns that are added at the end of its output.
type ConvTransposeOptions struct {
	ConvOptions
	OutputPad [2]int
}

func (o ConvTransposeOptions) String() string {
	return fmt.Sprintf("%v,output_pad=%v", o.ConvOptions, o.OutputPad)
}

// normalised fills in defaults. output_pad must be below the stride, or the convolution of the output would have
// another size than the input.
func (o ConvTransposeOptions) normalised() (ConvTransposeOptions, error) {
	var err error
	if o.ConvOptions, err = o.ConvOptions.normalised(); err != nil {
		return o, err
	}
	if o.Extra != [2]int{} {
		return o, fmt.Errorf("transposed convolution with %v: %w: expected no extra padding", o, ErrOption)
	}
	for i := range 2 {
		if o.OutputPad[i] < 0 || o.OutputPad[i] >= o.Stride[i] {
			return o, fmt.Errorf("transposed convolution with %v: %w: expected output_pad from 0 to below the stride", o,
				ErrOption)
		}
	}
	return o, nil
}

// infer is the output's shape (N,O,OH,OW) for x (N,C,H,W) and w (C,O/g,kh,kw).
func (o ConvTransposeOptions) infer(x, w tensor.Shape) (tensor.Shape, error) {
	if x[1] != w[0] || x[1]%o.Groups != 0 {
		return nil, fmt.Errorf("%w: x is %v and w is %v, expected (N,C,H,W) and (C,O/%d,kh,kw)", ErrShape, x, w, o.Groups)
	}
	out := tensor.Shape{x[0], w[1] * o.Groups, 0, 0}
	for i := range 2 {
		out[2+i] = (x[2+i]-1)*o.Stride[i] - 2*o.Pad[i] + o.Dilation[i]*(w[2+i]-1) + o.OutputPad[i] + 1
		if out[2+i] < 1 {
			return nil, fmt.Errorf("%w: the padding %v leaves nothing of x %v", ErrShape, o.Pad, x)
		}
	}
	return out, nil
}

type convTranspose struct {
	operator
	opts ConvTransposeOptions
}

// ConvTranspose2D is the adjoint of Conv2D with the same options in its input, plus a bias: every element of x adds its
// multiple of the kernel to the output,
//
//	y[n,o,i·stride + u·dilation − pad, j·stride + v·dilation − pad] += w[c,o,u,v] · x[n,c,i,j],  y = b elsewhere.
//
// x is (N,C,H,W), w is (C,O/G,kh,kw), b is (O) or nil, and y is (N,O,OH,OW) with OH = (H−1)·stride − 2·pad +
// dilation·(kh−1) + output_pad + 1 and OW alike. It has gradients with respect to x, w and b.
//
// It returns ErrShape when the shapes do not fit, ErrOption for negative attributes or an output_pad not below the
// stride, ErrType for mixed element types.
func ConvTranspose2D(x, w, b *gorgonia.Node, opts ConvTransposeOptions) (*gorgonia.Node, error) {
	opts, err := opts.normalised()
	if err != nil {
		return nil, err
	}
	buffers := new(parallel.Scratch)
	c := &convTranspose{opts: opts, operator: operator{
		name:  fmt.Sprintf("ConvTranspose2D{%v}", opts),
		ranks: []int{4, 4, 4},
		infer: func(in []tensor.Shape) (tensor.Shape, error) {
			out, err := opts.infer(in[0], in[1])
			if err == nil && len(in) == 3 {
				err = expectShape(in, 2, out[1])
			}
			return out, err
		},
		exec: kernels(
			func(a args[float32]) { convTransposeForward(a, opts, buffers) },
			func(a args[float64]) { convTransposeForward(a, opts, buffers) }),
		lower: onnxNode("ConvTranspose", pair("strides", opts.Stride), pads(opts.Pad), pair("dilations", opts.Dilation),
			pair("output_padding", opts.OutputPad), onnx.Int("group", int64(opts.Groups))),
	}}
	inputs := []*gorgonia.Node{x, w}
	if b != nil {
		inputs = append(inputs, b)
		c.ranks = []int{4, 4, 1, 4}
	}
	return apply(c, inputs...)
}

// convTransposeForward computes y as the input gradient of a convolution, of which x is the gradient on the output.
func convTransposeForward[T blas.Float](a args[T], opts ConvTransposeOptions, buffers *parallel.Scratch) {
	g := opts.geometry(a.outShape, a.inShape[1], a.inShape[0])
	conv.InputGrad(a.team, g, a.out, a.in[1], a.in[0], buffers)
	if len(a.in) < 3 {
		return
	}
	l := layoutOf(a.outShape)
	a.team.For(l.samples, func(n int) {
		for c, bias := range a.in[2] {
			y := plane(l, a.out, n, c)
			for i := range y {
				y[i] += bias
			}
		}
	})
}

func (*convTranspose) DiffWRT(inputs int) []bool { return all(inputs) }

// SymDiff returns the gradients with respect to x, w and, if there is one, b: the convolution of gy, and the weights'
// gradient of that convolution with x as the gradient on its output.
func (c *convTranspose) SymDiff(inputs gorgonia.Nodes, _, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	x, w := inputs[0], inputs[1]
	gx, err := Conv2D(gy, w, nil, c.opts.ConvOptions)
	if err != nil {
		return nil, err
	}
	gw, err := convWeightGrad(gy, w, x, c.opts.ConvOptions)
	if err != nil {
		return nil, err
	}
	grads := gorgonia.Nodes{gx, gw}
	if len(inputs) == 3 {
		gb, err := channelSum(gy)
		if err != nil {
			return nil, err
		}
		grads = append(grads, gb)
	}
	return grads, nil
}
