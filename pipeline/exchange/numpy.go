package exchange

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"rkd/datasets"
	"rkd/datasets/regular"
)

// readMatrix reads a matrix of NumPy's.
func readMatrix(path string) (*Set, error) {
	m, err := datasets.ReadNPY(path)
	if errors.Is(err, datasets.ErrFormat) {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if err != nil {
		return nil, err
	}
	return &Set{Dim: m.Cols, Values: m.Values}, nil
}

// maxEntry bounds an array of a NumPy archive.
const maxEntry = 64 << 30

// readNPZ reads a NumPy archive: the one array that is a matrix, and the arrays of ids, paths and views, whose names
// are those in idNames and pathNames.
func readNPZ(path string) (*Set, error) {
	archive, err := zip.OpenReader(path)
	if err != nil {
		if errors.Is(err, zip.ErrFormat) {
			return nil, fmt.Errorf("%w: reading %q: %w", ErrFormat, path, err)
		}
		return nil, err
	}
	defer archive.Close()
	s := &Set{}
	for _, f := range archive.File {
		name := strings.TrimSuffix(f.Name, ".npy")
		if err := s.readEntry(f, name); err != nil {
			return nil, fmt.Errorf("%w: reading %q: array %q: %w", ErrFormat, path, name, err)
		}
	}
	return s, nil
}

func (s *Set) readEntry(f *zip.File, name string) error {
	if f.UncompressedSize64 > maxEntry {
		return fmt.Errorf("%d bytes, expected at most %d", f.UncompressedSize64, int64(maxEntry))
	}
	r, err := f.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	switch {
	case slices.Contains(idNames, name):
		s.IDs, err = readIntegers(r)
	case name == "view" || name == "views":
		var views []int64
		views, err = readIntegers(r)
		for _, v := range views {
			s.Views = append(s.Views, int32(v))
		}
	case slices.Contains(pathNames, name):
		s.Paths, err = readTexts(r)
	case s.Dim == 0:
		var m datasets.Matrix
		if m, err = datasets.DecodeNPY(r, int64(f.UncompressedSize64)); err == nil {
			s.Dim, s.Values = m.Cols, m.Values
		}
	default:
		return errors.New("a second matrix; expected one, and arrays called ids or paths")
	}
	if err == nil {
		_, err = io.Copy(io.Discard, r) // the archive compares its checksum at the end
	}
	return err
}

// The names of columns and arrays that say what a vector is of.
var (
	idNames   = []string{"id", "ids", "key", "index"}
	pathNames = []string{"path", "paths", "image_path", "file", "file_name", "filename", "filepath", "url"}
	vecNames  = []string{"embedding", "embeddings", "vector", "vectors", "emb", "img_emb", "image_embedding"}
)

var arrayHead = regexp.MustCompile(`^\{'descr': '([^']+)', 'fortran_order': (?:False|True), 'shape': ` +
	`\((\d+),\), \}\s*$`)

// readArray reads the head of a one-dimensional array of NumPy's and its bytes.
func readArray(r io.Reader) (descr string, n int, data []byte, err error) {
	var head struct {
		Magic  [6]byte
		Major  uint8
		_      uint8
		Length uint16
	}
	if err := binary.Read(r, binary.LittleEndian, &head); err != nil {
		return "", 0, nil, err
	}
	text := make([]byte, head.Length)
	if _, err := io.ReadFull(r, text); err != nil {
		return "", 0, nil, err
	}
	m := arrayHead.FindStringSubmatch(string(text))
	if string(head.Magic[:]) != "\x93NUMPY" || head.Major != 1 || m == nil {
		return "", 0, nil, fmt.Errorf("its header is %.80q, expected that of an array of one dimension", text)
	}
	if n, err = strconv.Atoi(m[2]); err != nil {
		return "", 0, nil, err
	}
	data, err = io.ReadAll(r)
	return m[1], n, data, err
}

// readIntegers reads an array of integers.
func readIntegers(r io.Reader) ([]int64, error) {
	descr, n, data, err := readArray(r)
	if err != nil {
		return nil, err
	}
	size := map[string]int{"<i8": 8, "<u8": 8, "<i4": 4, "<u4": 4, "<i2": 2, "<u2": 2}[descr]
	if size == 0 || len(data) != n*size {
		return nil, fmt.Errorf("%d bytes of type %s for %d numbers, expected integers", len(data), descr, n)
	}
	out := make([]int64, n)
	for i := range out {
		word := make([]byte, 8)
		copy(word, data[i*size:(i+1)*size])
		v := binary.LittleEndian.Uint64(word)
		if shift := 64 - 8*size; descr[1] == 'i' {
			out[i] = int64(v) << shift >> shift
		} else {
			out[i] = int64(v)
		}
	}
	return out, nil
}

// readTexts reads an array of strings, of which NumPy stores UCS-4 or bytes in a fixed width.
func readTexts(r io.Reader) ([]string, error) {
	descr, n, data, err := readArray(r)
	if err != nil {
		return nil, err
	}
	kind := strings.TrimLeft(descr, "<|")
	width := 0
	if len(kind) > 1 && (kind[0] == 'U' || kind[0] == 'S') {
		width, _ = strconv.Atoi(kind[1:]) // 0 is refused below
	}
	if kind[0] == 'U' {
		width *= 4
	}
	if width <= 0 || len(data) != n*width {
		return nil, fmt.Errorf("its values are of type %s, expected strings", descr)
	}
	out := make([]string, n)
	for i := range out {
		cell := data[i*width : (i+1)*width]
		if kind[0] == 'S' {
			out[i] = string(bytes.TrimRight(cell, "\x00"))
			continue
		}
		var text []byte
		for j := 0; j < width; j += 4 {
			if c := binary.LittleEndian.Uint32(cell[j:]); c != 0 {
				text = utf8.AppendRune(text, rune(c))
			}
		}
		out[i] = string(text)
	}
	return out, nil
}

// name fills in the ids or paths of the rows, from a text file with one a line, or from a Parquet file.
func (s *Set) name(file string) error {
	if strings.HasSuffix(strings.ToLower(file), ".parquet") {
		t, err := readTable(file, false)
		if err != nil {
			return err
		}
		s.IDs, s.Paths, s.Views = t.IDs, t.Paths, t.Views
		return nil
	}
	data, err := regular.ReadFile(file)
	if err != nil {
		return err
	}
	s.IDs, s.Paths = nil, nil
	numbers := true
	for line := range strings.Lines(string(data)) {
		line = strings.TrimRight(line, "\r\n")
		id, err := strconv.ParseInt(line, 10, 64)
		numbers = numbers && err == nil
		s.IDs, s.Paths = append(s.IDs, id), append(s.Paths, line)
	}
	if numbers {
		s.Paths = nil
	} else {
		s.IDs = nil
	}
	return nil
}
