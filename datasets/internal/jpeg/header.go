package jpeg

// blockSize is the number of samples along a side of a block, blockLen of coefficients in one.
const (
	blockSize = 8
	blockLen  = blockSize * blockSize
)

// maxComponents is how many components a decodable picture has at most; the format allows 255.
const maxComponents = 4

// zigzag gives the place in rows of 8 of the k-th coefficient of the file. Damaged data count up to 15 too far: libjpeg
// lets them overwrite the last coefficient.
var zigzag = func() (z [128]uint8) {
	i, j, di := 0, 0, -1
	for k := range blockLen {
		z[k] = uint8(8*i + j)
		switch {
		case di < 0 && j == 7, di > 0 && i == 7:
			i, j, di = i+(1-di)/2, j+(1+di)/2, -di
		case di < 0 && i == 0, di > 0 && j == 0:
			i, j, di = i+(1+di)/2, j+(1-di)/2, -di
		default:
			i, j = i+di, j-di
		}
	}
	for k := blockLen; k < len(z); k++ {
		z[k] = blockLen - 1
	}
	return z
}()

// header is what the markers before a scan say.
type header struct {
	frameSeen     bool
	progressive   bool
	arithmetic    bool // coding, not Huffman's
	width, height int
	components    [maxComponents]component
	count         int // of components

	jfif, adobe    bool
	adobeTransform uint8
	exif           []byte // TIFF structure of the first EXIF segment

	quant        [4][blockLen]uint16 // in rows of 8
	quantSeen    [4]bool
	huffman      [2][4]huffmanSpec // DC and AC
	conditioning conditioning
	restart      int    // interval in MCUs, 0: none
	scanMembers  []int  // components of the scan that comes next
	spectral     [2]int // first and last coefficient of the scan
	approx       [2]int // high and low bit position
	memberStore  [maxComponents]int
}

// newHeader returns the defaults for what no marker sets.
func newHeader() header {
	var h header
	for i := range h.conditioning.high {
		h.conditioning.high[i], h.conditioning.split[i] = 1, 5
	}
	return h
}

// component is one plane of the picture.
type component struct {
	id, table   uint8 // table is the number of its quantisation table
	h, v        int   // sampling factors
	dc, ac      uint8 // Huffman tables of the current scan
	latched     bool  // quant is set
	quant       [blockLen]int16
	planeLayout // see frame.go
}

// readHeader reads the markers up to the first scan and checks what they say.
func (d *decoder) readHeader() error {
	if len(d.src.data) < 2 || d.src.data[0] != 0xff || d.src.data[1] != markerSOI {
		return damaged("it begins with % x, expected ff d8", d.src.data[:min(2, len(d.src.data))])
	}
	d.src.pos = 2
	more, err := d.readMarkers()
	if err != nil {
		return err
	}
	if !more {
		return damaged("it ends without a picture")
	}
	return nil
}

// readMarkers reads markers up to the next scan, whose header it reads, or the end of the picture (false).
func (d *decoder) readMarkers() (more bool, err error) {
	for {
		if d.src.marker == 0 && !d.src.nextMarker() {
			return false, truncated("the file ends within its headers")
		}
		m := d.src.marker
		switch {
		case m == markerEOI:
			return false, nil
		case m == markerTEM, m >= markerRST0 && m <= markerRST7: // without parameters
			d.src.marker = 0
			continue
		}
		if err := checkMarker(m); err != nil {
			return false, err
		}
		p, err := d.src.params()
		if err != nil {
			return false, err
		}
		d.src.marker = 0
		switch {
		case m == markerSOS:
			return true, d.readScanHeader(p)
		case m <= markerSOF2, m == markerSOF9, m == markerSOF10:
			d.arithmetic = m >= markerSOF9
			err = d.readFrame(p, m == markerSOF2 || m == markerSOF10)
		case m == markerDAC:
			err = d.readConditioning(p)
		case m == markerDHT:
			err = d.readHuffman(p)
		case m == markerDQT:
			err = d.readQuant(p)
		case m == markerDRI:
			if len(p) != 2 {
				return false, damaged("the restart interval has %d bytes, expected 2", len(p))
			}
			d.header.restart = int(p[0])<<8 | int(p[1])
		case m >= markerAPP0 && m <= markerAPPF:
			d.readApp(m, p)
		}
		if err != nil {
			return false, err
		}
	}
}

// checkMarker refuses markers of pictures that this package does not decode, and those that have no place here.
func checkMarker(m byte) error {
	switch {
	case m == markerDHT, m == markerDQT, m == markerDRI, m == markerDNL, m == markerCOM, m == markerSOS, m == markerDAC:
	case m >= markerAPP0 && m <= markerAPPF, m >= markerSOF0 && m <= markerSOF2, m == markerSOF9, m == markerSOF10:
	case m == 0xc3 || m == 0xcb:
		return unsupported("lossless coding (marker %#02x), expected baseline or progressive", m)
	case m >= 0xc5 && m <= 0xc7, m >= 0xcd && m <= 0xcf:
		return unsupported("hierarchical coding (marker %#02x), expected baseline or progressive", m)
	default:
		return damaged("marker %#02x is out of place", m)
	}
	return nil
}

