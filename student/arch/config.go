package arch

import (
	"cmp"
	"errors"
	"fmt"
)

// ErrConfig reports an architecture that cannot be built.
var ErrConfig = errors.New("architecture")

// Config is the `student.arch` section of a configuration: exactly one of a list of layers, the short forms conv and
// mlp, the name of a preset, and an ONNX file. The embedding layer (linear, to embedding_dim) is added behind all of
// them.
type Config struct {
	// Conv lists the widths of 3×3 convolutions with padding 1, each followed by Norm, ReLU and 2×2 Pool.
	Conv []int `yaml:"conv,flow,omitempty"`
	// MLP lists the widths of linear layers, each followed by Norm and ReLU.
	MLP []int `yaml:"mlp,flow,omitempty"`
	// Layers lists the layers one by one.
	Layers []Layer `yaml:"layers,omitempty"`
	// Preset names a network of the literature: conv4, resnet8, resnet14, resnet20 or mobilenet-small. Width is the number
	// of channels of its first convolution, by default 64 for conv4 and 16 for the others; all widths change in
	// proportion.
	Preset string `yaml:"preset,omitempty"`
	Width  int    `yaml:"width,omitempty" within:"[1,65536]"`
	// ONNX is a model file whose nodes up to the tensor Output, by default its only output, and whose weights the student
	// starts from: Import, not New, makes the network.
	ONNX   string `yaml:"onnx,omitempty" path:"true"`
	Output string `yaml:"output,omitempty"`
	// BatchNorm of onnx: frozen (default) keeps the statistics of the file, train uses those of each batch in training and
	// moves the running ones.
	BatchNorm string `yaml:"batch_norm,omitempty"`

	// Norm of the short forms: batch (default) or none.
	Norm string `yaml:"norm,omitempty"`
	// Pool of the conv form: max (default), avg or none.
	Pool string `yaml:"pool,omitempty"`
	// Head of the conv form, between the last block and the embedding layer: flatten (default), avg or max (global
	// pooling). Head of onnx: none leaves the embedding layer out, the tensor Output is the embedding.
	Head string `yaml:"head,omitempty"`
}

// Kinds of layer.
const (
	Conv          = "conv"
	ConvTranspose = "conv_transpose"
	Linear        = "linear"
	BatchNorm     = "batch_norm"
	LayerNorm     = "layer_norm"
	ReLU          = "relu"
	ReLU6         = "relu6"
	LeakyReLU     = "leaky_relu"
	GELU          = "gelu"
	SiLU          = "silu"
	HardSwish     = "hard_swish"
	Sigmoid       = "sigmoid"
	Tanh          = "tanh"
	Softmax       = "softmax"
	Dropout       = "dropout"
	MaxPool       = "max_pool"
	AvgPool       = "avg_pool"
	GlobalAvgPool = "global_avg_pool"
	GlobalMaxPool = "global_max_pool"
	Pad           = "pad"
	Flatten       = "flatten"
	L2Normalize   = "l2_normalize"
	Residual      = "residual"
	Concat        = "concat"
)

// kinds lists them all.
func kinds() []string {
	return []string{
		Conv, ConvTranspose, Linear, BatchNorm, LayerNorm, ReLU, ReLU6, LeakyReLU, GELU, SiLU, HardSwish,
		Sigmoid, Tanh, Softmax,
		Dropout, MaxPool, AvgPool, GlobalAvgPool, GlobalMaxPool, Pad, Flatten, L2Normalize, Residual, Concat,
	}
}

