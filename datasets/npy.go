package datasets

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"

	"rkd/datasets/memory"
	"rkd/datasets/regular"
)

// Matrix is a table of numbers, one sample a row.
type Matrix struct {
	Rows, Cols int
	Values     []float32 // (Rows,Cols), row-major
}

const (
	npyMagic = "\x93NUMPY"
	// npyMaxHeader is far beyond the header of a plain array, which has some hundred bytes.
	npyMaxHeader = 1 << 16
	// npyChunk is the number of values that are decoded at a time.
	npyChunk = 1 << 14
)

// npyDict matches the header as NumPy writes it: a Python literal whose keys are sorted.
var npyDict = regexp.MustCompile(`^\{'descr': (.*), 'fortran_order': (True|False), 'shape': \(([0-9, ]*)\), \} *\n$`)

// npyFloats are the types that are read: bytes of a value, and their order.
var npyFloats = map[string]struct {
	size  int
	order binary.ByteOrder
}{
	"'<f2'": {2, binary.LittleEndian}, "'<f4'": {4, binary.LittleEndian}, "'<f8'": {8, binary.LittleEndian},
	"'>f2'": {2, binary.BigEndian}, "'>f4'": {4, binary.BigEndian}, "'>f8'": {8, binary.BigEndian},
}

// ReadNPY reads a matrix from a file in NumPy's format, versions 1 to 3: two dimensions of float16, float32 or float64
// in either byte order, in C or Fortran order, with at least one row and one column. Values are rounded to float32.
// Memory is set aside only after the header's shape is found to fit the file's size.
//
// An error wraps ErrFormat, or the file system's error, and names the file. A value that is NaN, infinite or out of
// float32's range is an ErrFormat that names its row.
//
// Source: NumPy Enhancement Proposal 1, and the documentation of numpy.lib.format.
func ReadNPY(path string) (Matrix, error) {
	m, err := openNPY(path)
	if err != nil {
		return Matrix{}, fmt.Errorf("reading matrix %q: %w", path, err)
	}
	return m, nil
}

func openNPY(path string) (Matrix, error) {
	f, size, err := openArray(path)
	if err != nil {
		return Matrix{}, err
	}
	defer f.Close()
	return parseNPY(f, size)
}

