package datasets

import (
	"archive/zip"
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// npyLabels matches the types that labels have: whole numbers, truth values, and texts of so many characters (UTF-32)
// or bytes.
var npyLabels = regexp.MustCompile(`^'([<>|=])([iubSU])([0-9]{1,6})'$`)

// ReadNPYTexts reads an array of labels, one dimension of whole numbers or texts, from a file in NumPy's format.
// Numbers are written out. Errors are those of ReadNPY.
func ReadNPYTexts(path string) ([]string, error) {
	f, size, err := openArray(path)
	if err != nil {
		return nil, fmt.Errorf("reading labels %q: %w", path, err)
	}
	defer f.Close()
	texts, err := parseNPYTexts(f, size)
	if err != nil {
		return nil, fmt.Errorf("reading labels %q: %w", path, err)
	}
	return texts, nil
}

// parseNPYTexts reads labels from the size bytes that r has.
func parseNPYTexts(r io.Reader, size int64) ([]string, error) {
	br := bufio.NewReaderSize(r, 1<<16)
	h, err := parseNPYHeader(br, size)
	if err != nil {
		return nil, err
	}
	fields := npyLabels.FindStringSubmatch(h.descr)
	if fields == nil || len(h.dims) != 1 || h.dims[0] < 1 {
		return nil, fmt.Errorf("%w: type %s and shape (%s), expected one dimension of whole numbers or texts", ErrFormat,
			clipped(h.descr), clipped(h.shape))
	}
	var order binary.ByteOrder = binary.LittleEndian
	if fields[1] == ">" {
		order = binary.BigEndian
	}
	width, _ := strconv.Atoi(fields[3]) // digits
	if fields[2] == "U" {
		width *= utf8.UTFMax
	}
	if width < 1 || (fields[2] == "i" || fields[2] == "u") && !slices.Contains([]int{1, 2, 4, 8}, width) ||
		fields[2] == "b" && width != 1 {
		return nil, fmt.Errorf("%w: values of type %s, expected whole numbers or texts", ErrFormat, h.descr)
	}
	if left := size - h.length; left/int64(width) != h.dims[0] || left%int64(width) != 0 {
		return nil, fmt.Errorf("%w: %d bytes follow its header, expected %d values of %d bytes", ErrFormat, left, h.dims[0],
			width)
	}
	texts := make([]string, 0, min(h.dims[0], npyChunk))
	value := make([]byte, width)
	for range h.dims[0] {
		if _, err := io.ReadFull(br, value); err != nil {
			return nil, fmt.Errorf("%w: the file ends after %d values: %w", ErrFormat, len(texts), err)
		}
		texts = append(texts, labelOf(fields[2][0], value, order))
	}
	return texts, nil
}

// labelOf is a label in the form of a kind: a signed or unsigned number, a truth value, bytes or UTF-32.
func labelOf(kind byte, value []byte, order binary.ByteOrder) string {
	switch kind {
	case 'U':
		var text strings.Builder
		for i := 0; i < len(value); i += utf8.UTFMax {
			if r := rune(order.Uint32(value[i:])); r != 0 {
				text.WriteRune(r)
			}
		}
		return text.String()
	case 'S':
		return strings.TrimRight(string(value), "\x00")
	}
	n := uint64(value[0])
	switch len(value) {
	case 2:
		n = uint64(order.Uint16(value))
	case 4:
		n = uint64(order.Uint32(value))
	case 8:
		n = order.Uint64(value)
	}
	if kind == 'i' {
		shift := 64 - 8*len(value)
		return strconv.FormatInt(int64(n<<shift)>>shift, 10)
	}
	return strconv.FormatUint(n, 10)
}

// deflateRatio bounds what a byte of compressed data can stand for: an array that claims more is none.
const deflateRatio = 1100

// readNPZ reads the vectors of an NPZ file and, where the source has labels there, those; see openVectors.
func readNPZ(path string, src Source) (Matrix, []string, error) {
	f, size, err := openArray(path)
	if err != nil {
		return Matrix{}, nil, err
	}
	defer f.Close()
	archive, err := zip.NewReader(f, size)
	if err != nil {
		return Matrix{}, nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	z := npz{archive: archive, size: size, shapes: map[string]npyHeader{}}
	if err := z.list(); err != nil {
		return Matrix{}, nil, err
	}
	name, err := z.vectors(src.Columns.Vector)
	if err != nil {
		return Matrix{}, nil, err
	}
	var m Matrix
	err = z.read(name, func(r io.Reader, size int64) (err error) {
		if m, err = parseNPY(r, size); err == nil {
			err = toEnd(r)
		}
		return err
	})
	if err != nil || src.unlabelled() || src.Labels != "" {
		return m, nil, err
	}
	label, err := column(z.names, "label", src.Columns.Label, append(slices.Clone(usualLabels), "labels", "y", "targets"),
		true)
	if err != nil {
		return m, nil, err
	}
	var labels []string
	err = z.read(z.names[label], func(r io.Reader, size int64) (err error) {
		if labels, err = parseNPYTexts(r, size); err == nil {
			err = toEnd(r)
		}
		return err
	})
	if err == nil && len(labels) != m.Rows {
		err = fmt.Errorf("%w: array %q has %d labels, expected one for each of %d rows", ErrFormat, z.names[label],
			len(labels),
			m.Rows)
	}
	return m, labels, err
}

// toEnd reads what is left of an array: an archive compares its checksum at its end.
func toEnd(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}

// npz is an open NPZ file.
type npz struct {
	archive *zip.Reader
	size    int64    // of the file
	names   []string // of its arrays
	shapes  map[string]npyHeader
}

// list reads what arrays there are.
func (z *npz) list() error {
	for _, file := range z.archive.File {
		name, ok := strings.CutSuffix(file.Name, ".npy")
		if !ok {
			continue
		}
		z.names = append(z.names, name)
		err := z.read(name, func(r io.Reader, size int64) (err error) {
			z.shapes[name], err = parseNPYHeader(r, size)
			return err
		})
		if err != nil {
			return err
		}
	}
	if len(z.names) == 0 {
		return fmt.Errorf("%w: it has no array", ErrFormat)
	}
	return nil
}

// vectors is the array of rows.
func (z *npz) vectors(name string) (string, error) {
	if name != "" {
		if !slices.Contains(z.names, name) {
			return "", fmt.Errorf("%w: columns.vector is %q, expected %s", ErrSource, name, candidates(z.names, name))
		}
		return name, nil
	}
	var matrices []string
	for _, name := range z.names {
		if len(z.shapes[name].dims) == 2 {
			matrices = append(matrices, name)
		}
	}
	if len(matrices) != 1 {
		return "", fmt.Errorf("%w: %d arrays have two dimensions %q: name the vectors in columns.vector; it has %s",
			ErrSource,
			len(matrices), matrices, strings.Join(z.names, ", "))
	}
	return matrices[0], nil
}

// read calls parse with the bytes of an array.
func (z *npz) read(name string, parse func(r io.Reader, size int64) error) (err error) {
	file, err := z.archive.Open(name + ".npy")
	if err != nil {
		return fmt.Errorf("%w: array %q: %w", ErrFormat, name, err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err == nil && info.Size()/deflateRatio > z.size {
		err = fmt.Errorf("it claims %d bytes in a file of %d", info.Size(), z.size)
	}
	if err == nil {
		err = parse(file, info.Size())
	}
	if err != nil {
		if !errors.Is(err, ErrFormat) {
			err = fmt.Errorf("%w: %w", ErrFormat, err)
		}
		return fmt.Errorf("array %q: %w", name, err)
	}
	return nil
}
