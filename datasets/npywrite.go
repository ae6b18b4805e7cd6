package datasets

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
)

// WriteNPY writes a matrix in NumPy's format, version 1: float32, little-endian, row by row.
//
// Source: NumPy Enhancement Proposal 1.
func WriteNPY(w io.Writer, m Matrix) error {
	header := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }", m.Rows, m.Cols)
	// The values begin at a multiple of 64 bytes: magic, version, the header's length, the header and its end of line.
	const before = len(npyMagic) + 2 + 2
	padded := (before + len(header) + 1 + 63) / 64 * 64
	header += strings.Repeat(" ", padded-before-len(header)-1) + "\n"
	b := bufio.NewWriterSize(w, 1<<16)
	start := append([]byte(npyMagic), 1, 0)
	start = binary.LittleEndian.AppendUint16(start, uint16(len(header)))
	_, _ = b.Write(append(start, header...)) // an error stays, and Flush returns it
	for from := 0; from < len(m.Values); from += npyChunk {
		if err := binary.Write(b, binary.LittleEndian, m.Values[from:min(from+npyChunk, len(m.Values))]); err != nil {
			return err
		}
	}
	return b.Flush()
}
