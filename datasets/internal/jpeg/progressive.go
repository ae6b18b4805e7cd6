package jpeg

import "math/bits"

// maxScans bounds the scans of a picture, and so the work that decoding it is: each scan passes over all of it, and a
// small file could hold thousands. It is the number that libjpeg-turbo's cjpeg writes at most; programs write 10 or so.
const maxScans = 100

// decodeScans reads all scans of a picture, whose coefficients it keeps, and then computes the pixels.
func (d *decoder) decodeScans() error {
	d.forget()
	for n := 1; ; n++ {
		if n > maxScans {
			return unsupported("more than %d scans", maxScans)
		}
		kind, err := d.startAnyScan()
		if err != nil {
			return err
		}
		if err := d.decodeScan(kind); err != nil {
			return err
		}
		more, err := d.readMarkers()
		if err != nil {
			return err
		}
		if !more {
			break
		}
	}
	d.transformAll()
	return nil
}

// transformAll computes the pixels of a picture of which all coefficients are there.
func (d *decoder) transformAll() {
	smooth := d.smooths()
	var smoothing smoother
	for row := range d.mcusDown {
		for i := range d.count {
			c := &d.components[i]
			for y := 0; y < c.v && row*c.v+y < c.down; y++ {
				if smooth {
					d.smoothRow(&smoothing, i, row, y)
					for x := range c.across {
						c.inverse(smoothing.block(x), blockLen-1, c.strip(d.minSize, x, y))
					}
					continue
				}
				at := (row*c.v + y) * c.blockStride
				blocks, nonzero := c.coefs[at:at+c.across], c.nonzero[at:at+c.across]
				for x := range blocks {
					highest := blockLen - 1
					if d.progressive && nonzero[x] == 0 {
						highest = 0
					}
					c.inverse(&blocks[x], highest, c.strip(d.minSize, x, y))
				}
			}
		}
		d.emit(row)
	}
}

// scanKind tells which coefficients a scan codes, and whether it is their first or a refinement.
type scanKind int

const (
	scanSequential scanKind = iota
	scanFirstDC
	scanRefineDC
	scanFirstAC
	scanRefineAC
)

// startAnyScan checks the parameters of a scan (T.81, G.1.1.1) and prepares for it.
func (d *decoder) startAnyScan() (scanKind, error) {
	if !d.progressive {
		return scanSequential, d.startScan(codesDC, codesAC)
	}
	first, last, high, low := d.spectral[0], d.spectral[1], d.approx[0], d.approx[1]
	bad := first == 0 && last != 0 || first > last || last >= blockLen || first > 0 && len(d.scanMembers) != 1 ||
		high != 0 && low != high-1 || low > 13
	if bad {
		return 0, damaged("a progressive scan of %d components has coefficients %d to %d, bits %d to %d",
			len(d.scanMembers), first, last, high, low)
	}
	d.noteScan(d.scanMembers, first, last, low)
	switch {
	case first == 0 && high == 0:
		return scanFirstDC, d.startScan(codesDC)
	case first == 0:
		return scanRefineDC, d.startScan()
	case high == 0:
		return scanFirstAC, d.startScan(codesAC)
	default:
		return scanRefineAC, d.startScan(codesRefine)
	}
}

// decodeScan decodes the blocks of a scan. A component alone has MCUs of one block, and none that only fill up.
func (d *decoder) decodeScan(kind scanKind) error {
	if len(d.scanMembers) == 1 {
		c := &d.components[d.scanMembers[0]]
		for row := range c.down {
			for column := range c.across {
				if !d.starved {
					d.good = row / c.v
				}
				if err := d.beginMCU(); err != nil {
					return err
				}
				d.decodeBlock(kind, c, 0, row*c.blockStride+column)
				if err := d.endMCU(row / c.v); err != nil {
					return err
				}
			}
		}
		return nil
	}
	for row := range d.mcusDown {
		for column := range d.mcusAcross {
			if !d.starved {
				d.good = row
			}
			if err := d.beginMCU(); err != nil {
				return err
			}
			for i, m := range d.scanMembers {
				c := &d.components[m]
				for y := range c.v {
					for x := range c.h {
						d.decodeBlock(kind, c, i, (row*c.v+y)*c.blockStride+column*c.h+x)
					}
				}
			}
			if err := d.endMCU(row); err != nil {
				return err
			}
		}
	}
	return nil
}

