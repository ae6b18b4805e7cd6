package exchange

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ErrFormat says that a file is not what this package reads.
var ErrFormat = errors.New("unreadable vectors")

// Set is N vectors and what they are of. Exactly one of IDs and Paths may be nil, or neither.
type Set struct {
	Dim    int
	Values []float32 // (N,D)
	IDs    []int64   // (N), nil without
	Paths  []string  // (N), nil without
	Views  []int32   // (N), nil without: view 0
}

// Len is the number of vectors.
func (s *Set) Len() int { return len(s.Values) / max(1, s.Dim) }

// Read reads what lies at path: a file by its extension (.npz, .csv, .parquet), a folder of Parquet files, a folder as
// clip-retrieval makes it (img_emb/img_emb_N.npy beside metadata/metadata_N.parquet), or a matrix (.npy). The names of
// a matrix's rows are in names, a text file with a path or an id a line, or in a Parquet file.
//
// Errors wrap ErrFormat, or the file system's error, and name the file.
func Read(path, names string) (*Set, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return readFolder(path)
	}
	var s *Set
	switch ext := strings.ToLower(filepath.Ext(path)); ext {
	case ".npy":
		s, err = readMatrix(path)
	case ".npz":
		s, err = readNPZ(path)
	case ".csv":
		s, err = readCSV(path)
	case ".parquet":
		s, err = readParquet(path)
	default:
		return nil, fmt.Errorf("%w: %q ends with %q, expected .npy, .npz, .csv, .parquet or a folder", ErrFormat, path, ext)
	}
	if err == nil && names != "" {
		err = s.name(names)
	}
	if err != nil {
		return nil, err
	}
	return s, s.check(path)
}

// check tells whether a set is of one size, named and finite.
func (s *Set) check(path string) error {
	n := s.Len()
	switch {
	case n == 0:
		return fmt.Errorf("%w: %q has no vectors", ErrFormat, path)
	case s.IDs == nil && s.Paths == nil:
		return fmt.Errorf("%w: %q says neither ids nor paths of its %d vectors: name a file that does with --names",
			ErrFormat, path, n)
	case s.IDs != nil && len(s.IDs) != n, s.Paths != nil && len(s.Paths) != n, s.Views != nil && len(s.Views) != n:
		return fmt.Errorf("%w: %q has %d vectors, and %d names", ErrFormat, path, n, max(len(s.IDs), len(s.Paths)))
	}
	for i, v := range s.Values {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return fmt.Errorf("%w: %q: vector %d holds %v, expected finite values", ErrFormat, path, i/s.Dim, v)
		}
	}
	return nil
}

// append adds the vectors of another set, which must be of the same width.
func (s *Set) append(other *Set, path string) error {
	if s.Dim == 0 {
		s.Dim = other.Dim
	}
	if other.Dim != s.Dim {
		return fmt.Errorf("%w: %q has vectors of %d numbers, those before it of %d", ErrFormat, path, other.Dim, s.Dim)
	}
	s.Values = append(s.Values, other.Values...)
	s.IDs, s.Paths, s.Views = append(s.IDs, other.IDs...), append(s.Paths, other.Paths...), append(s.Views, other.Views...)
	return nil
}

// readFolder reads a folder of Parquet files or of clip-retrieval.
func readFolder(dir string) (*Set, error) {
	matrices, err := filepath.Glob(filepath.Join(dir, "*_emb", "*_emb_*.npy"))
	if err != nil {
		return nil, err
	}
	tables, err := filepath.Glob(filepath.Join(dir, "*.parquet"))
	if err != nil {
		return nil, err
	}
	sortByNumber(matrices)
	s := &Set{}
	for _, file := range matrices {
		if strings.HasPrefix(filepath.Base(file), "text_emb") {
			continue
		}
		part, err := readMatrix(file)
		if err != nil {
			return nil, err
		}
		number := file[strings.LastIndexByte(file, '_')+1 : len(file)-len(".npy")]
		names := filepath.Join(dir, "metadata", "metadata_"+number+".parquet")
		if err := part.name(names); err != nil {
			return nil, err
		}
		if err := errors.Join(part.check(file), s.append(part, file)); err != nil {
			return nil, err
		}
	}
	if s.Dim == 0 {
		sortByNumber(tables)
		for _, file := range tables {
			part, err := readParquet(file)
			if err != nil {
				return nil, err
			}
			if err := errors.Join(part.check(file), s.append(part, file)); err != nil {
				return nil, err
			}
		}
	}
	if s.Dim == 0 {
		return nil, fmt.Errorf("%w: folder %q has neither img_emb/img_emb_0.npy nor Parquet files: %w", ErrFormat, dir,
			fs.ErrNotExist)
	}
	return s, s.check(dir)
}

// sortByNumber sorts names of which those that are longer come later: img_emb_10 after img_emb_9.
func sortByNumber(files []string) {
	slices.SortFunc(files, func(a, b string) int {
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
}
