package arch

import (
	"errors"
	"fmt"
)

// ErrConfig reports an architecture that cannot be built.
var ErrConfig = errors.New("architecture")

// Config is the `student.arch` section of a configuration: exactly one of a list of layers and the short forms conv and
// mlp. The embedding layer (linear, to embedding_dim) is added behind all of them.
type Config struct {
	// Conv lists the widths of 3×3 convolutions with padding 1, each followed by Norm, ReLU and 2×2 Pool.
	Conv []int `yaml:"conv,flow,omitempty"`
	// MLP lists the widths of linear layers, each followed by Norm and ReLU.
	MLP []int `yaml:"mlp,flow,omitempty"`
	// Layers lists the layers one by one.
	Layers []Layer `yaml:"layers,omitempty"`

	// Norm of the short forms: batch (default) or none.
	Norm string `yaml:"norm,omitempty"`
	// Pool of the conv form: max (default), avg or none.
	Pool string `yaml:"pool,omitempty"`
	// Head of the conv form, between the last block and the embedding layer: flatten (default), avg or max (global pooling).
	Head string `yaml:"head,omitempty"`
}

// Kinds of layer.
const (
	Conv          = "conv"
	Linear        = "linear"
	BatchNorm     = "batch_norm"
	ReLU          = "relu"
	MaxPool       = "max_pool"
	AvgPool       = "avg_pool"
	GlobalAvgPool = "global_avg_pool"
	GlobalMaxPool = "global_max_pool"
	Flatten       = "flatten"
	L2Normalize   = "l2_normalize"
	Residual      = "residual"
)

// Layer is one entry of `layers`. Kind decides which of the other fields count.
type Layer struct {
	Kind string `yaml:"kind"`
	// Out is the number of output channels (conv) or features (linear).
	Out int `yaml:"out,omitempty"`
	// Kernel, Stride and Pad of conv (defaults 3, 1, 0) and of max_pool and avg_pool (defaults 2, the kernel, 0), the same
	// for height and width. Dilation (1) and Groups (1) of conv.
	Kernel   int `yaml:"kernel,omitempty"`
	Stride   int `yaml:"stride,omitempty"`
	Pad      int `yaml:"pad,omitempty"`
	Dilation int `yaml:"dilation,omitempty"`
	Groups   int `yaml:"groups,omitempty"`
	// Bias of conv and linear: nil is true, unless batch_norm follows at once and takes its place.
	Bias *bool `yaml:"bias,omitempty"`
	// Body is the inside of residual: x + body(x), or shortcut(x) + body(x).
	Body     []Layer `yaml:"body,omitempty"`
	Shortcut []Layer `yaml:"shortcut,omitempty"`
}

// layers writes out the short forms and appends the embedding layer.
func (c Config) layers(embeddingDim int, normalize bool) ([]Layer, error) {
	if embeddingDim < 1 {
		return nil, fmt.Errorf("%w: embedding_dim is %d, expected 1 or more", ErrConfig, embeddingDim)
	}
	layers, err := c.body()
	if err != nil {
		return nil, err
	}
	layers = append(layers, Layer{Kind: Linear, Out: embeddingDim})
	if normalize {
		layers = append(layers, Layer{Kind: L2Normalize})
	}
	return layers, nil
}

func (c Config) body() ([]Layer, error) {
	forms := 0
	for _, given := range []bool{c.Conv != nil, c.MLP != nil, c.Layers != nil} {
		if given {
			forms++
		}
	}
	if forms != 1 {
		return nil, fmt.Errorf("%w: %d of conv, mlp and layers are given, expected one", ErrConfig, forms)
	}
	if c.Norm != "" && c.Norm != "batch" && c.Norm != "none" {
		return nil, fmt.Errorf("%w: norm is %q, expected batch or none", ErrConfig, c.Norm)
	}
	if c.Layers != nil {
		if c.Norm != "" || c.Pool != "" || c.Head != "" {
			return nil, fmt.Errorf("%w: norm, pool and head belong to the short forms, not to layers", ErrConfig)
		}
		return append([]Layer(nil), c.Layers...), nil
	}
	if c.MLP != nil {
		if c.Pool != "" || c.Head != "" {
			return nil, fmt.Errorf("%w: pool and head belong to conv, not to mlp", ErrConfig)
		}
		layers := []Layer{{Kind: Flatten}}
		for _, width := range c.MLP {
			layers = append(layers, c.block(Layer{Kind: Linear, Out: width})...)
		}
		return layers, nil
	}
	return c.conv()
}

func (c Config) conv() ([]Layer, error) {
	pool, ok := map[string]string{"": MaxPool, "max": MaxPool, "avg": AvgPool, "none": ""}[c.Pool]
	if !ok {
		return nil, fmt.Errorf("%w: pool is %q, expected max, avg or none", ErrConfig, c.Pool)
	}
	head, ok := map[string]string{"": Flatten, "flatten": Flatten, "avg": GlobalAvgPool, "max": GlobalMaxPool}[c.Head]
	if !ok {
		return nil, fmt.Errorf("%w: head is %q, expected flatten, avg or max", ErrConfig, c.Head)
	}
	var layers []Layer
	for _, width := range c.Conv {
		layers = append(layers, c.block(Layer{Kind: Conv, Out: width, Kernel: 3, Pad: 1})...)
		if pool != "" {
			layers = append(layers, Layer{Kind: pool, Kernel: 2})
		}
	}
	return append(layers, Layer{Kind: head}), nil
}

// block is a layer with weights, then Norm and ReLU.
func (c Config) block(weighted Layer) []Layer {
	if c.Norm == "none" {
		return []Layer{weighted, {Kind: ReLU}}
	}
	return []Layer{weighted, {Kind: BatchNorm}, {Kind: ReLU}}
}
