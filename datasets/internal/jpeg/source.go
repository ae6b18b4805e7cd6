package jpeg

import "bytes"

// Markers, the second byte behind 0xff.
const (
	markerTEM   = 0x01
	markerSOF0  = 0xc0 // baseline
	markerSOF1  = 0xc1 // extended sequential
	markerSOF2  = 0xc2 // progressive
	markerDHT   = 0xc4
	markerSOF9  = 0xc9 // extended sequential, arithmetic coding
	markerSOF10 = 0xca // progressive, arithmetic coding
	markerDAC   = 0xcc
	markerRST0  = 0xd0
	markerRST7  = 0xd7
	markerSOI   = 0xd8
	markerEOI   = 0xd9
	markerSOS   = 0xda
	markerDQT   = 0xdb
	markerDNL   = 0xdc
	markerDRI   = 0xdd
	markerAPP0  = 0xe0
	markerAPPF  = 0xef
	markerCOM   = 0xfe
)

// padding is what follows a segment's bytes, so that the bit reader loads eight at a time.
const padding = 8

// source is the file: markers, and between them entropy-coded segments.
type source struct {
	data   []byte
	pos    int  // of the next unread byte
	marker byte // found, but not yet acted on; pos is behind it. 0: none

	// The current entropy-coded segment without stuffing, followed by zeros.
	segment []byte
	size    int  // of the segment without the zeros
	open    bool // the segment ends with the file, not with a marker
}

func (s *source) reset(data []byte) { *s = source{data: data, segment: s.segment[:0]} }

// nextMarker finds the next marker and makes it the current one. It passes over bytes that belong to none, as libjpeg
// does.
func (s *source) nextMarker() bool {
	for {
		i := bytes.IndexByte(s.data[s.pos:], 0xff)
		if i < 0 {
			s.pos = len(s.data)
			return false
		}
		s.pos += i + 1
		for s.pos < len(s.data) && s.data[s.pos] == 0xff {
			s.pos++
		}
		if s.pos == len(s.data) {
			return false
		}
		s.pos++
		if c := s.data[s.pos-1]; c != 0 {
			s.marker = c
			return true
		}
	}
}

// params returns the bytes that belong to the current marker.
func (s *source) params() ([]byte, error) {
	if len(s.data)-s.pos < 2 {
		return nil, truncated("the file ends within its headers")
	}
	n := int(s.data[s.pos])<<8 | int(s.data[s.pos+1])
	if n < 2 {
		return nil, damaged("marker %#02x has length %d, expected at least 2", s.marker, n)
	}
	if n > len(s.data)-s.pos {
		return nil, truncated("the file ends within its headers")
	}
	p := s.data[s.pos+2 : s.pos+n]
	s.pos += n
	return p, nil
}

// readSegment reads the entropy-coded bytes up to the next marker, which becomes the current one. Behind a marker that
// has not been acted on there are none.
func (s *source) readSegment() {
	if cap(s.segment) < len(s.data)+padding { // no segment is longer
		s.segment = make([]byte, 0, len(s.data)+padding)
	}
	buf := s.segment[:0]
	s.open = false
	for s.marker == 0 {
		i := bytes.IndexByte(s.data[s.pos:], 0xff)
		if i < 0 {
			buf = append(buf, s.data[s.pos:]...)
			s.pos, s.open = len(s.data), true
			break
		}
		buf = append(buf, s.data[s.pos:s.pos+i]...)
		s.pos += i + 1
		for s.pos < len(s.data) && s.data[s.pos] == 0xff {
			s.pos++
		}
		if s.pos == len(s.data) {
			s.open = true
			break
		}
		if s.marker = s.data[s.pos]; s.marker == 0 {
			buf = append(buf, 0xff)
		}
		s.pos++
	}
	s.size = len(buf)
	s.segment = append(buf, make([]byte, padding)...)
}

// restart acts on the marker at the end of a restart interval, of which RSTn is expected, and reports whether the
// decoder goes on behind it. Where another marker was found, it chooses what libjpeg does: a restart marker that is up
// to two too early means that data are missing, one that is up to two late is passed over, and so is what is no marker;
// another restart marker is taken for a damaged one; any other marker ends the scan.
func (s *source) restart(n byte) (proceed bool, err error) {
	if s.marker == 0 && !s.nextMarker() {
		return false, truncated("the file ends before restart marker %d", n)
	}
	for s.marker != markerRST0+n {
		if s.marker >= markerSOF0 {
			if s.marker < markerRST0 || s.marker > markerRST7 {
				return false, nil
			}
			switch ahead := (s.marker - markerRST0 - n) & 7; ahead {
			case 1, 2:
				return false, nil
			case 3, 4, 5:
				s.marker = 0
				return true, nil
			}
		}
		if !s.nextMarker() {
			return false, truncated("the file ends before restart marker %d", n)
		}
	}
	s.marker = 0
	return true, nil
}
