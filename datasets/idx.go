package datasets

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

// idxArray is the content of an IDX file of unsigned bytes.
type idxArray struct {
	dims []int
	data []uint8 // (dims...), at least one byte
}

const (
	idxUint8   = 0x08
	idxMaxDims = 4
	// idxMaxBytes is the largest array that is read into memory, 8 GiB.
	idxMaxBytes = 1 << 33
)

// readIDX reads the IDX file name of fsys. Its errors wrap ErrFormat or the file system's error; the caller names the
// file.
func readIDX(fsys fs.FS, name string) (idxArray, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return idxArray{}, err
	}
	defer f.Close()
	return parseIDX(f)
}

// parseIDX reads an array of unsigned bytes in the IDX format, plain or gzip-compressed, told apart by content: two
// zero bytes, the type 0x08, the number of dimensions (1 to 4), the dimensions as big-endian uint32, then the data in
// row-major order and nothing after it. Memory grows with the data that is there, not with what the header claims.
//
// Its errors wrap ErrFormat. Source: LeCun, Cortes, Burges, "The MNIST database of handwritten digits", file formats.
func parseIDX(r io.Reader) (idxArray, error) {
	br := bufio.NewReader(r)
	if head, _ := br.Peek(2); string(head) == "\x1f\x8b" {
		zr, err := gzip.NewReader(br)
		if err != nil {
			return idxArray{}, fmt.Errorf("%w: bad gzip header: %w", ErrFormat, err)
		}
		br = bufio.NewReader(zr)
	}
	dims, total, err := parseIDXHeader(br)
	if err != nil {
		return idxArray{}, err
	}
	// One byte more than announced, to notice what should not be there and to let gzip check its sum.
	data, err := io.ReadAll(io.LimitReader(br, total+1))
	switch {
	case int64(len(data)) > total:
		return idxArray{}, fmt.Errorf("%w: more data than the %s = %d bytes of the header", ErrFormat, times(dims), total)
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return idxArray{}, fmt.Errorf("%w: after %d bytes of data: %w", ErrFormat, len(data), err)
	case int64(len(data)) < total:
		return idxArray{}, fmt.Errorf("%w: cut short, %d bytes of data, expected %s = %d",
			ErrFormat, len(data), times(dims), total)
	case err != nil:
		return idxArray{}, fmt.Errorf("%w: cut short in the gzip trailer: %w", ErrFormat, err)
	}
	return idxArray{dims: dims, data: data}, nil
}

// parseIDXHeader reads the dimensions and the number of bytes that follow.
func parseIDXHeader(r io.Reader) (dims []int, total int64, err error) {
	var magic [4]byte
	if n, err := io.ReadFull(r, magic[:]); err != nil {
		return nil, 0, fmt.Errorf("%w: %d bytes, expected an IDX header: %w", ErrFormat, n, err)
	}
	if magic[0] != 0 || magic[1] != 0 || magic[2] != idxUint8 || magic[3] < 1 || magic[3] > idxMaxDims {
		return nil, 0, fmt.Errorf("%w: starts with bytes % x (%q), expected an IDX header 00 00 08 and 01 to 04",
			ErrFormat, magic, magic)
	}
	dims = make([]int, magic[3])
	total = 1
	for i := range dims {
		var word [4]byte
		if _, err := io.ReadFull(r, word[:]); err != nil {
			return nil, 0, fmt.Errorf("%w: cut short in an IDX header of %d dimensions: %w", ErrFormat, len(dims), err)
		}
		dim := int64(binary.BigEndian.Uint32(word[:]))
		dims[i] = int(dim)
		if dim == 0 {
			return nil, 0, fmt.Errorf("%w: dimension %d of the IDX header is 0, expected 1 or more", ErrFormat, i)
		}
		if total > idxMaxBytes/dim {
			return nil, 0, fmt.Errorf("%w: IDX header announces %s bytes or more, expected at most %d",
				ErrFormat, times(dims[:i+1]), int64(idxMaxBytes))
		}
		total *= dim
	}
	return dims, total, nil
}

// times writes dimensions as "100 × 28 × 28".
func times(dims []int) string {
	words := make([]string, len(dims))
	for i, d := range dims {
		words[i] = fmt.Sprint(d)
	}
	return strings.Join(words, " × ")
}
