package arch

import (
	"fmt"
	"math"
	"slices"

	"gorgonia.org/tensor"

	"rkd/student/sampler"
)

// Network is an architecture fitted to its input: every layer has a name, a shape and its parameters' places.
type Network struct {
	// Input is the shape of one sample, (C,H,W) or (I).
	Input []int
	// Dim is the width of the embedding.
	Dim    int
	layers []layer
	specs  []spec
}

// layer is a Layer with defaults filled in and its tensors' places in Weights.
type layer struct {
	Layer
	name           string
	in, out        []int // shapes of one sample
	weight, bias   int   // places in Weights.Params, −1 for none; batch_norm: gamma, beta
	mean, variance int   // places in Weights.Buffers
	body, shortcut []layer
}

// spec describes one tensor of the weights before it has values.
type spec struct {
	name   string
	shape  []int
	buffer bool
	fanIn  int     // > 0: uniform in ±1/√fanIn
	value  float64 // otherwise this constant
}

// New fits an architecture to samples of shape input, (C,H,W) or (I). It returns ErrConfig, naming the layer, where a layer
// does not fit the shape that reaches it.
func New(c Config, input []int, embeddingDim int, normalize bool) (*Network, error) {
	list, err := c.layers(embeddingDim, normalize)
	if err != nil {
		return nil, err
	}
	if len(input) != 3 && len(input) != 1 || slices.Min(input) < 1 {
		return nil, fmt.Errorf("%w: samples of shape %v, expected (channels,height,width) or (features)", ErrConfig, input)
	}
	n := &Network{Input: slices.Clone(input), Dim: embeddingDim}
	var out []int
	if n.layers, out, err = n.fit(list, "", input); err != nil {
		return nil, err
	}
	if len(out) != 1 {
		return nil, fmt.Errorf("%w: the embedding layer needs (features), but %v reaches it: flatten or pool globally first",
			ErrConfig, n.layers[len(n.layers)-1].in)
	}
	return n, nil
}

// fit walks a list of layers, following the shape of one sample through them.
func (n *Network) fit(list []Layer, prefix string, shape []int) ([]layer, []int, error) {
	layers := make([]layer, 0, len(list))
	for i, l := range list {
		normed := i+1 < len(list) && list[i+1].Kind == BatchNorm
		fitted, err := n.fitOne(l, fmt.Sprintf("%s%d.%s", prefix, i, l.Kind), shape, normed)
		if err != nil {
			return nil, nil, fmt.Errorf("%w: layer %s%d (%s): %w", ErrConfig, prefix, i, l.Kind, err)
		}
		layers = append(layers, fitted)
		shape = fitted.out
	}
	return layers, shape, nil
}

func (n *Network) fitOne(l Layer, name string, in []int, normed bool) (layer, error) {
	f := layer{Layer: l, name: name, in: in, out: in, weight: -1, bias: -1}
	image := func() error {
		if len(in) != 3 {
			return fmt.Errorf("input has shape %v, expected (channels,height,width)", in)
		}
		return nil
	}
	switch l.Kind {
	case Conv:
		if err := image(); err != nil {
			return f, err
		}
		return f, n.fitConv(&f, normed)
	case Linear:
		if len(in) != 1 {
			return f, fmt.Errorf("input has shape %v, expected (features): flatten or pool globally first", in)
		}
		if l.Out < 1 {
			return f, fmt.Errorf("out is %d, expected 1 or more", l.Out)
		}
		f.out = []int{l.Out}
		n.weigh(&f, []int{l.Out, in[0]}, in[0], normed)
	case BatchNorm:
		c := []int{in[0]}
		f.weight = n.add(spec{name: name + ".weight", shape: c, value: 1})
		f.bias = n.add(spec{name: name + ".bias", shape: c})
		f.mean = n.add(spec{name: name + ".running_mean", shape: c, buffer: true})
		f.variance = n.add(spec{name: name + ".running_var", shape: c, buffer: true, value: 1})
	case ReLU:
	case L2Normalize:
		if len(in) != 1 {
			return f, fmt.Errorf("input has shape %v, expected (features)", in)
		}
	case MaxPool, AvgPool:
		if err := image(); err != nil {
			return f, err
		}
		f.Kernel = or(f.Kernel, 2)
		f.Stride = or(f.Stride, f.Kernel)
		h, err1 := window(in[1], f.Kernel, f.Stride, f.Pad, 1)
		w, err2 := window(in[2], f.Kernel, f.Stride, f.Pad, 1)
		if err1 != nil || err2 != nil || f.Pad*2 > f.Kernel {
			return f, fmt.Errorf("kernel %d, stride %d, pad %d do not fit an input of %v", f.Kernel, f.Stride, f.Pad, in)
		}
		f.out = []int{in[0], h, w}
	case GlobalAvgPool, GlobalMaxPool:
		if err := image(); err != nil {
			return f, err
		}
		f.out = in[:1]
	case Flatten:
		f.out = []int{tensor.Shape(in).TotalSize()}
	case Residual:
		return f, n.fitResidual(&f)
	default:
		return f, fmt.Errorf("unknown kind, expected one of %v", []string{
			Conv, Linear, BatchNorm, ReLU, MaxPool, AvgPool,
			GlobalAvgPool, GlobalMaxPool, Flatten, L2Normalize, Residual,
		})
	}
	return f, nil
}

