package arch

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"gorgonia.org/tensor"

	"rkd/datasets/memory"
	"rkd/student/sampler"
)

// Network is an architecture fitted to its input: every layer has a name, a shape and its parameters' places.
type Network struct {
	// Input is the shape of one sample, (C,H,W) or (I).
	Input []int
	// Dim is the width of the embedding.
	Dim    int
	body   Body // before layers; nil unless FromBody made the network
	layers []layer
	specs  []spec
}

// layer is a Layer with defaults filled in and its tensors' places in Weights.
type layer struct {
	Layer
	name           string
	in, out        []int     // shapes of one sample
	windows        [2]Window // along height and width
	weight, bias   int       // places in Weights.Params, −1 for none; of normalisations: gamma, beta
	mean, variance int       // places in Weights.Buffers
	body, shortcut []layer
	branches       [][]layer
}

// spec describes one tensor of the weights before it has values.
type spec struct {
	name   string
	shape  []int
	buffer bool
	fanIn  int       // > 0: uniform in ±1/√fanIn
	value  float64   // otherwise this constant,
	values []float32 // or these numbers
}

// New fits an architecture to samples of shape input, (C,H,W) or (I). It returns ErrConfig, naming the layer, where a
// layer does not fit the shape that reaches it.
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
	if err := n.checkWeights(); err != nil {
		return nil, err
	}
	if len(out) != 1 {
		return nil, fmt.Errorf("%w: the embedding layer needs (features), but %v reaches it: flatten or pool globally first",
			ErrConfig, n.layers[len(n.layers)-1].in)
	}
	return n, nil
}

// checkWeights returns ErrConfig for weights that no memory is for.
func (n *Network) checkWeights() error {
	weights := 0
	for _, s := range n.specs {
		if tooLarge(s.shape) {
			return fmt.Errorf("%w: %s has shape %v, expected at most %d numbers", ErrConfig, s.name, s.shape, maxElements)
		}
		if weights += tensor.Shape(s.shape).TotalSize(); weights > maxElements {
			return fmt.Errorf("%w: the weights are more than %d numbers, which is where %s ends", ErrConfig,
				maxElements, s.name)
		}
	}
	return nil
}

// MapTo puts the embedding into a space of another width: a linear layer to so many features follows where they are not
// as many already, and L2 normalisation if normalize is set. The layer's tensors are called "map.…", with as many
// underscores behind "map" as keep them apart from the others.
//
// It returns ErrConfig for a width below 1, or one that makes too many weights.
func (n *Network) MapTo(width int, normalize bool) error {
	if width < 1 {
		return fmt.Errorf("%w: a map to %d features, expected 1 or more", ErrConfig, width)
	}
	var list []Layer
	if width != n.Dim {
		list = append(list, Layer{Kind: Linear, Out: width})
	}
	if normalize {
		list = append(list, Layer{Kind: L2Normalize})
	}
	mapped, _, err := n.fit(list, n.free("map")+".", []int{n.Dim})
	if err != nil {
		return err
	}
	n.layers, n.Dim = append(n.layers, mapped...), width
	return n.checkWeights()
}

// free is a beginning for names of tensors that none of the network's has: prefix with underscores, if need be.
func (n *Network) free(prefix string) string {
	for slices.ContainsFunc(n.specs, func(s spec) bool { return strings.HasPrefix(s.name, prefix+".") }) {
		prefix += "_"
	}
	return prefix
}

// Tensor is one named tensor of a student.
type Tensor struct {
	Name  string
	Value *tensor.Dense
}

// Weights are the tensors of a student: what is trained (Params) and what training observes (Buffers: the running
// statistics of batch normalisation), each in the order of the layers.
type Weights struct {
	Params  []Tensor
	Buffers []Tensor
	// Seed is that of Init; the masks of dropout are drawn from it, too.
	Seed uint64
}

// All returns the parameters, then the buffers.
func (w *Weights) All() []Tensor { return slices.Concat(w.Params, w.Buffers) }

// Init makes the first weights in element type dt (tensor.Float32 or tensor.Float64): weights and biases of
// convolutions and linear layers uniform in ±1/√fan_in, normalisations with weight 1, bias 0, mean 0, variance 1. The
// same seed gives the same weights.
//
// Source: PyTorch's defaults (kaiming_uniform with a = √5; He et al. 2015).
func (n *Network) Init(seed uint64, dt tensor.Dtype) *Weights {
	r := sampler.Stream(seed, "init", 0)
	w := &Weights{Seed: seed}
	for _, s := range n.specs {
		t := Tensor{Name: s.name, Value: s.first(r, dt)}
		if s.buffer {
			w.Buffers = append(w.Buffers, t)
		} else {
			w.Params = append(w.Params, t)
		}
	}
	return w
}

// first makes the tensor with its first values.
func (s spec) first(r *rand.Rand, dt tensor.Dtype) *tensor.Dense {
	if s.values != nil && dt == tensor.Float32 {
		return tensor.New(tensor.WithShape(s.shape...), tensor.WithBacking(slices.Clone(s.values)))
	}
	values := memory.Make[float64](tensor.Shape(s.shape).TotalSize())
	for i := range values {
		switch {
		case s.values != nil:
			values[i] = float64(s.values[i])
		case s.fanIn > 0:
			values[i] = (2*r.Float64() - 1) / math.Sqrt(float64(s.fanIn))
		default:
			values[i] = s.value
		}
	}
	return dense(s.shape, values, dt)
}

func dense(shape []int, values []float64, dt tensor.Dtype) *tensor.Dense {
	if dt == tensor.Float64 {
		return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(values))
	}
	single := memory.Make[float32](len(values))
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
