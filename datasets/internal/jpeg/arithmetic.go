package jpeg

import "math/bits"

// arithmetic decodes binary decisions (T.81, annex D). Behind the end of a segment are zeros.
type arithmetic struct {
	data []byte // the segment and padding
	pos  int    // of the next byte, beyond the end as well
	end  int
	c, a uint32 // the code, its upper 16 bits those that are compared; the interval
	ct   int    // bits of c that are still to come before the next byte
	bad  bool   // the decisions made no sense: until the next restart nothing more is decoded

	dc      [16][64]uint8  // estimates of probability: of differences
	ac      [16][256]uint8 // and of coefficients, by table (T.81, F.1.4.4)
	context [maxComponents]int
	half    uint8 // an estimate that stays at one half
}

// conditioning are the parameters of a file's tables (T.81, B.2.4.3).
type conditioning struct {
	low, high [16]uint8 // bounds of small differences
	split     [16]uint8 // the last of the low coefficients
}

// estimateState is a row of the estimation's state machine (T.81, table D.3): the probability of the less probable
// symbol, the state behind that symbol and behind the other one, and whether they change places. The last one is for
// fixed probability.
type estimateState struct {
	probability uint16
	less, more  uint8
	swap        uint8
}

var estimateStates = [...]estimateState{
	{0x5a1d, 1, 1, 1},
	{0x2586, 14, 2, 0},
	{0x1114, 16, 3, 0},
	{0x080b, 18, 4, 0},
	{0x03d8, 20, 5, 0},
	{0x01da, 23, 6, 0},
	{0x00e5, 25, 7, 0},
	{0x006f, 28, 8, 0},
	{0x0036, 30, 9, 0},
	{0x001a, 33, 10, 0},
	{0x000d, 35, 11, 0},
	{0x0006, 9, 12, 0},
	{0x0003, 10, 13, 0},
	{0x0001, 12, 13, 0},
	{0x5a7f, 15, 15, 1},
	{0x3f25, 36, 16, 0},
	{0x2cf2, 38, 17, 0},
	{0x207c, 39, 18, 0},
	{0x17b9, 40, 19, 0},
	{0x1182, 42, 20, 0},
	{0x0cef, 43, 21, 0},
	{0x09a1, 45, 22, 0},
	{0x072f, 46, 23, 0},
	{0x055c, 48, 24, 0},
	{0x0406, 49, 25, 0},
	{0x0303, 51, 26, 0},
	{0x0240, 52, 27, 0},
	{0x01b1, 54, 28, 0},
	{0x0144, 56, 29, 0},
	{0x00f5, 57, 30, 0},
	{0x00b7, 59, 31, 0},
	{0x008a, 60, 32, 0},
	{0x0068, 62, 33, 0},
	{0x004e, 63, 34, 0},
	{0x003b, 32, 35, 0},
	{0x002c, 33, 9, 0},
	{0x5ae1, 37, 37, 1},
	{0x484c, 64, 38, 0},
	{0x3a0d, 65, 39, 0},
	{0x2ef1, 67, 40, 0},
	{0x261f, 68, 41, 0},
	{0x1f33, 69, 42, 0},
	{0x19a8, 70, 43, 0},
	{0x1518, 72, 44, 0},
	{0x1177, 73, 45, 0},
	{0x0e74, 74, 46, 0},
	{0x0bfb, 75, 47, 0},
	{0x09f8, 77, 48, 0},
	{0x0861, 78, 49, 0},
	{0x0706, 79, 50, 0},
	{0x05cd, 48, 51, 0},
	{0x04de, 50, 52, 0},
	{0x040f, 50, 53, 0},
	{0x0363, 51, 54, 0},
	{0x02d4, 52, 55, 0},
	{0x025c, 53, 56, 0},
	{0x01f8, 54, 57, 0},
	{0x01a4, 55, 58, 0},
	{0x0160, 56, 59, 0},
	{0x0125, 57, 60, 0},
	{0x00f6, 58, 61, 0},
	{0x00cb, 59, 62, 0},
	{0x00ab, 61, 63, 0},
	{0x008f, 61, 32, 0},
	{0x5b12, 65, 65, 1},
	{0x4d04, 80, 66, 0},
	{0x412c, 81, 67, 0},
	{0x37d8, 82, 68, 0},
	{0x2fe8, 83, 69, 0},
	{0x293c, 84, 70, 0},
	{0x2379, 86, 71, 0},
	{0x1edf, 87, 72, 0},
	{0x1aa9, 87, 73, 0},
	{0x174e, 72, 74, 0},
	{0x1424, 72, 75, 0},
	{0x119c, 74, 76, 0},
	{0x0f6b, 74, 77, 0},
	{0x0d51, 75, 78, 0},
	{0x0bb6, 77, 79, 0},
	{0x0a40, 77, 48, 0},
	{0x5832, 80, 81, 1},
	{0x4d1c, 88, 82, 0},
	{0x438e, 89, 83, 0},
	{0x3bdd, 90, 84, 0},
	{0x34ee, 91, 85, 0},
	{0x2eae, 92, 86, 0},
	{0x299a, 93, 87, 0},
	{0x2516, 86, 71, 0},
	{0x5570, 88, 89, 1},
	{0x4ca9, 95, 90, 0},
	{0x44d9, 96, 91, 0},
	{0x3e22, 97, 92, 0},
	{0x3824, 99, 93, 0},
	{0x32b4, 99, 94, 0},
	{0x2e17, 93, 86, 0},
	{0x56a8, 95, 96, 1},
	{0x4f46, 101, 97, 0},
	{0x47e5, 102, 98, 0},
	{0x41cf, 103, 99, 0},
	{0x3c3d, 104, 100, 0},
	{0x375e, 99, 93, 0},
	{0x5231, 105, 102, 0},
	{0x4c0f, 106, 103, 0},
	{0x4639, 107, 104, 0},
	{0x415e, 103, 99, 0},
	{0x5627, 105, 106, 1},
	{0x50e7, 108, 107, 0},
	{0x4b85, 109, 103, 0},
	{0x5597, 110, 109, 0},
	{0x504f, 111, 107, 0},
	{0x5a10, 110, 111, 1},
	{0x5522, 112, 109, 0},
	{0x59eb, 112, 111, 1},
	{0x5a1d, 113, 113, 0},
}

