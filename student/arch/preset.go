package arch

import "fmt"

// maxWidth bounds the width of a preset.
const maxWidth = 1 << 12

// preset writes out the network that Preset names.
func (c Config) preset() ([]Layer, error) {
	if c.Width < 0 || c.Width > maxWidth {
		return nil, fmt.Errorf("%w: width is %d, expected 1 to %d", ErrConfig, c.Width, maxWidth)
	}
	switch c.Preset {
	case "conv4":
		return conv4(or(c.Width, 64)), nil
	case "resnet8":
		return resnet(1, or(c.Width, 16)), nil
	case "resnet14":
		return resnet(2, or(c.Width, 16)), nil
	case "resnet20":
		return resnet(3, or(c.Width, 16)), nil
	case "mobilenet-small":
		return mobileNetSmall(or(c.Width, 16)), nil
	}
	return nil, fmt.Errorf("%w: preset is %q, expected conv4, resnet8, resnet14, resnet20 or mobilenet-small",
		ErrConfig, c.Preset)
}

// normed is a convolution, batch normalisation and, unless activation is empty, an activation.
func normed(conv Layer, activation string) []Layer {
	layers := []Layer{conv, {Kind: BatchNorm}}
	if activation != "" {
		layers = append(layers, Layer{Kind: activation})
	}
	return layers
}

// conv4 is the embedding network of the few-shot literature: four blocks of a 3×3 convolution with padding 1, batch
// normalisation, ReLU and 2×2 max pooling, then flattened. It takes images from 16×16 on; 84×84 becomes 1600 features.
//
// Source: Vinyals et al., arXiv:1606.04080; Snell et al., arXiv:1703.05175. Deviation: convolutions have no bias, which
// the normalisation after them would cancel.
func conv4(width int) []Layer {
	var layers []Layer
	for range 4 {
		layers = append(layers, normed(Layer{Kind: Conv, Out: width, Kernel: 3, Pad: 1}, ReLU)...)
		layers = append(layers, Layer{Kind: MaxPool, Kernel: 2})
	}
	return append(layers, Layer{Kind: Flatten})
}

// resnet is the residual network for CIFAR with 6n + 2 layers, the embedding layer among them: a 3×3 convolution, three
// stages of n blocks of two 3×3 convolutions with width, 2·width and 4·width channels, halving the image at the second
// and the third, and global average pooling.
//
// Source: He et al., arXiv:1512.03385, section 4.2. Deviation: where shapes change the shortcut is a 1×1 convolution
// with batch normalisation (option B); the paper's CIFAR networks pad with zero channels (option A), which saves 1 % of
// the parameters of resnet20.
func resnet(n, width int) []Layer {
	layers := normed(Layer{Kind: Conv, Out: width, Kernel: 3, Pad: 1}, ReLU)
	for stage := range 3 {
		for i := range n {
			stride, out := 1, width<<stage
			var shortcut []Layer
			if stage > 0 && i == 0 {
				stride = 2
				shortcut = normed(Layer{Kind: Conv, Out: out, Kernel: 1, Stride: stride}, "")
			}
			body := append(
				normed(Layer{Kind: Conv, Out: out, Kernel: 3, Pad: 1, Stride: stride}, ReLU),
				normed(Layer{Kind: Conv, Out: out, Kernel: 3, Pad: 1}, "")...)
			layers = append(layers, Layer{Kind: Residual, Body: body, Shortcut: shortcut}, Layer{Kind: ReLU})
		}
	}
	return append(layers, Layer{Kind: GlobalAvgPool})
}

// mobileNetSmall is a network of inverted residuals for images of 28 to 96 pixels: a block widens its input by
// expansion with a 1×1 convolution, filters every channel with a 3×3 convolution of its own, and narrows the result to
// out channels with another 1×1 convolution that has no activation. A block that keeps the shape adds its input. For
// width 16:
//
//	layer            expansion  out  stride  activation
//	3×3 convolution             16   2       hard-swish
//	block            1          16   1       ReLU6
//	block            4          24   2       ReLU6
//	block            4          24   1       ReLU6
//	block            4          40   2       hard-swish
//	block            4          40   1       hard-swish
//	block            4          64   1       hard-swish
//	1×1 convolution            256   1       hard-swish
//	global average pooling
//
// The image is halved three times, a 28×28 one to 4×4: MobileNetV2, made for 224 pixels, halves five times. Every
// convolution has batch normalisation.
//
// Source: blocks of Sandler et al., arXiv:1801.04381; hard-swish in the deeper half as in Howard et al.,
// arXiv:1905.02244, without its squeeze-and-excitation. The table is our own.
func mobileNetSmall(width int) []Layer {
	scaled := func(out int) int { return max(1, (out*width+8)/16) }
	channels := scaled(16)
	layers := normed(Layer{Kind: Conv, Out: channels, Kernel: 3, Pad: 1, Stride: 2}, HardSwish)
	for _, b := range []struct {
		expansion, out, stride int
		activation             string
	}{
		{1, 16, 1, ReLU6},
		{4, 24, 2, ReLU6},
		{4, 24, 1, ReLU6},
		{4, 40, 2, HardSwish},
		{4, 40, 1, HardSwish},
		{4, 64, 1, HardSwish},
	} {
		out := scaled(b.out)
		block := invertedResidual(channels, b.expansion*channels, out, b.stride, b.activation)
		if b.stride == 1 && channels == out {
			block = []Layer{{Kind: Residual, Body: block}}
		}
		layers = append(layers, block...)
		channels = out
	}
	layers = append(layers, normed(Layer{Kind: Conv, Out: scaled(256), Kernel: 1}, HardSwish)...)
	return append(layers, Layer{Kind: GlobalAvgPool})
}

func invertedResidual(in, inner, out, stride int, activation string) []Layer {
	var layers []Layer
	if inner != in {
		layers = normed(Layer{Kind: Conv, Out: inner, Kernel: 1}, activation)
	}
	layers = append(layers,
		normed(Layer{Kind: Conv, Out: inner, Kernel: 3, Pad: 1, Stride: stride, Groups: inner}, activation)...)
	return append(layers, normed(Layer{Kind: Conv, Out: out, Kernel: 1}, "")...)
}
