package jpeg

import (
	"errors"
	"math/bits"
)

// scan is the state of entropy decoding.
type scan struct {
	bits    bitReader
	tables  *[2][4]huffmanTable
	arith   *arithmetic
	last    [maxComponents]int32 // DC coefficients before the current ones
	endRun  int                  // blocks of a progressive scan that have ended early and are still to come
	togo    int                  // MCUs to the next restart
	restart uint8                // number of the next restart marker
	starved bool                 // the segment ended early: what is left of it is taken for zeros
}

// startScan builds the tables of the scan that has been announced and loads its first segment. Which tables it needs
// depends on its kind.
func (d *decoder) startScan(kinds ...coding) error {
	if d.tables == nil {
		d.tables = new([2][4]huffmanTable)
	}
	blocks := 0
	for _, m := range d.scanMembers {
		c := &d.components[m]
		blocks += c.h * c.v
		if err := d.latch(c); err != nil {
			return err
		}
		if d.arithmetic {
			continue
		}
		for _, kind := range kinds {
			if err := d.buildTable(kind, c); err != nil {
				return err
			}
		}
	}
	if len(d.scanMembers) > 1 && blocks > maxBlocks {
		return damaged("an MCU has %d blocks, expected at most %d", blocks, maxBlocks)
	}
	d.scan = scan{tables: d.tables, arith: d.arith, togo: d.header.restart}
	d.beginSegment()
	return nil
}

// beginSegment loads an entropy-coded segment.
func (d *decoder) beginSegment() {
	d.src.readSegment()
	if !d.arithmetic {
		d.bits.reset(&d.src)
		return
	}
	if d.arith == nil {
		d.arith = new(arithmetic)
	}
	d.arith.start(&d.src, &d.header)
}

// buildTable builds a component's table for differences or for coefficients.
func (d *decoder) buildTable(kind coding, c *component) error {
	class, n := 1, c.ac
	if kind == codesDC {
		class, n = 0, c.dc
	}
	if n > 3 {
		return damaged("a scan uses Huffman table %d, expected 0 to 3", n)
	}
	spec := &d.huffman[class][n]
	if !spec.defined {
		if n > 1 || d.progressive {
			return damaged("Huffman table %d is missing", n)
		}
		spec = &standardTables[class][n]
	}
	return d.tables[class][n].build(spec, kind)
}

// beginMCU prepares for the next MCU: where a restart is due, it goes on behind its marker.
func (d *decoder) beginMCU() error {
	if d.header.restart == 0 {
		return nil
	}
	if d.togo == 0 {
		proceed, err := d.src.restart(d.scan.restart)
		if err != nil {
			return err
		}
		d.scan.restart = (d.scan.restart + 1) & 7
		d.last = [maxComponents]int32{}
		d.endRun = 0
		d.togo = d.header.restart
		if proceed {
			d.starved = false
		}
		d.beginSegment()
	}
	d.togo--
	return nil
}

// endMCU notes whether the segment has ended too early. Behind a marker that is damage, which libjpeg forgives; at the
// end of the file the picture is truncated. libjpeg loads up to 57 bits before it needs them, and Pillow takes it for
// truncated where they are not there.
func (d *decoder) endMCU(row int) error {
	if d.arithmetic {
		if d.src.open && d.arith.pos > d.arith.end {
			return truncated("the file ends in row %d of %d of its blocks", row, d.mcusDown)
		}
		return nil // zeros behind the end are part of the code
	}
	left := d.bits.left()
	if d.src.open && left < 57 {
		return truncated("the file ends in row %d of %d of its blocks", row, d.mcusDown)
	}
	if left < 0 {
		d.starved = true
	}
	return nil
}

// decodeStrips decodes a picture of one sequential scan, strip by strip.
func (d *decoder) decodeStrips() error {
	if err := d.startScan(codesDC, codesAC); err != nil {
		return err
	}
	for row := range d.mcusDown {
		for column := range d.mcusAcross {
			if err := d.beginMCU(); err != nil {
				return err
			}
			d.decodeMCU(row, column)
			if err := d.endMCU(row); err != nil {
				return err
			}
		}
		d.emit(row)
	}
	return d.finish()
}

// finish reads the markers behind a picture of one scan. A file that ends without one for its end is forgiven.
func (d *decoder) finish() error {
	more, err := d.readMarkers()
	switch {
	case more:
		return damaged("a second scan follows one of all components")
	case errors.Is(err, ErrTruncated):
		return nil
	}
	return err
}

// decodeMCU decodes an MCU of all components into the strip.
func (d *decoder) decodeMCU(row, column int) {
	for i, m := range d.scanMembers {
		c := &d.components[m]
		dc, ac := &d.tables[0][c.dc&3], &d.tables[1][c.ac&3]
		for y := range c.v {
			for x := range c.h {
				coef := &d.block
				*coef = [blockLen]int16{}
				highest := 0
				switch {
				case d.arithmetic:
					var nonzero uint64
					d.arithmeticBlock(scanSequential, coef, &nonzero, c, i)
					highest = bits.Len64(nonzero)
				case !d.starved:
					highest = d.bits.block(coef, dc, ac, &d.last[i])
				}
				if col := column*c.h + x; col < c.across && row*c.v+y < c.down {
					c.inverse(coef, highest, c.strip(d.minSize, col, y))
				}
			}
		}
	}
}
