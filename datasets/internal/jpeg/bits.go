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

// symbol decodes one code of at least so many bits, behind a refill. Bits that are no code are the symbol 0, 17 bits
// long, as in libjpeg.
func (b *bitReader) symbol(t *huffmanTable, length int) int {
	code := int32(b.acc >> 48)
	for ; length <= 16; length++ {
		if c := code >> (16 - length); c <= t.longest[length&31] {
			b.drop(length)
			return int(t.symbols[(c+t.offset[length&31])&255])
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
	size := b.code(t)
	return extend(b.read(size), size)
}

// block decodes the coefficients of a block, which is all zeros, in rows of 8, and returns the place in the file of the
// last that may not be zero.
func (b *bitReader) block(coef *[blockLen]int16, dc, ac *huffmanTable, last *int32) int {
	*last += b.difference(dc)
	coef[0] = int16(*last)
	k, highest := 1, 0
	for k < blockLen {
		if k, highest = b.coefficients(coef, ac, k, highest); k >= blockLen {
			break
		}
		// One that takes more than a look-up.
		if b.n < 32 {
			b.refill()
		}
		symbol := b.code(ac)
		run, size := symbol>>4, symbol&15
		switch {
		case size > 0:
			k += run
			coef[zigzag[k&127]&63] = int16(extend(b.read(size), size))
			highest = k
			k++
		case run == 15:
			k += 16
		default:
			k = blockLen
		}
	}
	return min(highest, blockLen-1)
}

// code decodes one code, behind a refill, and leaves alone what follows it.
func (b *bitReader) code(t *huffmanTable) int {
	e := t.fast[b.acc>>(64-lookahead)]
	switch {
	case e>>16 != 0: // the entry's length counts what follows, too
		return b.symbol(t, 1)
	case e&255 == 0:
		return b.symbol(t, lookahead+1)
	}
	b.drop(int(e & 63))
	return int(e >> 8 & 255)
}

// coefficientsGo decodes the coefficients from place k, below blockLen, on that a look-up decodes with their code, up
// to one that it does not, to the last of the segment's bytes or to the end of the block. It returns the next place,
// blockLen or more at the end, and the last coefficient's.
func (b *bitReader) coefficientsGo(coef *[blockLen]int16, t *huffmanTable, k, highest int) (int, int) {
	acc, n, pos := b.acc, b.n, b.pos
	for k < blockLen {
		if n < 32 {
			if pos+8 > len(b.buf) {
				break
			}
			acc |= binary.BigEndian.Uint64(b.buf[pos:]) >> (n & 63)
			pos += (63 - n) >> 3
			n |= 56
		}
		e := t.fast[acc>>(64-lookahead)]
		v := int16(e >> 16)
		if v == 0 {
			if e>>8 != 0 || e == 0 {
				break
			}
			k = blockLen // the symbol 0: no more coefficients
		} else {
			k += int(e >> 8 & 15)
			coef[zigzag[k&127]&63] = v
			highest = k
			k++
		}
		acc <<= e & 63
		n -= int(e & 63)
	}
	b.acc, b.n, b.pos = acc, n, pos
	return k, highest
}
