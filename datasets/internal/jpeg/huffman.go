package jpeg

// huffmanSpec is a table as the file defines it (T.81, B.2.4.2).
type huffmanSpec struct {
	defined bool
	counts  [17]uint8 // of codes of each length from 1
	symbols [256]uint8
}

// lookahead is the number of bits that one look-up in a huffmanTable decodes.
const lookahead = 10

// huffmanTable decodes one code, and in most cases the value that follows it, with one look-up.
type huffmanTable struct {
	// fast is indexed by the next lookahead bits of the segment. An entry is one of
	//
	//	value<<16 | run<<8 | length   code and value fit in these bits: run zeros, then value, which is not 0
	//	symbol<<8 | length            only the code, of length bits, fits, or no value follows it
	//	0                             the code is longer than lookahead
	fast [1 << lookahead]uint32

	longest [32]int32 // the last code of each length from 1 to 16, −1 for none
	offset  [32]int32 // what added to a code is the index of its symbol
	symbols [256]uint8
}

// readHuffman reads Huffman tables.
func (d *decoder) readHuffman(p []byte) error {
	for len(p) > 16 {
		class, n := p[0]>>4, p[0]&15
		if class > 1 || n > 3 {
			return damaged("it defines Huffman table %d of class %d, expected 0 to 3 of class 0 or 1", n, class)
		}
		spec := &d.huffman[class][n]
		*spec = huffmanSpec{defined: true}
		total := 0
		for i, c := range p[1:17] {
			spec.counts[1+i] = c
			total += int(c)
		}
		p = p[17:]
		if total > 256 || total > len(p) {
			return damaged("a Huffman table has %d codes in %d bytes, expected at most 256", total, len(p))
		}
		copy(spec.symbols[:], p[:total])
		p = p[total:]
	}
	if len(p) != 0 {
		return damaged("%d bytes follow the Huffman tables of a segment, expected none", len(p))
	}
	return nil
}

// coding says what the symbols of a table stand for.
type coding int

const (
	codesDC     coding = iota // the length of a difference
	codesAC                   // a run of zeros and the length of a coefficient
	codesRefine               // a run of zeros, and of a new coefficient the sign alone, whatever length it is given
)

// build makes the table of a definition (T.81, annex C).
func (t *huffmanTable) build(spec *huffmanSpec, kind coding) error {
	t.symbols = spec.symbols
	clear(t.fast[:])
	code, index := int32(0), int32(0)
	for length := 1; length <= 16; length++ {
		t.offset[length] = index - code
		for range spec.counts[length] {
			symbol := spec.symbols[index&255]
			if kind == codesDC && symbol > 15 {
				return damaged("a Huffman table of differences has symbol %d, expected at most 15", symbol)
			}
			if length <= lookahead && code < 1<<length {
				t.fill(uint32(code), length, symbol, kind)
			}
			code++
			index++
		}
		if spec.counts[length] > 0 && code >= 1<<length { // a code of ones alone is none
			return damaged("a Huffman table has more codes of %d bits than there are", length)
		}
		t.longest[length] = code - 1
		if spec.counts[length] == 0 {
			t.longest[length] = -1
		}
		code <<= 1
	}
	return nil
}

// fill writes the entries of all bits that begin with a code.
func (t *huffmanTable) fill(code uint32, length int, symbol uint8, kind coding) {
	run, size := uint32(symbol>>4), int(symbol&15)
	switch kind {
	case codesDC:
		run = 0
	case codesRefine:
		size = min(size, 1)
	}
	rest := lookahead - length
	entries := t.fast[code<<rest : (code+1)<<rest]
	if size == 0 || size > rest {
		for i := range entries {
			entries[i] = uint32(symbol)<<8 | uint32(length)
		}
		return
	}
	for i := range entries {
		value := extend(uint32(i)>>(rest-size), size)
		entries[i] = uint32(value)<<16 | run<<8 | uint32(length+size)
	}
}

// extend is the signed number that size bits stand for (T.81, F.2.2.1): those that begin with a 0 are negative.
func extend(v uint32, size int) int32 {
	if size == 0 {
		return 0
	}
	x := int32(v)
	return x + ((x-1<<(size-1))>>31)&(-1<<size+1)
}

// standardTables are the tables of T.81, annex K.3.3, for luminance (0) and chrominance (1), which pictures without
// tables of their own use, those of Motion JPEG above all.
var standardTables = func() (t [2][2]huffmanSpec) {
	// The differences' symbols are in order, 0 to 11.
	dc := [2][]uint8{{0, 1, 5, 1, 1, 1, 1, 1, 1}, {0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1}}
	ac := [2][]uint8{
		{0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7d},
		{0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77},
	}
	// The frequent symbols by length of code; all others, in order, have the longest ones.
	frequent := [2]string{
		"\x01\x02\x03\x00\x04\x11\x05\x12\x21\x31\x41\x06\x13\x51\x61\x07\x22\x71\x14\x32\x81\x91\xa1\x08" +
			"\x23\x42\xb1\xc1\x15\x52\xd1\xf0\x24\x33\x62\x72\x82",
		"\x00\x01\x02\x03\x11\x04\x05\x21\x31\x06\x12\x41\x51\x07\x61\x71\x13\x22\x32\x81\x08\x14\x42\x91\xa1\xb1\xc1" +
			"\x09\x23\x33\x52\xf0\x15\x62\x72\xd1\x0a\x16\x24\x34\xe1\x25\xf1",
	}
	for i := range 2 {
		t[0][i].defined, t[1][i].defined = true, true
		copy(t[0][i].counts[1:], dc[i])
		copy(t[1][i].counts[1:], ac[i])
		for s := range uint8(12) {
			t[0][i].symbols[s] = s
		}
		n := copy(t[1][i].symbols[:], frequent[i])
		var seen [256]bool
		for _, s := range []byte(frequent[i]) {
			seen[s] = true
		}
		for s := range 256 {
			if size := s & 15; size >= 1 && size <= 10 && !seen[s] {
				t[1][i].symbols[n] = uint8(s)
				n++
			}
		}
	}
	return t
}()