// openArray opens a file for a caller whose errors name it.
func openArray(path string) (*os.File, int64, error) {
	f, err := regular.Open(path)
	if err != nil {
		// The error of a path says it once more than the caller does.
		if p, ok := errors.AsType[*fs.PathError](err); ok {
			err = p.Err
		}
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

// DecodeNPY reads a matrix as ReadNPY does, from the size bytes that r has.
func DecodeNPY(r io.Reader, size int64) (Matrix, error) { return parseNPY(r, size) }

// parseNPY reads a matrix from the size bytes that r has.
func parseNPY(r io.Reader, size int64) (Matrix, error) {
	br := bufio.NewReaderSize(r, 1<<16)
	h, err := parseNPYHeader(br, size)
	if err != nil {
		return Matrix{}, err
	}
	length := h.length
	float, ok := npyFloats[h.descr]
	if !ok {
		return Matrix{}, fmt.Errorf("%w: its values are of type %s, expected float16, float32 or float64",
			ErrFormat, clipped(h.descr))
	}
	if len(h.dims) != 2 || h.dims[0] < 1 || h.dims[1] < 1 {
		return Matrix{}, fmt.Errorf("%w: shape (%s), expected two dimensions, rows and columns, of at least 1",
			ErrFormat, clipped(h.shape))
	}
	rows, cols := h.dims[0], h.dims[1]
	// Divisions, because the product of what a header claims may overflow.
	values := (size - length) / int64(float.size)
	if (size-length)%int64(float.size) != 0 || values%cols != 0 || values/cols != rows {
		return Matrix{}, fmt.Errorf("%w: %d bytes follow its header, expected %d×%d values of %d bytes",
			ErrFormat, size-length, rows, cols, float.size)
	}
	m := Matrix{Rows: int(rows), Cols: int(cols), Values: memory.Make[float32](int(values))}
	if err := m.decode(br, float.size, float.order, h.fortran); err != nil {
		return Matrix{}, err
	}
	return m, nil
}

// npyHeader is what a header says of an array.
type npyHeader struct {
	descr   string // type of the values, in quotes
	fortran bool
	shape   string
	dims    []int64 // each below 2³¹
	length  int64   // bytes before the values
}

// parseNPYHeader reads the header of an array in size bytes.
func parseNPYHeader(r io.Reader, size int64) (h npyHeader, err error) {
	header, length, err := readNPYHeader(r, size)
	if err != nil {
		return h, err
	}
	fields := npyDict.FindStringSubmatch(header)
	if fields == nil {
		return h, fmt.Errorf("%w: its header is %q, expected the descr, fortran_order and shape that NumPy writes",
			ErrFormat, clipped(header))
	}
	h = npyHeader{descr: fields[1], fortran: fields[2] == "True", shape: fields[3], length: length}
	h.dims, err = parseNPYShape(h.shape)
	return h, err
}

// readNPYHeader returns the text of the header and the number of bytes before the values.
func readNPYHeader(r io.Reader, size int64) (header string, length int64, err error) {
	cut := func(err error) error {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return fmt.Errorf("%w: %d bytes end within the header of a NumPy file", ErrFormat, size)
		}
		return err
	}
	var start struct {
		Magic        [len(npyMagic)]byte
		Major, Minor uint8
	}
	if size == 0 {
		return "", 0, fmt.Errorf("%w: the file is empty", ErrFormat)
	}
	if err := binary.Read(r, binary.LittleEndian, &start); err != nil {
		return "", 0, cut(err)
	}
	if string(start.Magic[:]) != npyMagic {
		return "", 0, fmt.Errorf("%w: it begins with %q, expected NumPy's %q", ErrFormat, start.Magic[:], npyMagic)
	}
	var bytes uint32
	length = int64(binary.Size(start))
	switch start.Major {
	case 1:
		var short uint16
		err = binary.Read(r, binary.LittleEndian, &short)
		bytes = uint32(short)
		length += 2
	case 2, 3:
		err = binary.Read(r, binary.LittleEndian, &bytes)
		length += 4
	default:
		return "", 0, fmt.Errorf("%w: version %d.%d of NumPy's format, expected 1 to 3", ErrFormat, start.Major, start.Minor)
	}
	if err != nil {
		return "", 0, cut(err)
	}
	if bytes > npyMaxHeader {
		return "", 0, fmt.Errorf("%w: a header of %d bytes, expected at most %d", ErrFormat, bytes, npyMaxHeader)
	}
	text := make([]byte, bytes)
	if _, err := io.ReadFull(r, text); err != nil {
		return "", 0, cut(err)
	}
	return string(text), length + int64(bytes), nil
}

// parseNPYShape reads "N, D"; "N," is the shape of one dimension.
func parseNPYShape(shape string) (dims []int64, err error) {
	for part := range strings.SplitSeq(strings.TrimSuffix(strings.TrimSpace(shape), ","), ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		n, err := strconv.ParseInt(part, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("%w: shape (%s), expected dimensions below 2³¹", ErrFormat, clipped(shape))
		}
		dims = append(dims, n)
	}
	return dims, nil
}

// decode fills the matrix with values of size bytes, column by column in Fortran order.
func (m *Matrix) decode(r io.Reader, size int, order binary.ByteOrder, fortran bool) error {
	halves, singles, doubles := make([]uint16, npyChunk), make([]float32, npyChunk), make([]float64, npyChunk)
	for from := 0; from < len(m.Values); from += npyChunk {
		n := min(npyChunk, len(m.Values)-from)
		var err error
		switch size {
		case 2:
			err = binary.Read(r, order, halves[:n])
			for i, v := range halves[:n] {
				singles[i] = fromHalf(v)
			}
		case 4:
			err = binary.Read(r, order, singles[:n])
		default:
			err = binary.Read(r, order, doubles[:n])
			for i, v := range doubles[:n] {
				singles[i] = float32(v)
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return fmt.Errorf("%w: the file ends after %d of %d×%d values", ErrFormat, from, m.Rows, m.Cols)
		}
		if err != nil {
			return err
		}
		for i, v := range singles[:n] {
			at := from + i
			if fortran {
				at = at%m.Rows*m.Cols + at/m.Rows
			}
			if x := float64(v); math.IsNaN(x) || math.IsInf(x, 0) {
				return fmt.Errorf("%w: row %d has %v in column %d, expected finite values of float32",
					ErrFormat, at/m.Cols, v, at%m.Cols)
			}
			m.Values[at] = v
		}
	}
	return nil
}

// fromHalf converts an IEEE 754 number of 16 bits, without rounding.
func fromHalf(bits uint16) float32 {
	exponent, fraction := int(bits>>10&0x1f), float64(bits&0x3ff)
	var v float64
	switch exponent {
	case 0:
		v = math.Ldexp(fraction, -24)
	case 0x1f:
		v = math.Inf(1)
		if fraction != 0 {
			v = math.NaN()
		}
	default:
		v = math.Ldexp(fraction+0x400, exponent-25)
	}
	if bits>>15 == 1 {
		v = -v
	}
	return float32(v)
}

// clipped is s, cut where it is long.
func clipped(s string) string {
	const most = 80
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
