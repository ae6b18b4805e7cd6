package arch

import (
	"errors"
	"fmt"
	"slices"

	"gorgonia.org/tensor"
)

// maxElements bounds a layer's output and each tensor of the weights, so that a typing error cannot use up all memory.
const maxElements = 1 << 30

// maxLayers bounds the number of layers: networks of the literature have some hundreds.
const maxLayers = 4096

func tooLarge(shape []int) bool {
	room := maxElements
	for _, d := range shape {
		if d > room {
			return true
		}
		room /= d
	}
	return false
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
		if tooLarge(fitted.out) {
			return nil, nil, fmt.Errorf("%w: layer %s%d (%s): output has shape %v, expected at most %d numbers",
				ErrConfig, prefix, i,
				l.Kind, fitted.out, maxElements)
		}
		layers = append(layers, fitted)
		shape = fitted.out
	}
	return layers, shape, nil
}

// fitOne fits a layer to the shape in. normed says that batch normalisation follows.
func (n *Network) fitOne(l Layer, name string, in []int, normed bool) (layer, error) {
	f := layer{Layer: l, name: name, in: in, out: in, weight: -1, bias: -1}
	if err := expectInput(l.Kind, in); err != nil {
		return f, err
	}
	switch l.Kind {
	case Conv:
		return f, n.fitConv(&f, normed)
	case ConvTranspose:
		return f, n.fitConvTranspose(&f, normed)
	case Linear:
		if l.Out < 1 {
			return f, fmt.Errorf("out is %d, expected 1 or more", l.Out)
		}
		f.out = []int{l.Out}
		n.weigh(&f, []int{l.Out, in[0]}, l.Out, in[0], normed)
	case BatchNorm:
		c := []int{in[0]}
		n.scale(&f, c)
		f.mean = n.add(spec{name: name + ".running_mean", shape: c, buffer: true})
		f.variance = n.add(spec{name: name + ".running_var", shape: c, buffer: true, value: 1})
	case LayerNorm:
		n.scale(&f, in)
	case LeakyReLU:
		if f.Slope == 0 {
			f.Slope = 0.01
		}
		if !(f.Slope > 0 && f.Slope < 1) {
			return f, fmt.Errorf("slope is %g, expected a number between 0 and 1", f.Slope)
		}
	case Dropout:
		if !(f.Rate > 0 && f.Rate < 1) {
			return f, fmt.Errorf("rate is %g, expected a number between 0 and 1", f.Rate)
		}
	case ReLU, ReLU6, GELU, SiLU, HardSwish, Sigmoid, Tanh, Softmax, L2Normalize:
	case MaxPool, AvgPool:
		return f, fitPool(&f)
	case Pad:
		return f, fitPad(&f)
	case GlobalAvgPool, GlobalMaxPool:
		f.out = in[:1]
	case Flatten:
		f.out = []int{tensor.Shape(in).TotalSize()}
	case Residual:
		return f, n.fitResidual(&f)
	case Concat:
		return f, n.fitConcat(&f)
	default:
		return f, fmt.Errorf("unknown kind, expected one of %v", kinds())
	}
	return f, nil
}

// expectInput checks the rank that a kind of layer takes.
func expectInput(kind string, in []int) error {
	switch kind {
	case Conv, ConvTranspose, MaxPool, AvgPool, GlobalAvgPool, GlobalMaxPool, Pad:
		if len(in) != 3 {
			return fmt.Errorf("input has shape %v, expected (channels,height,width)", in)
		}
	case Linear:
		if len(in) != 1 {
			return fmt.Errorf("input has shape %v, expected (features): flatten or pool globally first", in)
		}
	case L2Normalize, Softmax:
		if len(in) != 1 {
			return fmt.Errorf("input has shape %v, expected (features)", in)
		}
	}
	return nil
}

// setWindows fills in the windows along height and width; those of width are the same unless columns are given.
func (f *layer) setWindows(defaults func(*Window)) {
	f.windows[0] = Window{f.Kernel, f.Stride, f.Pad, f.Dilation, f.OutputPad}
	f.windows[1] = f.windows[0]
	if f.Columns != nil {
		f.windows[1] = *f.Columns
	}
	for i := range f.windows {
		defaults(&f.windows[i])
	}
}

// misfit is the error for windows that do not fit a layer's input.
func (f *layer) misfit() error {
	if f.Columns != nil {
		return fmt.Errorf("%v, along the width %v, do not fit an input of %v", f.windows[0], f.windows[1], f.in)
	}
	return fmt.Errorf("%v do not fit an input of %v", f.windows[0], f.in)
}

