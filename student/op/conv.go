package op

import (
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/models/onnx"
	"rkd/student/internal/blas"
	"rkd/student/internal/conv"
	"rkd/student/internal/parallel"
)

// ConvOptions are the attributes of Conv2D, rows before columns. A zero stride, dilation or number of groups means 1.
type ConvOptions struct {
	Stride, Pad, Dilation [2]int
	// Extra is how much more padding there is after the image than before it, or, negative, less.
	Extra  [2]int
	Groups int
}

func (o ConvOptions) String() string {
	return fmt.Sprintf("stride=%v,pad=%v,extra=%v,dilation=%v,groups=%d", o.Stride, o.Pad, o.Extra, o.Dilation, o.Groups)
}

// normalised fills in defaults, so that equal convolutions have equal hashes.
func (o ConvOptions) normalised() (ConvOptions, error) {
	for i := range 2 {
		if o.Stride[i] == 0 {
			o.Stride[i] = 1
		}
		if o.Dilation[i] == 0 {
			o.Dilation[i] = 1
		}
		if o.Stride[i] < 0 || o.Pad[i] < 0 || o.Pad[i]+o.Extra[i] < 0 || o.Dilation[i] < 0 {
			return o, fmt.Errorf("convolution with %v: %w: expected stride and dilation ≥ 1 and padding ≥ 0", o, ErrOption)
		}
	}
	if o.Groups == 0 {
		o.Groups = 1
	}
	if o.Groups < 0 {
		return o, fmt.Errorf("convolution with %v: %w: expected groups ≥ 1", o, ErrOption)
	}
	return o, nil
}

// infer is the output's shape (N,O,OH,OW) for x (N,C,H,W) and w (O,C/g,kh,kw).
func (o ConvOptions) infer(x, w tensor.Shape) (tensor.Shape, error) {
	if x[1] != w[1]*o.Groups || w[0]%o.Groups != 0 {
		return nil, fmt.Errorf("%w: x is %v and w is %v, expected (N,C,H,W) and (O,C/%d,kh,kw)", ErrShape, x, w, o.Groups)
	}
	out := tensor.Shape{x[0], w[0], 0, 0}
	for i := range 2 {
		span := x[2+i] + 2*o.Pad[i] + o.Extra[i] - o.Dilation[i]*(w[2+i]-1) - 1
		if span < 0 {
			return nil, fmt.Errorf("%w: the kernel of w %v is larger than the padded x %v", ErrShape, w, x)
		}
		out[2+i] = span/o.Stride[i] + 1
	}
	return out, nil
}

// geometry is the convolution of x (N,C,H,W) and w (O,C/g,kh,kw) with result y (N,O,OH,OW).
func (o ConvOptions) geometry(x, w, y tensor.Shape) conv.Geometry {
	return conv.NewGeometry(conv.Options(o), x, w, y)
}

// convolution is the operator of Conv2D, with an activation fused into it or without.
type convolution struct {
	operator
	opts ConvOptions
}

// Conv2D is the two-dimensional convolution (cross-correlation, as everywhere in the field)
//
//	y[n,o,i,j] = b[o] + Σ_{c,u,v} w[o,c,u,v] · x[n, g·C/G + c, i·stride + u·dilation − pad, j·stride + v·dilation − pad]
//
// where g is the group of output channel o, G the number of groups, and x is 0 outside its borders. x is (N,C,H,W), w
// is (O,C/G,kh,kw), b is (O) or nil, y is (N,O,OH,OW) with OH = ⌊(H + 2·pad + extra − dilation·(kh−1) − 1)/stride⌋ + 1
// and OW alike.
// It has gradients with respect to x, w and b. The weights' gradient is added up over a fixed partition of the batch.
//
// It returns ErrShape when the shapes do not fit, ErrOption for negative attributes, ErrType for mixed element types.
func Conv2D(x, w, b *gorgonia.Node, opts ConvOptions) (*gorgonia.Node, error) {
	opts, err := opts.normalised()
	if err != nil {
		return nil, err
	}
	inputs := []*gorgonia.Node{x, w}
	if b != nil {
		inputs = append(inputs, b)
	}
	return apply(newConvolution(opts, conv.Linear, len(inputs)), inputs...)
}

func newConvolution(opts ConvOptions, after conv.Activation, inputs int) *convolution {
	buffers := new(parallel.Scratch)
	c := &convolution{opts: opts, operator: operator{
		name:  fmt.Sprintf("%vConv2D{%v}", after, opts),
		ranks: []int{4, 4, 4},
		infer: func(in []tensor.Shape) (tensor.Shape, error) {
			if len(in) == 3 {
				if err := expectShape(in, 2, in[1][0]); err != nil {
					return nil, err
				}
			}
			return opts.infer(in[0], in[1])
		},
		exec: kernels(
			func(a args[float32]) { convForward(a, opts, after, buffers) },
			func(a args[float64]) { convForward(a, opts, after, buffers) }),
		plans: func(in []tensor.Shape) bool { return conv.Prepared(conv.Convolution, in[1], opts.Groups) },
		plan:  planConv(conv.Convolution, opts, after),
	}}
	if after == conv.Linear {
		c.lower = onnxNode("Conv", pair("strides", opts.Stride), opts.pads(), pair("dilations", opts.Dilation),
			onnx.Int("group", int64(opts.Groups)))
	}
	if inputs == 3 {
		c.ranks = []int{4, 4, 1, 4}
	}
	return c
}

func convForward[T blas.Float](a args[T], opts ConvOptions, after conv.Activation, buffers *parallel.Scratch) {
	var bias []T
	if len(a.in) == 3 {
		bias = a.in[2]
	}
	conv.Forward(a.team, opts.geometry(a.inShape[0], a.inShape[1], a.outShape), a.out, a.in[0], a.in[1], bias, buffers)
	conv.Activate(after, a.out)
}