// Layer is one entry of `layers`. Kind decides which of the other fields count.
type Layer struct {
	Kind string `yaml:"kind"`
	// Out is the number of output channels (conv, conv_transpose) or features (linear).
	Out int `yaml:"out,omitempty" within:"[1,16777216]"`
	// Kernel, Stride and Pad of conv and conv_transpose (defaults 3, 1, 0) and of max_pool and avg_pool (defaults 2, the
	// kernel, 0), the same for height and width unless Columns are given. Dilation (1) of both convolutions, OutputPad (0)
	// of conv_transpose. Pad of pad is the border of zeros.
	Kernel    int `yaml:"kernel,omitempty" within:"[1,65536]"`
	Stride    int `yaml:"stride,omitempty" within:"[1,65536]"`
	Pad       int `yaml:"pad,omitempty" within:"[0,65536]"`
	Dilation  int `yaml:"dilation,omitempty" within:"[1,65536]"`
	OutputPad int `yaml:"output_pad,omitempty" within:"[0,65536]"`
	// Columns are these five along the width, where they differ from those along the height, with the same defaults.
	Columns *Window `yaml:"columns,flow,omitempty"`
	// Groups (1) of both convolutions; as many as there are channels make a convolution depthwise.
	Groups int `yaml:"groups,omitempty" within:"[1,65536]"`
	// Bias of conv, conv_transpose and linear: nil is true, unless batch_norm follows at once and takes its place.
	Bias *bool `yaml:"bias,omitempty"`
	// Slope of leaky_relu below 0 (0.01).
	Slope float64 `yaml:"slope,omitempty" within:"(0,1)"`
	// Rate of dropout is the share of elements that are dropped in training.
	Rate float64 `yaml:"rate,omitempty" within:"(0,1)"`
	// Body is the inside of residual: x + body(x), or shortcut(x) + body(x).
	Body     []Layer `yaml:"body,omitempty"`
	Shortcut []Layer `yaml:"shortcut,omitempty"`
	// Branches of concat all take the same input; their outputs are joined along the channels. An empty one is its input.
	Branches [][]Layer `yaml:"branches,omitempty"`
}

// Resolved returns the section with the defaults of the short forms written out.
func (c Config) Resolved() Config {
	if c.Conv != nil || c.MLP != nil {
		c.Norm = cmp.Or(c.Norm, "batch")
	}
	if c.Conv != nil {
		c.Pool, c.Head = cmp.Or(c.Pool, "max"), cmp.Or(c.Head, "flatten")
	}
	return c
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
	if n := count(layers); n > maxLayers {
		return nil, fmt.Errorf("%w: %d layers, expected at most %d", ErrConfig, n, maxLayers)
	}
	layers = append(layers, Layer{Kind: Linear, Out: embeddingDim})
	if normalize {
		layers = append(layers, Layer{Kind: L2Normalize})
	}
	return layers, nil
}

// NoHead is the Head of a network that keeps the embedding of its ONNX file.
const NoHead = "none"

// CheckONNX returns ErrConfig unless ONNX is the only form and the other fields belong to it.
func (c Config) CheckONNX() error {
	switch {
	case c.Conv != nil || c.MLP != nil || c.Layers != nil || c.Preset != "":
		return fmt.Errorf("%w: onnx and another of conv, mlp, layers and preset are given, expected one", ErrConfig)
	case c.Norm != "" || c.Pool != "" || c.Width != 0:
		return fmt.Errorf("%w: norm, pool and width do not belong to onnx", ErrConfig)
	case c.Head != "" && c.Head != NoHead:
		return fmt.Errorf("%w: head is %q, expected none with onnx, or no head", ErrConfig, c.Head)
	case c.BatchNorm != "" && c.BatchNorm != "frozen" && c.BatchNorm != "train":
		return fmt.Errorf("%w: batch_norm is %q, expected frozen or train", ErrConfig, c.BatchNorm)
	}
	return nil
}

func (c Config) body() ([]Layer, error) {
	forms := 0
	for _, given := range []bool{c.Conv != nil, c.MLP != nil, c.Layers != nil, c.Preset != "", c.ONNX != ""} {
		if given {
			forms++
		}
	}
	if forms != 1 {
		return nil, fmt.Errorf("%w: %d of conv, mlp, layers, preset and onnx are given, expected one", ErrConfig, forms)
	}
	if c.ONNX != "" {
		return nil, fmt.Errorf("%w: onnx is %q: a model file is imported", ErrConfig, c.ONNX)
	}
	if c.Output != "" || c.BatchNorm != "" {
		return nil, fmt.Errorf("%w: output and batch_norm belong to onnx", ErrConfig)
	}
	if c.Width != 0 && c.Preset == "" {
		return nil, fmt.Errorf("%w: width belongs to preset", ErrConfig)
	}
	if c.Norm != "" && c.Norm != "batch" && c.Norm != "none" {
		return nil, fmt.Errorf("%w: norm is %q, expected batch or none", ErrConfig, c.Norm)
	}
	if c.Layers != nil || c.Preset != "" {
		if c.Norm != "" || c.Pool != "" || c.Head != "" {
			return nil, fmt.Errorf("%w: norm, pool and head belong to the short forms, not to layers or preset", ErrConfig)
		}
		if c.Preset != "" {
			return c.preset()
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

// count is the number of layers, those within others too.
func count(layers []Layer) int {
	n := len(layers)
	for _, l := range layers {
		n += count(l.Body) + count(l.Shortcut)
		for _, branch := range l.Branches {
			n += count(branch)
		}
	}
	return n
}
