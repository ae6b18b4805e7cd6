package arch

import "fmt"

// Window is how a convolution or pooling moves along one side of an image.
type Window struct {
	Kernel    int `yaml:"kernel,omitempty" within:"[1,65536]"`
	Stride    int `yaml:"stride,omitempty" within:"[1,65536]"`
	Pad       int `yaml:"pad,omitempty" within:"[0,65536]"`
	Dilation  int `yaml:"dilation,omitempty" within:"[1,65536]"`
	OutputPad int `yaml:"output_pad,omitempty" within:"[0,65536]"`
}

func (w Window) String() string {
	s := fmt.Sprintf("kernel %d, stride %d, pad %d, dilation %d", w.Kernel, w.Stride, w.Pad, w.Dilation)
	if w.OutputPad != 0 {
		s += fmt.Sprintf(", output_pad %d", w.OutputPad)
	}
	return s
}

// maxWindow bounds the numbers of a window, so that nothing computed from them overflows.
const maxWindow = 1 << 16

func (w Window) valid() bool {
	return w.Kernel > 0 && w.Stride > 0 && w.Pad >= 0 && w.Dilation > 0 &&
		max(w.Kernel, w.Stride, w.Pad, w.Dilation, w.OutputPad) <= maxWindow
}

// span is the extent of the kernel.
func (w Window) span() int { return w.Dilation*(w.Kernel-1) + 1 }

// places is the number of places of the window along a side of the given size, 0 where it does not fit.
func (w Window) places(size int) int {
	if !w.valid() || size+2*w.Pad < w.span() {
		return 0
	}
	return (size+2*w.Pad-w.span())/w.Stride + 1
}

// spread is the size that a transposed convolution makes of a side, 0 or less where it does not fit. OutputPad is below
// the stride: the convolution must give the side back.
func (w Window) spread(size int) int {
	if !w.valid() || w.OutputPad < 0 || w.OutputPad >= w.Stride {
		return 0
	}
	return (size-1)*w.Stride - 2*w.Pad + w.span() + w.OutputPad
}
