package exchange

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/parquet-go/parquet-go"

	"rkd/datasets/parquetfile"
)

func readParquet(path string) (*Set, error) { return readTable(path, true) }

// readTable reads the columns of ids and paths of a Parquet file, and the vectors where they are wanted.
func readTable(path string, vectors bool) (s *Set, err error) {
	f, err := parquetfile.Open(path)
	if err != nil && !errors.Is(err, parquetfile.ErrMalformed) {
		return nil, err
	}
	if err == nil {
		err = parquetfile.Guard(func() error {
			s, err = readColumns(f.File, vectors)
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("%w: reading %q: %w", ErrFormat, path, err)
	}
	return s, nil
}

func readColumns(file *parquet.File, vectors bool) (*Set, error) {
	s := &Set{}
	columns := map[string]int{} // leaves by the names of their top-level columns
	for i, path := range file.Schema().Columns() {
		columns[strings.ToLower(path[0])] = i
	}
	find := func(names ...string) int {
		for _, n := range names {
			if i, ok := columns[n]; ok {
				return i
			}
		}
		return -1
	}
	id, paths, view, scale := find(idNames...), find(pathNames...), find("view"), find("scale")
	vector := find(vecNames...)
	if vectors && vector < 0 {
		return nil, fmt.Errorf("its columns are %v, expected one of %v", file.Schema().Columns(), vecNames)
	}
	var scales []float32
	for _, g := range file.RowGroups() {
		chunks := g.ColumnChunks()
		if err := errors.Join(
			readValues(chunks, id, func(v parquet.Value) error { return s.addID(v) }),
			readValues(chunks, paths, func(v parquet.Value) error {
				s.Paths = append(s.Paths, string(v.ByteArray()))
				return nil
			}),
			readValues(chunks, view, func(v parquet.Value) error {
				s.Views = append(s.Views, v.Int32())
				return nil
			}),
		); err != nil {
			return nil, err
		}
		if !vectors {
			continue
		}
		err := errors.Join(readValues(chunks, vector, s.addNumber), readValues(chunks, scale, func(v parquet.Value) error {
			scales = append(scales, v.Float())
			return nil
		}))
		if err != nil {
			return nil, err
		}
	}
	if !vectors {
		return s, nil
	}
	rows := int(file.NumRows())
	if rows == 0 || len(s.Values)%rows != 0 {
		return nil, fmt.Errorf("%d numbers in %d vectors: they are not of one length", len(s.Values), rows)
	}
	s.Dim = len(s.Values) / rows
	for i, f := range scales {
		for j := range s.Dim {
			s.Values[i*s.Dim+j] *= f
		}
	}
	return s, nil
}

// addID takes an id of any integer, or a decimal text, as clip-retrieval's keys are.
func (s *Set) addID(v parquet.Value) error {
	switch v.Kind() {
	case parquet.Int64:
		s.IDs = append(s.IDs, v.Int64())
	case parquet.Int32:
		s.IDs = append(s.IDs, int64(v.Int32()))
	case parquet.ByteArray:
		id, err := strconv.ParseInt(string(v.ByteArray()), 10, 64)
		if err != nil {
			return fmt.Errorf("id %q is no integer", v.ByteArray())
		}
		s.IDs = append(s.IDs, id)
	default:
		return fmt.Errorf("ids of kind %v, expected integers", v.Kind())
	}
	return nil
}

func (s *Set) addNumber(v parquet.Value) error {
	switch v.Kind() {
	case parquet.Float:
		s.Values = append(s.Values, v.Float())
	case parquet.Double:
		s.Values = append(s.Values, float32(v.Double()))
	case parquet.Int32:
		s.Values = append(s.Values, float32(v.Int32()))
	default:
		return fmt.Errorf("numbers of kind %v, expected floats", v.Kind())
	}
	return nil
}

// readValues calls take with the values of a column, none of which may be null. column -1 is none.
func readValues(chunks []parquet.ColumnChunk, column int, take func(parquet.Value) error) (err error) {
	if column < 0 {
		return nil
	}
	pages := chunks[column].Pages()
	defer func() { err = errors.Join(err, pages.Close()) }()
	buf := make([]parquet.Value, 1024)
	for {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for values := page.Values(); ; {
			n, err := values.ReadValues(buf)
			for _, v := range buf[:n] {
				if v.IsNull() {
					return fmt.Errorf("column %d has a null", column)
				}
				if err := take(v); err != nil {
					return err
				}
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
		}
		parquet.Release(page)
	}
}