// decodeBlock decodes what a scan says of block number n of c, which is the i-th component in it.
func (d *decoder) decodeBlock(kind scanKind, c *component, i, n int) {
	switch {
	case d.arithmetic:
		d.arithmeticBlock(kind, &c.coefs[n], &c.nonzero[n], c, i)
	case kind == scanRefineDC: // zeros behind the end of a segment change nothing
		if d.bits.bit() {
			c.coefs[n][0] |= 1 << d.approx[1]
		}
	case d.starved:
	case kind == scanRefineAC:
		d.refineAC(&c.coefs[n], &c.nonzero[n], &d.tables[1][c.ac&3])
	case kind == scanFirstAC:
		if d.endRun > 0 {
			d.endRun--
			return
		}
		d.firstAC(&c.coefs[n], &c.nonzero[n], &d.tables[1][c.ac&3])
	case kind == scanFirstDC:
		d.last[i] += d.bits.difference(&d.tables[0][c.dc&3])
		c.coefs[n][0] = int16(d.last[i] << d.approx[1])
	default:
		d.bits.block(&c.coefs[n], &d.tables[0][c.dc&3], &d.tables[1][c.ac&3], &d.last[i])
	}
}

// firstAC decodes the upper bits of a band of AC coefficients (T.81, G.1.2.2).
func (d *decoder) firstAC(coef *[blockLen]int16, nonzero *uint64, t *huffmanTable) {
	b, low := &d.bits, d.approx[1]
	for k := d.spectral[0]; k <= d.spectral[1]; k++ {
		if b.n < 32 {
			b.refill()
		}
		e := t.fast[b.acc>>(64-lookahead)]
		v := int32(e) >> 16
		if v != 0 {
			k += int(e >> 8 & 15)
			b.drop(int(e & 63))
		} else {
			symbol := b.code(t)
			run, size := symbol>>4, symbol&15
			if size == 0 {
				if run != 15 {
					d.endRun = 1<<run - 1 + int(b.read(run))
					return
				}
				k += 15
				continue
			}
			k += run
			v = extend(b.read(size), size)
		}
		setCoefficient(coef, nonzero, k, int16(v<<low))
	}
}

// setCoefficient sets the coefficient at a place, the last one where the place is beyond it.
func setCoefficient(coef *[blockLen]int16, nonzero *uint64, k int, v int16) {
	coef[zigzag[k&127]&63] = v
	bit := uint64(1) << min(k, blockLen-1)
	if *nonzero |= bit; v == 0 { // it lost its bits to the shift
		*nonzero &^= bit
	}
}

// refineAC decodes one more bit of a band of AC coefficients (T.81, G.1.2.3): coefficients that become nonzero, and
// between them one bit for each that is already.
func (d *decoder) refineAC(coef *[blockLen]int16, nonzero *uint64, t *huffmanTable) {
	b, low := &d.bits, uint(d.approx[1])
	k, end := d.spectral[0], d.spectral[1]
	for d.endRun == 0 && k <= end {
		if b.n < 32 {
			b.refill()
		}
		e := t.fast[b.acc>>(64-lookahead)]
		v, run := int16(e>>16), int(e>>8&15)
		if v != 0 {
			b.drop(int(e & 63))
		} else {
			symbol := b.code(t)
			run = symbol >> 4
			switch {
			case symbol&15 != 0:
				v = -1
				if b.bit() {
					v = 1
				}
			case run != 15:
				d.endRun = 1<<run + int(b.read(run))
			}
		}
		if d.endRun > 0 {
			break
		}
		// Past run coefficients that are zero to the one behind them that is, or beyond the band.
		for k <= end {
			zeros := bits.TrailingZeros64(*nonzero >> (k & 63))
			if zeros > run || k+zeros > end {
				k = min(k+run, end+1)
				break
			}
			k += zeros
			run -= zeros
			b.refine(&coef[zigzag[k&63]&63], low)
			k++
		}
		if v != 0 {
			setCoefficient(coef, nonzero, k, v<<low)
		}
		k++
	}
	if d.endRun == 0 {
		return
	}
	if k <= end {
		for rest := *nonzero & (2<<end - 1) &^ (1<<k - 1); rest != 0; rest &= rest - 1 {
			b.refine(&coef[zigzag[bits.TrailingZeros64(rest)]&63], low)
		}
	}
	d.endRun--
}

// refine reads bit number low of a coefficient: where it is 1, and not set yet, the coefficient moves away from 0.
func (b *bitReader) refine(p *int16, low uint) {
	if b.n == 0 {
		b.refill()
	}
	set := int16(b.acc>>63) &^ (*p >> low)
	b.drop(1)
	sign := *p >> 15
	*p += ((set&1)<<low ^ sign) - sign
}