// readFrame reads a frame header (T.81, B.2.2).
func (d *decoder) readFrame(p []byte, progressive bool) error {
	if d.frameSeen {
		return damaged("it has two frame headers, expected one")
	}
	if len(p) < 6 {
		return damaged("the frame header has %d bytes, expected at least 6", len(p))
	}
	d.progressive = progressive
	d.height, d.width = int(p[1])<<8|int(p[2]), int(p[3])<<8|int(p[4])
	d.count = int(p[5])
	switch {
	case d.height == 0 || d.width == 0 || d.count == 0:
		return damaged("it has %d × %d pixels of %d components, expected at least 1 of each", d.height, d.width, d.count)
	case max(d.height, d.width) > 65500:
		return unsupported("%d × %d pixels, expected at most 65500 in each direction", d.height, d.width)
	case len(p) != 6+3*d.count:
		return damaged("the frame header has %d bytes, expected %d for %d components", len(p), 6+3*d.count, d.count)
	case p[0] != 8:
		return unsupported("%d bits a sample, expected 8", p[0])
	case d.count != 1 && d.count != 3 && d.count != 4:
		return unsupported("%d components, expected 1 (gray), 3 (colour) or 4 (CMYK)", d.count)
	}
	for i := range d.count {
		c, q := &d.components[i], p[6+3*i:]
		c.id, c.h, c.v, c.table = q[0], int(q[1]>>4), int(q[1]&15), q[2]
		if c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4 {
			return damaged("component %d has sampling factors %d × %d, expected 1 to 4", i, c.h, c.v)
		}
	}
	if d.count == 1 { // a component alone is its own measure
		d.components[0].h, d.components[0].v = 1, 1
	}
	d.frameSeen = true
	return nil
}

// readScanHeader reads a scan header (T.81, B.2.3).
func (d *decoder) readScanHeader(p []byte) error {
	if !d.frameSeen {
		return damaged("a scan comes before the frame header")
	}
	if len(p) < 1 || p[0] < 1 || p[0] > maxComponents || len(p) != 4+2*int(p[0]) {
		return damaged("a scan header has %d bytes, expected 6, 8, 10 or 12", len(p))
	}
	n := int(p[0])
	d.scanMembers = d.memberStore[:0]
	for i := range n {
		id, tables := p[1+2*i], p[2+2*i]
		member := d.member(id)
		if member < 0 {
			return damaged("a scan names component %d, which is not there or named twice", id)
		}
		d.scanMembers = append(d.scanMembers, member)
		d.components[member].dc, d.components[member].ac = tables>>4, tables&15
	}
	p = p[1+2*n:]
	d.spectral = [2]int{int(p[0]), int(p[1])}
	d.approx = [2]int{int(p[2] >> 4), int(p[2] & 15)}
	return nil
}

// member is the index of the component of an id that is not in the scan yet, -1 where there is none.
func (d *decoder) member(id uint8) int {
next:
	for i := range d.count {
		if d.components[i].id != id {
			continue
		}
		for _, m := range d.scanMembers {
			if m == i {
				continue next
			}
		}
		return i
	}
	return -1
}

// readQuant reads quantisation tables (T.81, B.2.4.1).
func (d *decoder) readQuant(p []byte) error {
	for len(p) > 0 {
		n, wide := p[0]&15, p[0]>>4 != 0
		p = p[1:]
		if n > 3 {
			return damaged("it defines quantisation table %d, expected 0 to 3", n)
		}
		size := blockLen
		if wide {
			size *= 2
		}
		if len(p) < size {
			return damaged("quantisation table %d has %d bytes, expected %d", n, len(p), size)
		}
		for k := range blockLen {
			if wide {
				d.quant[n][zigzag[k]] = uint16(p[2*k])<<8 | uint16(p[2*k+1])
			} else {
				d.quant[n][zigzag[k]] = uint16(p[k])
			}
		}
		d.quantSeen[n] = true
		p = p[size:]
	}
	return nil
}

// readApp looks at the application's segments that matter: JFIF and Adobe decide about colours, EXIF about orientation.
func (d *decoder) readApp(m byte, p []byte) {
	switch {
	case m == markerAPP0 && len(p) >= 14 && string(p[:5]) == "JFIF\x00":
		d.jfif = true
	case m == markerAPP0+14 && len(p) >= 12 && string(p[:5]) == "Adobe":
		d.adobe, d.adobeTransform = true, p[11]
	case m == markerAPP0+1 && len(p) > 6 && string(p[:6]) == "Exif\x00\x00" && d.exif == nil:
		d.exif = p[6:]
	}
}

// channels is the number of channels of the decoded picture.
func (d *decoder) channels() int {
	if d.count == 1 {
		return 1
	}
	return 3
}

// wholePicture reports whether the coefficients of the whole picture are kept: those of several scans are.
func (d *decoder) wholePicture() bool { return d.progressive || len(d.scanMembers) < d.count }
