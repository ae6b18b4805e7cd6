//go:build !amd64

package jpeg

// There is nothing faster than plain Go here.

func inverse8(coef, quant *[blockLen]int16, dst []uint8, stride int) {
	inverse8Go(coef, quant, dst, stride)
}

func inverse4(coef, quant *[blockLen]int16, dst []uint8, stride int) {
	inverse4Go(coef, quant, dst, stride)
}

func widen(dst, src []uint8, n int) { widenGo(dst, src, n) }

func blend(dst, near, far []uint8, n, bias int) { blendGo(dst, near, far, n, bias) }

func widenBlend(dst, near, far []uint8, n int) { widenBlendGo(dst, near, far, n) }

func yccToRGB(dst, y, cb, cr []uint8) { yccToRGBGo(dst, y, cb, cr) }

func (b *bitReader) coefficients(coef *[blockLen]int16, t *huffmanTable, k, highest int) (int, int) {
	return b.coefficientsGo(coef, t, k, highest)
}
