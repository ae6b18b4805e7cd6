package jpeg

import "golang.org/x/sys/cpu"

// The functions in assembly, each the one of the same name in Go. They work on whole vectors and so read and write up
// to 32 bytes beyond the samples, within the margin of a row.

//go:noescape
func inverse8AVX2(coef, quant *[blockLen]int16, dst *uint8, stride int)

//go:noescape
func inverse4AVX2(coef, quant *[blockLen]int16, dst *uint8, stride int)

//go:noescape
func widenAVX2(dst, src *uint8, n int)

//go:noescape
func blendAVX2(dst, near, far *uint8, n int, bias int)

//go:noescape
func widenBlendAVX2(dst, near, far *uint8, n int)

// yccToRGBAVX2 takes at least 32 pixels, and neither reads nor writes beyond them.
//
//go:noescape
func yccToRGBAVX2(dst, y, cb, cr *uint8, n int)

//go:noescape
func coefficientsBMI2(b *bitReader, coef *[blockLen]int16, t *huffmanTable, z *[128]uint8, k, highest int) (int, int)

var (
	fast     = cpu.X86.HasAVX2
	fastBits = cpu.X86.HasBMI2
)

func (b *bitReader) coefficients(coef *[blockLen]int16, t *huffmanTable, k, highest int) (int, int) {
	if fastBits {
		return coefficientsBMI2(b, coef, t, &zigzag, k, highest)
	}
	return b.coefficientsGo(coef, t, k, highest)
}

func inverse8(coef, quant *[blockLen]int16, dst []uint8, stride int) {
	if fast {
		_ = dst[7*stride+7]
		inverse8AVX2(coef, quant, &dst[0], stride)
		return
	}
	inverse8Go(coef, quant, dst, stride)
}

func inverse4(coef, quant *[blockLen]int16, dst []uint8, stride int) {
	if fast {
		_ = dst[3*stride+3]
		inverse4AVX2(coef, quant, &dst[0], stride)
		return
	}
	inverse4Go(coef, quant, dst, stride)
}

func widen(dst, src []uint8, n int) {
	if fast {
		_, _ = dst[2*n+31], src[n+18]
		widenAVX2(&dst[0], &src[0], n)
		return
	}
	widenGo(dst, src, n)
}

func blend(dst, near, far []uint8, n, bias int) {
	if fast {
		_, _, _ = dst[n+15], near[n+15], far[n+15]
		blendAVX2(&dst[0], &near[0], &far[0], n, bias)
		return
	}
	blendGo(dst, near, far, n, bias)
}

func widenBlend(dst, near, far []uint8, n int) {
	if fast {
		_, _, _ = dst[2*n+31], near[n+18], far[n+18]
		widenBlendAVX2(&dst[0], &near[0], &far[0], n)
		return
	}
	widenBlendGo(dst, near, far, n)
}

func yccToRGB(dst, y, cb, cr []uint8) {
	n := len(dst) / 3
	if fast && n >= 32 {
		_, _, _ = y[n-1], cb[n-1], cr[n-1]
		yccToRGBAVX2(&dst[0], &y[0], &cb[0], &cr[0], n)
		return
	}
	yccToRGBGo(dst, y, cb, cr)
}