func (n *Network) fitConv(f *layer, normed bool) error {
	f.Kernel, f.Stride = or(f.Kernel, 3), or(f.Stride, 1)
	f.Dilation, f.Groups = or(f.Dilation, 1), or(f.Groups, 1)
	c := f.in[0]
	if f.Out < 1 || f.Groups < 1 || c%f.Groups != 0 || f.Out%f.Groups != 0 {
		return fmt.Errorf("%d channels in, %d out, %d groups: expected out above 0 and both divisible by groups", c, f.Out, f.Groups)
	}
	h, err1 := window(f.in[1], f.Kernel, f.Stride, f.Pad, f.Dilation)
	w, err2 := window(f.in[2], f.Kernel, f.Stride, f.Pad, f.Dilation)
	if err1 != nil || err2 != nil {
		return fmt.Errorf("kernel %d, stride %d, pad %d, dilation %d do not fit an input of %v", f.Kernel, f.Stride, f.Pad,
			f.Dilation, f.in)
	}
	f.out = []int{f.Out, h, w}
	perGroup := c / f.Groups
	n.weigh(f, []int{f.Out, perGroup, f.Kernel, f.Kernel}, perGroup*f.Kernel*f.Kernel, normed)
	return nil
}

func (n *Network) fitResidual(f *layer) (err error) {
	if len(f.Body) == 0 {
		return fmt.Errorf("body is empty, expected layers")
	}
	var out []int
	if f.body, f.out, err = n.fit(f.Body, f.name+".body.", f.in); err != nil {
		return err
	}
	if f.shortcut, out, err = n.fit(f.Shortcut, f.name+".shortcut.", f.in); err != nil {
		return err
	}
	if !slices.Equal(f.out, out) {
		return fmt.Errorf("body makes %v, shortcut %v, expected equal shapes", f.out, out)
	}
	return nil
}

// weigh gives a layer its weight and, unless batch normalisation follows, its bias.
func (n *Network) weigh(f *layer, shape []int, fanIn int, normed bool) {
	f.weight = n.add(spec{name: f.name + ".weight", shape: shape, fanIn: fanIn})
	if f.Bias == nil && !normed || f.Bias != nil && *f.Bias {
		f.bias = n.add(spec{name: f.name + ".bias", shape: shape[:1], fanIn: fanIn})
	}
}

// add places a tensor and returns its index among the parameters or among the buffers.
func (n *Network) add(s spec) int {
	place := 0
	for _, other := range n.specs {
		if other.buffer == s.buffer {
			place++
		}
	}
	n.specs = append(n.specs, s)
	return place
}

func or(v, def int) int {
	if v == 0 {
		return def
	}
	return v
}

// window is the number of places of a kernel along one side.
func window(size, kernel, stride, pad, dilation int) (int, error) {
	span := dilation*(kernel-1) + 1
	if kernel < 1 || stride < 1 || pad < 0 || dilation < 1 || size+2*pad < span {
		return 0, ErrConfig
	}
	return (size+2*pad-span)/stride + 1, nil
}

// Tensor is one named tensor of a student.
type Tensor struct {
	Name  string
	Value *tensor.Dense
}

// Weights are the tensors of a student: what training moves (Params) and what it observes (Buffers: the running
// statistics of batch normalisation), each in the order of the layers.
type Weights struct {
	Params  []Tensor
	Buffers []Tensor
}

// All returns the parameters, then the buffers.
func (w *Weights) All() []Tensor { return slices.Concat(w.Params, w.Buffers) }

// Init makes the first weights in element type dt (tensor.Float32 or tensor.Float64): weights and biases of convolutions
// and linear layers uniform in ±1/√fan_in, batch normalisation with weight 1, bias 0, mean 0, variance 1. The same seed
// gives the same weights.
//
// Source: PyTorch's defaults (kaiming_uniform with a = √5; He et al. 2015).
func (n *Network) Init(seed uint64, dt tensor.Dtype) *Weights {
	r := sampler.Stream(seed, "init", 0)
	w := new(Weights)
	for _, s := range n.specs {
		values := make([]float64, tensor.Shape(s.shape).TotalSize())
		for i := range values {
			values[i] = s.value
			if s.fanIn > 0 {
				values[i] = (2*r.Float64() - 1) / math.Sqrt(float64(s.fanIn))
			}
		}
		t := Tensor{Name: s.name, Value: dense(s.shape, values, dt)}
		if s.buffer {
			w.Buffers = append(w.Buffers, t)
		} else {
			w.Params = append(w.Params, t)
		}
	}
	return w
}

func dense(shape []int, values []float64, dt tensor.Dtype) *tensor.Dense {
	if dt == tensor.Float64 {
		return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(values))
	}
	single := make([]float32, len(values))
	for i, v := range values {
		single[i] = float32(v)
	}
	return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(single))
}

// Parameters is the number of trained numbers.
func (n *Network) Parameters() (count int) {
	for _, s := range n.specs {
		if !s.buffer {
			count += tensor.Shape(s.shape).TotalSize()
		}
	}
	return count
}
