package jpeg

import "encoding/binary"

// inverse dequantises a block and writes its samples to dst, whose rows are c.stride apart. highest is the place in the
// file of the last coefficient that may not be zero.
func (c *component) inverse(coef *[blockLen]int16, highest int, dst []uint8) {
	switch c.size {
	case 8:
		if highest == 0 {
			flat(coef[0]*c.quant[0], dst, c.stride)
			return
		}
		inverse8(coef, &c.quant, dst, c.stride)
	case 4:
		inverse4(coef, &c.quant, dst, c.stride)
	case 2:
		inverse2(coef, &c.quant, dst, c.stride)
	default:
		inverse1(coef, &c.quant, dst)
	}
}

// The constants of the transform, cosines times 2¹³.
const (
	fix0298 = 2446  // 0.298631336
	fix0390 = 3196  // 0.390180644
	fix0541 = 4433  // 0.541196100
	fix0765 = 6270  // 0.765366865
	fix0899 = 7373  // 0.899976223
	fix1175 = 9633  // 1.175875602
	fix1501 = 12299 // 1.501321110
	fix1847 = 15137 // 1.847759065
	fix1961 = 16069 // 1.961570560
	fix2053 = 16819 // 2.053119869
	fix2562 = 20995 // 2.562915447
	fix3072 = 25172 // 3.072711026

	constBits = 13
	passBits  = 2 // that the first pass keeps behind the point
)

// flat is inverse8 of a block of which only the dequantised DC coefficient is not zero.
func flat(dc int16, dst []uint8, stride int) {
	v := uint64(sample(int32(dc<<passBits)<<constBits, constBits+passBits+3)) * 0x0101010101010101
	for y := range blockSize {
		binary.LittleEndian.PutUint64(dst[y*stride:], v)
	}
}

// inverse8Go is the inverse DCT of 8 × 8 points, "islow": the algorithm of Loeffler, Ligtenberg and Moschytz (ICASSP
// 1989) in integers of 13 bits behind the point, over columns and then over rows.
//
// Damaged and hostile data overflow. They do it here as in libjpeg-turbo's code for x86-64: dequantised coefficients,
// the sums of two inputs and the short cut below wrap at 16 bits, what the first pass gives is saturated to 16.
func inverse8Go(coef, quant *[blockLen]int16, dst []uint8, stride int) {
	var t [blockLen]int16 // the result of the first pass, transposed
	if columnsFlat(coef) {
		for x := range blockSize {
			v := coef[x] * quant[x] << passBits
			for y := range blockSize {
				t[y*blockSize+x] = v
			}
		}
	} else {
		var in [blockSize]int16
		for x := range blockSize {
			var rest int16
			for y := range blockSize {
				in[y] = coef[y*blockSize+x] * quant[y*blockSize+x]
				if y > 0 {
					rest |= in[y]
				}
			}
			if rest == 0 { // what the transform gives, too
				v := saturate16(int32(in[0]) << passBits)
				for y := range blockSize {
					t[y*blockSize+x] = v
				}
				continue
			}
			out := transform(&in)
			for y, v := range out {
				t[y*blockSize+x] = saturate16((v + 1<<(constBits-passBits-1)) >> (constBits - passBits))
			}
		}
	}
	for y := range blockSize {
		out := transform((*[blockSize]int16)(t[y*blockSize:]))
		row := dst[y*stride:][:blockSize]
		for x, v := range out {
			row[x] = sample(v, constBits+passBits+3)
		}
	}
}

// columnsFlat reports whether all coefficients below the first row are zero.
func columnsFlat(coef *[blockLen]int16) bool {
	var or int16
	for _, v := range coef[blockSize:] {
		or |= v
	}
	return or == 0
}

// transform is the inverse DCT of 8 points, times 2¹³·√8.
func transform(in *[blockSize]int16) [blockSize]int32 {
	// Even part.
	z2, z3 := int32(in[2]), int32(in[6])
	t2 := z2*fix0541 + z3*(fix0541-fix1847)
	t3 := z2*(fix0541+fix0765) + z3*fix0541
	t0 := int32(in[0]+in[4]) << constBits
	t1 := int32(in[0]-in[4]) << constBits
	a0, a3 := t0+t3, t0-t3
	a1, a2 := t1+t2, t1-t2

	// Odd part.
	z3, z4 := int32(in[7]+in[3]), int32(in[5]+in[1])
	y3 := z3*(fix1175-fix1961) + z4*fix1175
	y4 := z3*fix1175 + z4*(fix1175-fix0390)
	i1, i3, i5, i7 := int32(in[1]), int32(in[3]), int32(in[5]), int32(in[7])
	b0 := i7*(fix0298-fix0899) - i1*fix0899 + y3
	b1 := i5*(fix2053-fix2562) - i3*fix2562 + y4
	b2 := i3*(fix3072-fix2562) - i5*fix2562 + y3
	b3 := i1*(fix1501-fix0899) - i7*fix0899 + y4

	return [blockSize]int32{a0 + b3, a1 + b2, a2 + b1, a3 + b0, a3 - b0, a2 - b1, a1 - b2, a0 - b3}
}

// sample rounds v/2^shift, moves it from around 0 to around 128 and cuts it off at 0 and 255.
func sample(v int32, shift int) uint8 {
	return uint8(max(-128, min(127, (v+1<<(shift-1))>>shift)) + 128)
}

func saturate16(v int32) int16 { return int16(max(-1<<15, min(1<<15-1, v))) }
