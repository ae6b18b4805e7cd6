package jpeg

import "encoding/binary"

// bitReader reads bits from an entropy-coded segment without stuffing; behind its end are zeros without end.
//
// Of acc the upper n bits count. Those below are the bits that follow, or zeros: loading them again changes nothing.
type bitReader struct {
	acc uint64
	n   int
	buf []byte // the segment and padding
	pos int    // of the next byte to load; behind size the bytes are zeros that are not there
	end int    // size of the segment
}

func (b *bitReader) reset(s *source) { *b = bitReader{buf: s.segment, end: s.size} }

// refill makes n at least 56.
func (b *bitReader) refill() {
	if b.pos <= b.end && b.pos+8 <= len(b.buf) {
		b.acc |= binary.BigEndian.Uint64(b.buf[b.pos:]) >> (b.n & 63)
	}
	b.pos += (63 - b.n) >> 3
	b.n |= 56
}

func (b *bitReader) drop(n int) {
	b.acc <<= n & 63
	b.n -= n
}

// read returns the next bits, at most 16 of them, behind a refill of which at most 32 have been used.
func (b *bitReader) read(n int) uint32 {
	v := uint32(b.acc >> 1 >> (63 - n&63))
	b.drop(n)
	return v
}

// bit returns the next bit.
func (b *bitReader) bit() bool {
	if b.n == 0 {
		b.refill()
	}
	v := int64(b.acc) < 0
	b.drop(1)
	return v
}

// left is the number of bits of the segment that have not been read, negative where more have been read than there are.
func (b *bitReader) left() int { return 8*(b.end-b.pos) + b.n }

// symbol decodes one code, behind a refill. Bits that are no code are the symbol 0, 17 bits long, as in libjpeg.
func (b *bitReader) symbol(t *huffmanTable) int {
	code := int32(b.acc >> 48)
	for length := 1; length <= 16; length++ {
		if c := code >> (16 - length); c <= t.longest[length] {
			b.drop(length)
			return int(t.symbols[(c+t.offset[length])&255])
		}
	}
	b.drop(17)
	return 0
}

// difference decodes the difference of a DC coefficient to the one before.
func (b *bitReader) difference(t *huffmanTable) int32 {
	if b.n < 40 {
		b.refill()
	}
	e := t.fast[b.acc>>(64-lookahead)]
	if v := int32(e) >> 16; v != 0 {
		b.drop(int(e & 255))
		return v
	}
	size := int(e >> 8 & 15)
	if e&255 == 0 {
		size = b.symbol(t)
	} else {
		b.drop(int(e & 255))
	}
	return extend(b.read(size), size)
}

// block decodes the coefficients of a block, which is all zeros, in rows of 8, and returns the place in the file of the
// last that may not be zero.
func (b *bitReader) block(coef *[blockLen]int16, dc, ac *huffmanTable, last *int32) int {
	*last += b.difference(dc)
	coef[0] = int16(*last)
	highest := 0
	acc, n := b.acc, b.n
	for k := 1; k < blockLen; k++ {
		if n < 32 {
			b.acc, b.n = acc, n
			b.refill()
			acc, n = b.acc, b.n
		}
		e := ac.fast[acc>>(64-lookahead)]
		if v := int16(e >> 16); v != 0 {
			k += int(e >> 8 & 15)
			coef[zigzag[k&127]&63] = v
			highest = k
			acc <<= e & 63
			n -= int(e & 63)
			continue
		}
		symbol := int(e >> 8 & 255)
		if e&63 != 0 {
			acc <<= e & 63
			n -= int(e & 63)
		} else {
			b.acc, b.n = acc, n
			symbol = b.symbol(ac)
			acc, n = b.acc, b.n
		}
		run, size := symbol>>4, symbol&15
		if size == 0 {
			if run != 15 {
				break
			}
			k += 15
			continue
		}
		k += run
		coef[zigzag[k&127]&63] = int16(extend(uint32(acc>>1>>(63-size)), size))
		highest = k
		acc <<= size
		n -= size
	}
	b.acc, b.n = acc, n
	return min(highest, blockLen-1)
}