func (c *convolution) DiffWRT(inputs int) []bool { return all(inputs) }

// SymDiff returns the gradients with respect to x, w and, if there is one, b.
func (c *convolution) SymDiff(inputs gorgonia.Nodes, _, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	x, w := inputs[0], inputs[1]
	gx, err := convInputGrad(x, w, gy, c.opts)
	if err != nil {
		return nil, err
	}
	gw, err := convWeightGrad(x, w, gy, c.opts)
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

// convInputGradient is the gradient of a convolution with respect to x.
type convInputGradient struct {
	operator
	opts     ConvOptions
	geometry conv.Geometry
}

// convInputGrad is the input gradient gx: the adjoint of the convolution in x, applied to gy. Only the shape of x is
// used.
func convInputGrad(x, w, gy *gorgonia.Node, opts ConvOptions) (*gorgonia.Node, error) {
	return apply(newConvInputGrad(opts, conv.Linear, opts.geometry(x.Shape(), w.Shape(), gy.Shape())), x, w, gy)
}

// newConvInputGrad makes the operator of gx. If x is the output of an activation that is fused in, its mask is applied,
// and the result is the gradient of the activation's input.
func newConvInputGrad(opts ConvOptions, after conv.Activation, g conv.Geometry) *convInputGradient {
	buffers := new(parallel.Scratch)
	c := &convInputGradient{opts: opts, geometry: g, operator: operator{
		name:  fmt.Sprintf("%vConv2DInputGrad{%v}", after, opts),
		ranks: []int{4, 4, 4, 4},
		infer: func(in []tensor.Shape) (tensor.Shape, error) { return opts.inferGrad(in, 0) },
		exec: kernels(
			func(a args[float32]) { convInputBackward(a, opts, after, buffers) },
			func(a args[float64]) { convInputBackward(a, opts, after, buffers) }),
		plans: func(in []tensor.Shape) bool { return conv.Prepared(conv.InputGradient, in[1], opts.Groups) },
		plan:  planConv(conv.InputGradient, opts, after),
	}}
	if after == conv.Linear {
		c.lower = lowerConvInputGrad(g)
	}
	return c
}

func convInputBackward[T blas.Float](a args[T], opts ConvOptions, after conv.Activation, buffers *parallel.Scratch) {
	x, w, gy := a.inShape[0], a.inShape[1], a.inShape[2]
	conv.InputGrad(a.team, opts.geometry(x, w, gy), a.out, a.in[1], a.in[2], buffers)
	conv.Mask(after, a.in[0], a.out)
}

// convWeightGrad is the weight gradient gw: the adjoint of the convolution in w, applied to gy. Only the shape of w is
// used.
func convWeightGrad(x, w, gy *gorgonia.Node, opts ConvOptions) (*gorgonia.Node, error) {
	buffers := new(parallel.Scratch)
	return apply(&operator{
		name:  fmt.Sprintf("Conv2DWeightGrad{%v}", opts),
		ranks: []int{4, 4, 4, 4},
		infer: func(in []tensor.Shape) (tensor.Shape, error) { return opts.inferGrad(in, 1) },
		exec: kernels(
			func(a args[float32]) { convWeightBackward(a, opts, buffers) },
			func(a args[float64]) { convWeightBackward(a, opts, buffers) }),
		plans: func(in []tensor.Shape) bool { return conv.Prepared(conv.WeightGradient, in[1], opts.Groups) },
		plan:  planConv(conv.WeightGradient, opts, conv.Linear),
	}, x, w, gy)
}

func convWeightBackward[T blas.Float](a args[T], opts ConvOptions, buffers *parallel.Scratch) {
	x, w, gy := a.inShape[0], a.inShape[1], a.inShape[2]
	conv.WeightGrad(a.team, opts.geometry(x, w, gy), a.out, a.in[0], a.in[2], buffers)
}

// pads is the padding before and after the image.
func (o ConvOptions) pads() onnx.Attr {
	return onnx.Ints("pads", int64(o.Pad[0]), int64(o.Pad[1]), int64(o.Pad[0]+o.Extra[0]), int64(o.Pad[1]+o.Extra[1]))
}

// inferGrad checks (x, w, gy) and returns the shape of the input that the gradient belongs to.
func (o ConvOptions) inferGrad(in []tensor.Shape, wrt int) (tensor.Shape, error) {
	y, err := o.infer(in[0], in[1])
	if err != nil {
		return nil, err
	}
	if err := expectShape(in, 2, y...); err != nil {
		return nil, err
	}
	return in[wrt].Clone(), nil
}

// planConv prepares a kind of convolution.
func planConv(kind conv.Kind, o ConvOptions, after conv.Activation) planning {
	return func(m Multiplier, team *parallel.Team, out *tensor.Dense, in []*tensor.Dense) (func() error, error) {
		arrays, err := float32s(append(slices.Clone(in), out))
		if err != nil {
			return nil, fmt.Errorf("planning a convolution: %w", err)
		}
		y, last := out.Shape(), len(in)
		if kind != conv.Convolution {
			y = in[2].Shape()
		}
		return conv.Plan(kind, o.geometry(in[0].Shape(), in[1].Shape(), y), after, m, team, arrays[last], arrays[:last])
	}
}

// float32s are the arrays of tensors.
func float32s(tensors []*tensor.Dense) ([][]float32, error) {
	list := make([][]float32, len(tensors))
	for i, t := range tensors {
		data, err := elements[float32](t)
		if err != nil {
			return nil, fmt.Errorf("tensor %d: %w", i, err)
		}
		list[i] = data
	}
	return list, nil
}
