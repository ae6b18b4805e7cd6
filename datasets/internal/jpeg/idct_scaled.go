package jpeg

// The inverse DCTs of 4, 2 and 1 point a side give a picture at a half, a quarter and an eighth of its size: each
// sample is the mean of those of the full transform that it stands for, but for the coefficients that only finer
// samples need. As in inverse8Go, what overflows does so as in libjpeg-turbo.

// inverse4Go is the inverse DCT of 4 × 4 points.
func inverse4Go(coef, quant *[blockLen]int16, dst []uint8, stride int) {
	var t [4][blockSize]int16
	var or int16
	for i := blockSize; i < blockLen; i++ {
		if i/blockSize != 4 { // the coefficient that 4 points do not need
			or |= coef[i]
		}
	}
	for x := range blockSize {
		var in [blockSize]int16
		for y := range blockSize {
			in[y] = coef[y*blockSize+x] * quant[y*blockSize+x]
		}
		if or == 0 {
			for y := range t {
				t[y][x] = in[0] << passBits
			}
			continue
		}
		for y, v := range transform4(&in) {
			const shift = constBits - passBits + 1
			t[y][x] = saturate16((v + 1<<(shift-1)) >> shift)
		}
	}
	for y := range t {
		row := dst[y*stride:][:4]
		for x, v := range transform4(&t[y]) {
			row[x] = sample(v, constBits+passBits+3+1)
		}
	}
}

// transform4 is the inverse DCT of 4 points of 8 coefficients, times 2¹⁴·√8.
func transform4(in *[blockSize]int16) [4]int32 {
	const (
		fix0211 = 1730  // 0.211164243
		fix0509 = 4176  // 0.509795579
		fix0601 = 4926  // 0.601344887
		fix1061 = 8697  // 1.061594337
		fix1451 = 11893 // 1.451774981
		fix2172 = 17799 // 2.172734803
	)
	i1, i2, i3 := int32(in[1]), int32(in[2]), int32(in[3])
	i5, i6, i7 := int32(in[5]), int32(in[6]), int32(in[7])
	dc := int32(in[0]) << (constBits + 1)
	even := i2*fix1847 - i6*fix0765
	outer := i1*fix2562 + i3*fix0899 - i5*fix0601 - i7*fix0509
	inner := i1*fix1061 - i3*fix2172 + i5*fix1451 - i7*fix0211
	return [4]int32{dc + even + outer, dc - even + inner, dc - even - inner, dc + even - outer}
}

// inverse2 is the inverse DCT of 2 × 2 points.
func inverse2(coef, quant *[blockLen]int16, dst []uint8, stride int) {
	const shift = constBits - passBits + 2
	var t [2][blockSize]int32
	for x := range blockSize {
		if x > 0 && x%2 == 0 { // not needed below
			continue
		}
		var in [blockSize]int16
		for y := range blockSize {
			in[y] = coef[y*blockSize+x] * quant[y*blockSize+x]
		}
		dc, odd := int32(in[0])<<(constBits+2), odd2(&in)
		t[0][x] = (dc + odd + 1<<(shift-1)) >> shift
		t[1][x] = (dc - odd + 1<<(shift-1)) >> shift
	}
	for y := range t {
		var in [blockSize]int16
		for x, v := range t[y] {
			in[x] = saturate16(v)
		}
		dc, odd := t[y][0]<<(constBits+2), odd2(&in)
		dst[y*stride] = sample(dc+odd, constBits+passBits+3+2)
		dst[y*stride+1] = sample(dc-odd, constBits+passBits+3+2)
	}
}

// odd2 is the difference that the odd ones of 8 coefficients make to either of 2 points.
func odd2(in *[blockSize]int16) int32 {
	const (
		fix0720 = 5906  // 0.720959822
		fix0850 = 6967  // 0.850430095
		fix1272 = 10426 // 1.272758580
		fix3624 = 29692 // 3.624509785
	)
	return int32(in[1])*fix3624 - int32(in[3])*fix1272 + int32(in[5])*fix0850 - int32(in[7])*fix0720
}

// inverse1 is the mean of a block. It wraps at 10 bits, as libjpeg does.
func inverse1(coef, quant *[blockLen]int16, dst []uint8) {
	v := (int32(coef[0])*int32(quant[0]) + 4) >> 3
	dst[0] = clip(v<<22>>22 + 128)
}