func convDefaults(w *Window) {
	w.Kernel, w.Stride, w.Dilation = or(w.Kernel, 3), or(w.Stride, 1), or(w.Dilation, 1)
}

// fitGroups checks channels and groups of a convolution.
func (f *layer) fitGroups() error {
	f.Groups = or(f.Groups, 1)
	c := f.in[0]
	if f.Out < 1 || f.Groups < 1 || c%f.Groups != 0 || f.Out%f.Groups != 0 {
		return fmt.Errorf("%d channels in, %d out, %d groups: expected out above 0 and both divisible by groups", c,
			f.Out, f.Groups)
	}
	return nil
}

func (n *Network) fitConv(f *layer, normed bool) error {
	if err := f.fitGroups(); err != nil {
		return err
	}
	f.setWindows(convDefaults)
	f.out = []int{f.Out, 0, 0}
	for i, w := range f.windows {
		if f.out[1+i] = w.places(f.in[1+i]); f.out[1+i] < 1 || w.OutputPad != 0 {
			return f.misfit()
		}
	}
	perGroup, kh, kw := f.in[0]/f.Groups, f.windows[0].Kernel, f.windows[1].Kernel
	n.weigh(f, []int{f.Out, perGroup, kh, kw}, f.Out, perGroup*kh*kw, normed)
	return nil
}

func (n *Network) fitConvTranspose(f *layer, normed bool) error {
	if err := f.fitGroups(); err != nil {
		return err
	}
	f.setWindows(convDefaults)
	f.out = []int{f.Out, 0, 0}
	for i, w := range f.windows {
		if f.out[1+i] = w.spread(f.in[1+i]); f.out[1+i] < 1 {
			return f.misfit()
		}
	}
	perGroup, kh, kw := f.Out/f.Groups, f.windows[0].Kernel, f.windows[1].Kernel
	n.weigh(f, []int{f.in[0], perGroup, kh, kw}, f.Out, perGroup*kh*kw, normed)
	return nil
}

func fitPool(f *layer) error {
	f.setWindows(func(w *Window) {
		w.Kernel = or(w.Kernel, 2)
		w.Stride = or(w.Stride, w.Kernel)
		w.Dilation = or(w.Dilation, 1)
	})
	f.out = []int{f.in[0], 0, 0}
	for i, w := range f.windows {
		f.out[1+i] = w.places(f.in[1+i])
		if f.out[1+i] < 1 || w.Pad*2 > w.Kernel || w.Dilation != 1 || w.OutputPad != 0 {
			return f.misfit()
		}
	}
	return nil
}

func fitPad(f *layer) error {
	f.setWindows(func(*Window) {})
	f.out = slices.Clone(f.in)
	for i, w := range f.windows {
		if w.Pad < 0 || w.Pad > maxWindow {
			return fmt.Errorf("pad is %d, expected 0 to %d", w.Pad, maxWindow)
		}
		f.out[1+i] += 2 * w.Pad
	}
	return nil
}

func (n *Network) fitResidual(f *layer) (err error) {
	if len(f.Body) == 0 {
		return errors.New("body is empty, expected layers")
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

func (n *Network) fitConcat(f *layer) error {
	if len(f.Branches) < 2 {
		return fmt.Errorf("%d branches, expected 2 or more lists of layers", len(f.Branches))
	}
	for i, list := range f.Branches {
		branch, out, err := n.fit(list, fmt.Sprintf("%s.branches.%d.", f.name, i), f.in)
		if err != nil {
			return err
		}
		f.branches = append(f.branches, branch)
		if i == 0 {
			f.out = slices.Clone(out)
			continue
		}
		if len(out) != len(f.out) || !slices.Equal(out[1:], f.out[1:]) {
			return fmt.Errorf("branch 0 makes %v, branch %d %v, expected equal shapes but for the channels", f.out, i, out)
		}
		f.out[0] += out[0]
	}
	return nil
}

// weigh gives a layer its weight and, unless batch normalisation follows, its bias for out channels or features.
func (n *Network) weigh(f *layer, shape []int, out, fanIn int, normed bool) {
	f.weight = n.add(spec{name: f.name + ".weight", shape: shape, fanIn: fanIn})
	if f.Bias == nil && !normed || f.Bias != nil && *f.Bias {
		f.bias = n.add(spec{name: f.name + ".bias", shape: []int{out}, fanIn: fanIn})
	}
}

// scale gives a normalisation its weight and bias.
func (n *Network) scale(f *layer, shape []int) {
	f.weight = n.add(spec{name: f.name + ".weight", shape: shape, value: 1})
	f.bias = n.add(spec{name: f.name + ".bias", shape: shape})
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
