package vectors

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/parquet-go/parquet-go"

	"rkd/datasets/parquetfile"
)

// record is a row of a file of vectors.
type record struct {
	Path      string    `parquet:"path,plain"`
	Class     string    `parquet:"class,dict"`
	Embedding []float32 `parquet:"embedding,list"`
}

const (
	metadataKey  = "rkd"   // of About, as JSON, among the file's metadata
	rowsPerGroup = 1 << 16 // of a row group
	rowsPerChunk = 1 << 10 // written and read at a time
	mostValues   = 1 << 33 // of one file: 32 GiB
	createdBy    = "rkd"   // no version: the same vectors give the same bytes
)

func encodeParquet(w io.Writer, s *Set) error {
	meta, err := json.Marshal(s.About)
	if err != nil {
		return err
	}
	config, err := parquet.NewWriterConfig(parquet.MaxRowsPerRowGroup(rowsPerGroup),
		parquet.Compression(&parquet.Uncompressed), parquet.KeyValueMetadata(metadataKey, string(meta)))
	if err != nil {
		return err
	}
	config.CreatedBy = createdBy
	out := parquet.NewGenericWriter[record](w, config)
	chunk := make([]record, 0, rowsPerChunk)
	for i := range s.Len() {
		chunk = append(chunk, record{s.Paths[i], s.Classes[i], s.Row(i)})
		if len(chunk) == cap(chunk) || i+1 == s.Len() {
			if _, err := out.Write(chunk); err != nil {
				return err
			}
			chunk = chunk[:0]
		}
	}
	return out.Close()
}

// readParquet reads a file of vectors, or any Parquet file with columns path and embedding.
func readParquet(path string) (*Set, error) {
	f, err := parquetfile.Open(path)
	if err != nil && !errors.Is(err, parquetfile.ErrMalformed) {
		return nil, fmt.Errorf("reading vectors: %w", err)
	}
	var s *Set
	if err == nil {
		err = parquetfile.Guard(func() error {
			s, err = decodeParquet(f.File)
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %q: %w", ErrFormat, path, err)
	}
	return s, nil
}

func decodeParquet(file *parquet.File) (*Set, error) {
	for _, column := range []string{"path", "embedding"} {
		if file.Root().Column(column) == nil {
			return nil, fmt.Errorf("it has no column %q", column)
		}
	}
	s := new(Set)
	if meta, ok := file.Lookup(metadataKey); ok {
		if err := json.Unmarshal([]byte(meta), &s.About); err != nil {
			return nil, fmt.Errorf("its metadata: %w", err)
		}
	}
	if n, size := file.NumRows(), file.Size(); n < 1 || n > size {
		return nil, fmt.Errorf("%d rows in %d bytes, expected some", n, size)
	}
	in := parquet.NewGenericReader[record](file)
	defer in.Close()
	for {
		chunk := make([]record, rowsPerChunk)
		n, err := in.Read(chunk)
		for _, row := range chunk[:n] {
			if err := s.add(row); err != nil {
				return nil, err
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	if s.Len() == 0 {
		return nil, errors.New("it has no row")
	}
	return s, nil
}

func (s *Set) add(row record) error {
	if s.Len() == 0 {
		s.Dim = len(row.Embedding)
	}
	switch {
	case s.Dim == 0 || len(row.Embedding) != s.Dim:
		return fmt.Errorf("row %d has %d numbers, expected %d", s.Len(), len(row.Embedding), max(s.Dim, 1))
	case len(s.Values) > mostValues:
		return fmt.Errorf("more than %d numbers", mostValues)
	}
	for _, v := range row.Embedding {
		if x := float64(v); math.IsNaN(x) || math.IsInf(x, 0) {
			return fmt.Errorf("row %d (%s) holds %v, expected finite numbers", s.Len(), row.Path, v)
		}
	}
	s.Paths, s.Classes = append(s.Paths, row.Path), append(s.Classes, row.Class)
	s.Values = append(s.Values, row.Embedding...)
	return nil
}
