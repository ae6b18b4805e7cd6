package jpeg

// maxScans bounds the scans of a picture: each passes over all of it, and a small file could hold thousands.
const maxScans = 1000

// decodeScans reads all scans of a picture, whose coefficients it keeps, and then computes the pixels.
func (d *decoder) decodeScans() error {
	for n := 1; ; n++ {
		if n > maxScans {
			return unsupported("more than %d scans", maxScans)
		}
		decode, err := d.scanKind()
		if err != nil {
			return err
		}
		if err := d.decodeScan(decode); err != nil {
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
	for row := range d.mcusDown {
		for i := range d.count {
			c := &d.components[i]
			for y := 0; y < c.v && row*c.v+y < c.down; y++ {
				blocks := c.coefs[(row*c.v+y)*c.blockStride:][:c.across]
				for x := range blocks {
					c.inverse(&blocks[x], blockLen-1, c.strip(d.minSize, x, y))
				}
			}
		}
		d.emit(row)
	}
	return nil
}

// blockDecoder decodes what a scan says of one block of the i-th component in it.
type blockDecoder func(d *decoder, coef *[blockLen]int16, c *component, i int)

// scanKind checks the parameters of a scan (T.81, G.1.1.1) and prepares for it.
func (d *decoder) scanKind() (blockDecoder, error) {
	if !d.progressive {
		return (*decoder).sequentialBlock, d.startScan(true, true)
	}
	first, last, high, low := d.spectral[0], d.spectral[1], d.approx[0], d.approx[1]
	bad := first == 0 && last != 0 || first > last || last >= blockLen || first > 0 && len(d.scanMembers) != 1 ||
		high != 0 && low != high-1 || low > 13
	switch {
	case bad:
		return nil, damaged("a progressive scan of %d components has coefficients %d to %d, bits %d to %d",
			len(d.scanMembers), first, last, high, low)
	case first == 0 && high == 0:
		return (*decoder).firstDC, d.startScan(true, false)
	case first == 0:
		return (*decoder).refineDC, d.startScan(false, false)
	case high == 0:
		return (*decoder).firstAC, d.startScan(false, true)
	default:
		return (*decoder).refineAC, d.startScan(false, true)
	}
}

// decodeScan decodes the blocks of a scan. A component alone has MCUs of one block, and none that only fill up.
func (d *decoder) decodeScan(decode blockDecoder) error {
	if len(d.scanMembers) == 1 {
		c := &d.components[d.scanMembers[0]]
		for row := range c.down {
			blocks := c.coefs[row*c.blockStride:][:c.across]
			for x := range blocks {
				if err := d.beginMCU(); err != nil {
					return err
				}
				decode(d, &blocks[x], c, 0)
				if err := d.endMCU(row / c.v); err != nil {
					return err
				}
			}
		}
		return nil
	}
	for row := range d.mcusDown {
		for column := range d.mcusAcross {
			if err := d.beginMCU(); err != nil {
				return err
			}
			for i, m := range d.scanMembers {
				c := &d.components[m]
				for y := range c.v {
					blocks := c.coefs[(row*c.v+y)*c.blockStride+column*c.h:][:c.h]
					for x := range blocks {
						decode(d, &blocks[x], c, i)
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

func (d *decoder) sequentialBlock(coef *[blockLen]int16, c *component, i int) {
	if !d.starved {
		d.bits.block(coef, &d.tables[0][c.dc&3], &d.tables[1][c.ac&3], &d.last[i])
	}
}

// firstDC decodes the upper bits of a DC coefficient (T.81, G.1.2.1).
func (d *decoder) firstDC(coef *[blockLen]int16, c *component, i int) {
	if !d.starved {
		d.last[i] += d.bits.difference(&d.tables[0][c.dc&3])
		coef[0] = int16(d.last[i] << d.approx[1])
	}
}

// refineDC decodes one more bit of a DC coefficient.
func (d *decoder) refineDC(coef *[blockLen]int16, _ *component, _ int) {
	if d.bits.bit() {
		coef[0] |= 1 << d.approx[1]
	}
}

// firstAC decodes the upper bits of a band of AC coefficients (T.81, G.1.2.2).
func (d *decoder) firstAC(coef *[blockLen]int16, c *component, _ int) {
	if d.starved {
		return
	}
	if d.endRun > 0 {
		d.endRun--
		return
	}
	t, b, low := &d.tables[1][c.ac&3], &d.bits, d.approx[1]
	for k := d.spectral[0]; k <= d.spectral[1]; k++ {
		if b.n < 32 {
			b.refill()
		}
		e := t.fast[b.acc>>(64-lookahead)]
		if v := int32(e) >> 16; v != 0 {
			k += int(e >> 8 & 15)
			coef[zigzag[k&127]&63] = int16(v << low)
			b.drop(int(e & 63))
			continue
		}
		symbol := b.code(t, e)
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
		coef[zigzag[k&127]&63] = int16(extend(b.read(size), size) << low)
	}
}

// code decodes one code whose entry in the table is e, and which is not followed by a number there.
func (b *bitReader) code(t *huffmanTable, e uint32) int {
	if e&63 == 0 {
		return b.symbol(t)
	}
	b.drop(int(e & 63))
	return int(e >> 8 & 255)
}

// refineAC decodes one more bit of a band of AC coefficients (T.81, G.1.2.3): coefficients that become nonzero, and
// between them one bit for each that is already.
func (d *decoder) refineAC(coef *[blockLen]int16, c *component, _ int) {
	if d.starved {
		return
	}
	t, b := &d.tables[1][c.ac&3], &d.bits
	one := int16(1) << d.approx[1]
	k, end := d.spectral[0], d.spectral[1]
	for d.endRun == 0 && k <= end {
		if b.n < 32 {
			b.refill()
		}
		// Of a new coefficient the file gives the sign alone, whatever size its symbol has.
		e := t.fast[b.acc>>(64-lookahead)]
		var symbol int
		if e>>16 != 0 {
			symbol = b.symbol(t)
		} else {
			symbol = b.code(t, e)
		}
		run, value := symbol>>4, int16(0)
		switch {
		case symbol&15 != 0:
			value = -one
			if b.bit() {
				value = one
			}
		case run != 15:
			d.endRun = 1<<run + int(b.read(run))
		}
		if d.endRun > 0 {
			break
		}
		for ; k <= end; k++ {
			if p := &coef[zigzag[k]&63]; *p != 0 {
				b.refine(p, one)
			} else if run--; run < 0 {
				break
			}
		}
		if value != 0 {
			coef[zigzag[k]&63] = value
		}
		k++
	}
	if d.endRun == 0 {
		return
	}
	for ; k <= end; k++ {
		if p := &coef[zigzag[k]&63]; *p != 0 {
			b.refine(p, one)
		}
	}
	d.endRun--
}

// refine reads one more bit of a coefficient.
func (b *bitReader) refine(p *int16, one int16) {
	if !b.bit() || *p&one != 0 {
		return
	}
	if *p > 0 {
		*p += one
	} else {
		*p -= one
	}
}