const fixedState = uint8(len(estimateStates) - 1)

// start begins a segment; the estimates of the tables of a scan's components begin anew.
func (a *arithmetic) start(s *source, h *header) {
	for _, m := range h.scanMembers {
		c := &h.components[m]
		if !h.progressive || h.spectral[0] == 0 && h.approx[0] == 0 {
			a.dc[c.dc&15] = [64]uint8{}
		}
		if !h.progressive || h.spectral[0] > 0 {
			a.ac[c.ac&15] = [256]uint8{}
		}
	}
	a.context, a.half, a.bad = [maxComponents]int{}, fixedState, false
	a.data, a.end, a.pos = s.segment, s.size, 0
	a.c, a.a, a.ct = 0, 1<<16, 0
	for range 2 {
		a.c = (a.c | a.next()<<8) << 8
	}
}

func (a *arithmetic) next() uint32 {
	var b uint32
	if a.pos < a.end {
		b = uint32(a.data[a.pos])
	}
	a.pos++
	return b
}

// decide decodes one decision with an estimate: the more probable symbol in bit 7, the state below it.
func (a *arithmetic) decide(estimate *uint8) bool {
	more := *estimate >> 7
	s := &estimateStates[min(*estimate&127, fixedState)]
	q := uint32(s.probability)
	a.a -= q
	below := a.c>>16 < a.a
	if below && a.a >= 1<<15 {
		return more == 1
	}
	// One of the two exchanges symbols where the less probable one has the larger interval.
	symbol := more
	if below != (a.a < q) {
		*estimate = s.more | more<<7
	} else {
		symbol = 1 - more
		*estimate = s.less | (more^s.swap)<<7
	}
	if !below {
		a.c -= a.a << 16
		a.a = q
	}
	for a.a < 1<<15 {
		if a.ct == 0 {
			a.c |= a.next() << 8
			a.ct = 8
		}
		a.a <<= 1
		a.c <<= 1
		a.ct--
	}
	return symbol == 1
}

// magnitude decodes the bits below the highest one, size, of a number that has been found to be at least size + 1, and
// gives that number its sign.
func (a *arithmetic) magnitude(estimate *uint8, size int, negative bool) int {
	v := size
	for size >>= 1; size > 0; size >>= 1 {
		if a.decide(estimate) {
			v |= size
		}
	}
	if negative {
		return -v - 1
	}
	return v + 1
}

// category decodes the magnitude category of a number as size·2ᵏ, doubling size with each decision of 1, and returns
// the place of the last estimate that it used, too.
func (a *arithmetic) category(estimates []uint8, at, size int) (last, doubled int) {
	for a.decide(&estimates[at]) {
		if size <<= 1; size == 1<<15 {
			a.bad = true
			break
		}
		at++
	}
	return at, size
}

