package op

import (
	"rkd/models/onnx"
	"rkd/student/internal/conv"
)

// lowerConvInputGrad is the convolution of gy with the reversed kernel for a stride of 1, and a ConvTranspose for
// others.
func lowerConvInputGrad(g conv.Geometry) lowering {
	return func(b *onnx.Builder, in []string) string {
		w, gy := in[1], in[2]
		back, ok := g.Reversed()
		if !ok || min(back.Pad[0], back.Pad[1], back.Pad[0]+back.Extra[0], back.Pad[1]+back.Extra[1]) < 0 {
			covered := func(axis, size, kernel int) int { // of the padded x; no output reads what is left at its end
				return (size-1)*g.Stride[axis] + g.Dilation[axis]*(kernel-1) + 1
			}
			return b.Node("ConvTranspose", []string{gy, w}, pair("strides", g.Stride), ConvOptions(g.Options).pads(),
				pair("dilations", g.Dilation),
				onnx.Int("group", int64(g.Groups)), pair("output_padding", [2]int{
					g.Height + 2*g.Pad[0] + g.Extra[0] - covered(0, g.OH, g.KH),
					g.Width + 2*g.Pad[1] + g.Extra[1] - covered(1, g.OW, g.KW),
				}))
		}
		groups, filters, channels, taps := int64(g.Groups), int64(g.GroupFilters()), int64(g.GroupChannels()),
			int64(g.KH*g.KW)
		reshape := func(v string, shape ...int64) string {
			return b.Node("Reshape", []string{v, b.Int64("shape", []int{len(shape)}, shape)})
		}
		last := make([]int64, taps)
		for i := range last {
			last[i] = taps - 1 - int64(i)
		}
		turned := b.Node("Gather", []string{
			reshape(w, groups, filters, channels, taps),
			b.Int64("taps", []int{len(last)}, last),
		},
			onnx.Int("axis", 3))
		turned = b.Node("Transpose", []string{turned}, onnx.Ints("perm", 0, 2, 1, 3))
		turned = reshape(turned, groups*channels, filters, int64(g.KH), int64(g.KW))
		return b.Node("Conv", []string{gy, turned}, ConvOptions(back).pads(), pair("dilations", g.Dilation),
			onnx.Int("group", groups))
	}
}
