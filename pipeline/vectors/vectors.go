// Package vectors holds files of embeddings: which picture has which vector, and what made them. A file is Parquet
// (columns path, class and embedding), or a matrix in NumPy's format with a JSON file beside it that holds the rest.
//
// It knows neither models nor data sets.
package vectors

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"

	"rkd/datasets"
	"rkd/datasets/regular"
)

// ErrFormat reports a file that holds no vectors, or damaged ones.
var ErrFormat = errors.New("no file of vectors")

// About says what made the vectors of a file.
type About struct {
	Format  int    `json:"format"` // 1
	Version string `json:"rkd_version,omitempty"`
	// Model is the path of the model, Hash its SHA-256.
	Model string `json:"model,omitempty"`
	Hash  string `json:"model_sha256,omitempty"`
	// Metric compares vectors: euclidean. Normalize is l2 where they have length 1.
	Metric    string `json:"metric"`
	Normalize string `json:"normalize,omitempty"`
	Source    string `json:"source,omitempty"` // of the pictures
}

// format of files that are written.
const format = 1

// Set is N vectors and what they are of.
type Set struct {
	About
	Paths   []string  // (N)
	Classes []string  // (N)
	Dim     int       // D
	Values  []float32 // (N,D)
}

// Len is the number of vectors.
func (s *Set) Len() int { return len(s.Paths) }

// Row is vector i.
func (s *Set) Row(i int) []float32 { return s.Values[i*s.Dim : (i+1)*s.Dim] }

// Extensions of the names of files of vectors.
const (
	parquetExt = ".parquet"
	npyExt     = ".npy"
)

// CheckName returns ErrFormat for a name that ends neither in .parquet nor in .npy.
func CheckName(path string) error {
	if ext := filepath.Ext(path); ext != parquetExt && ext != npyExt {
		return fmt.Errorf("%w: %q ends in %q, expected %s or %s", ErrFormat, path, ext, parquetExt, npyExt)
	}
	return nil
}

// Beside is the path of the JSON file of a matrix: vectors.json of vectors.npy.
func Beside(path string) string { return strings.TrimSuffix(path, filepath.Ext(path)) + ".json" }

// Write writes s to path at once, in the format that the name's end says. A matrix gets its JSON file first.
func Write(path string, s *Set) error {
	if err := CheckName(path); err != nil {
		return err
	}
	s.Format = format
	if filepath.Ext(path) == parquetExt {
		return writeFile(path, func(w io.Writer) error { return encodeParquet(w, s) })
	}
	err := writeFile(Beside(path), func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(beside{s.About, s.Paths, s.Classes})
	})
	if err != nil {
		return err
	}
	return writeFile(path, func(w io.Writer) error {
		return datasets.WriteNPY(w, datasets.Matrix{Rows: s.Len(), Cols: s.Dim, Values: s.Values})
	})
}

// beside is the JSON file of a matrix.
type beside struct {
	About
	Paths   []string `json:"paths"`
	Classes []string `json:"classes"`
}

func writeFile(path string, write func(io.Writer) error) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("writing vectors: %w", err)
	}
	f, err := renameio.NewPendingFile(path, renameio.WithTempDir(dir), renameio.WithPermissions(0o644))
	if err != nil {
		return fmt.Errorf("writing vectors: %w", err)
	}
	if err := write(f); err != nil {
		return fmt.Errorf("writing vectors %q: %w", path, errors.Join(err, f.Cleanup()))
	}
	if err := f.CloseAtomicallyReplace(); err != nil {
		return fmt.Errorf("writing vectors: %w", err)
	}
	return nil
}

// Read reads a file of vectors. Of a Parquet file the columns path and embedding are needed; a matrix without its JSON
// file has the numbers of its rows for paths.
//
// It returns ErrFormat, or datasets.ErrFormat for a damaged matrix, naming the file, and the file system's errors.
func Read(path string) (*Set, error) {
	if err := CheckName(path); err != nil {
		return nil, err
	}
	var s *Set
	var err error
	if filepath.Ext(path) == parquetExt {
		s, err = readParquet(path)
	} else {
		s, err = readNPY(path)
	}
	if err != nil {
		return nil, err
	}
	if s.Format > format {
		return nil, fmt.Errorf("%w: %q has format %d, expected at most %d", ErrFormat, path, s.Format, format)
	}
	return s, nil
}

func readNPY(path string) (*Set, error) {
	m, err := datasets.ReadNPY(path)
	if err != nil {
		return nil, err
	}
	s := &Set{Dim: m.Cols, Values: m.Values}
	data, err := regular.ReadFile(Beside(path))
	if errors.Is(err, os.ErrNotExist) {
		for i := range m.Rows {
			s.Paths = append(s.Paths, fmt.Sprintf("#%d", i))
		}
		s.Classes = make([]string, m.Rows)
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading vectors: %w", err)
	}
	var b beside
	if err := json.Unmarshal(data, &b); err != nil {
		return nil, fmt.Errorf("%w: %q: %w", ErrFormat, Beside(path), err)
	}
	if len(b.Paths) != m.Rows || len(b.Classes) != m.Rows {
		return nil, fmt.Errorf("%w: %q names %d paths and %d classes, expected one for each of the %d rows of %q", ErrFormat,
			Beside(path), len(b.Paths), len(b.Classes), m.Rows, path)
	}
	s.About, s.Paths, s.Classes = b.About, b.Paths, b.Classes
	return s, nil
}