// arithmeticDC decodes a DC coefficient (T.81, F.2.4.1) of the i-th component of the scan, and reports whether it
// could.
func (d *decoder) arithmeticDC(c *component, i int) bool {
	a := d.arith
	if a.bad {
		return false
	}
	t := c.dc & 15
	estimates := a.dc[t][:]
	at := a.context[i]
	if !a.decide(&estimates[at]) {
		a.context[i] = 0
		return true
	}
	negative := a.decide(&estimates[at+1])
	at, sign := at+2, 0
	if negative {
		at, sign = at+1, 4
	}
	size := 0
	if a.decide(&estimates[at]) {
		if at, size = a.category(estimates, 20, 1); a.bad {
			return false
		}
	}
	switch {
	case size < 1<<d.conditioning.low[t]>>1:
		a.context[i] = 0
	case size > 1<<d.conditioning.high[t]>>1:
		a.context[i] = 12 + sign
	default:
		a.context[i] = 4 + sign
	}
	d.last[i] = (d.last[i] + int32(a.magnitude(&estimates[at+14], size, negative))) & 0xffff
	return true
}

// arithmeticAC decodes the AC coefficients of a band (T.81, F.2.4.2).
func (d *decoder) arithmeticAC(coef *[blockLen]int16, nonzero *uint64, c *component, first, last, low int) {
	a, t := d.arith, c.ac&15
	estimates := a.ac[t][:]
	for k := first; k <= last; k++ {
		at := 3 * (k - 1)
		if a.decide(&estimates[at]) {
			return // the end of the block
		}
		for !a.decide(&estimates[at+1]) {
			at += 3
			if k++; k > last {
				a.bad = true
				return
			}
		}
		negative := a.decide(&a.half)
		at += 2
		size := 0
		if a.decide(&estimates[at]) {
			size = 1
			if a.decide(&estimates[at]) {
				at = 217
				if k <= int(d.conditioning.split[t]) {
					at = 189
				}
				if at, size = a.category(estimates, at, 2); a.bad {
					return
				}
			}
		}
		v := a.magnitude(&estimates[at+14], size, negative)
		setCoefficient(coef, nonzero, k, int16(v<<low))
	}
}

// arithmeticRefine decodes one more bit of the AC coefficients of a band (T.81, G.1.3.3).
func (d *decoder) arithmeticRefine(coef *[blockLen]int16, nonzero *uint64, c *component) {
	a := d.arith
	estimates := a.ac[c.ac&15][:]
	first, last := d.spectral[0], d.spectral[1]
	one := int16(1) << d.approx[1]
	end := bits.Len64(*nonzero&(2<<last-1)) - 1 // the last place that was not 0 before
	for k := first; k <= last; k++ {
		at := 3 * (k - 1)
		if k > end && a.decide(&estimates[at]) {
			return
		}
		for {
			if p := &coef[zigzag[k&127]&63]; *p != 0 {
				if a.decide(&estimates[at+2]) {
					sign := *p >> 15
					*p += (one ^ sign) - sign
				}
				break
			}
			if a.decide(&estimates[at+1]) {
				v := one
				if a.decide(&a.half) {
					v = -one
				}
				setCoefficient(coef, nonzero, k, v)
				break
			}
			at += 3
			if k++; k > last {
				a.bad = true
				return
			}
		}
	}
}

// arithmeticBlock decodes what a scan says of a block.
func (d *decoder) arithmeticBlock(kind scanKind, coef *[blockLen]int16, nonzero *uint64, c *component, i int) {
	switch {
	case kind == scanRefineDC:
		if d.arith.decide(&d.arith.half) {
			coef[0] |= 1 << d.approx[1]
		}
	case d.arith.bad:
	case kind == scanRefineAC:
		d.arithmeticRefine(coef, nonzero, c)
	case kind == scanFirstAC:
		d.arithmeticAC(coef, nonzero, c, d.spectral[0], d.spectral[1], d.approx[1])
	case kind == scanFirstDC:
		if d.arithmeticDC(c, i) {
			coef[0] = int16(d.last[i] << d.approx[1])
		}
	default:
		if d.arithmeticDC(c, i) {
			coef[0] = int16(d.last[i])
			d.arithmeticAC(coef, nonzero, c, 1, blockLen-1, 0)
		}
	}
}

// readConditioning reads the parameters of arithmetic coding.
func (d *decoder) readConditioning(p []byte) error {
	if len(p)%2 != 0 {
		return damaged("the conditioning of arithmetic coding has %d bytes, expected an even number", len(p))
	}
	for ; len(p) > 0; p = p[2:] {
		n, v := p[0], p[1]
		switch {
		case n >= 32:
			return damaged("it defines conditioning table %d, expected 0 to 31", n)
		case n >= 16:
			d.conditioning.split[n-16] = v
		case v&15 > v>>4:
			return damaged("the bounds of small differences are %d and %d, expected them to ascend", v&15, v>>4)
		default:
			d.conditioning.low[n], d.conditioning.high[n] = v&15, v>>4
		}
	}
	return nil
}
