// Package parquetfile opens Parquet files that others wrote and reads their columns. What the columns mean is decided
// elsewhere.
package parquetfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/parquet-go/parquet-go"

	"rkd/datasets/regular"
)

// ErrMalformed reports bytes that are no Parquet file, or a damaged one.
var ErrMalformed = errors.New("malformed Parquet")

// Guard runs a function that parses a file's bytes and turns a panic into an error. parquet-go trusts the bytes that it
// decodes in places and panics on some that no writer makes.
func Guard(parse func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", ErrMalformed, r)
		}
	}()
	return parse()
}

// mostFooter bounds the footer of a file, in bytes.
const mostFooter = 1 << 30

// Footer reads the footer of a Parquet file of size bytes. It may panic on hostile bytes; see Guard.
func Footer(r io.ReaderAt, size int64, options ...parquet.FileOption) (*parquet.File, error) {
	// The file ends with the footer's length and a magic word. parquet-go would allocate what the length says.
	var tail [8]byte
	if size < 12 {
		return nil, fmt.Errorf("%w: %d bytes, expected 12 or more", ErrMalformed, size)
	}
	if _, err := r.ReadAt(tail[:], size-8); err != nil {
		return nil, err
	}
	if string(tail[4:]) != "PAR1" {
		return nil, fmt.Errorf("%w: it ends with %q, expected \"PAR1\": the file is no Parquet, or truncated", ErrMalformed,
			tail[4:])
	}
	if n := int64(binary.LittleEndian.Uint32(tail[:4])); n > min(size-12, mostFooter) {
		return nil, fmt.Errorf("%w: its footer of %d bytes does not fit into %d", ErrMalformed, n, size)
	}
	f, err := parquet.OpenFile(r, size, options...)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return f, nil
}

// File is an open file. It is closed when nothing refers to it any more.
type File struct {
	*parquet.File
	Path string
}

// Open opens the regular file at path and reads its footer.
func Open(path string) (f *File, err error) {
	file, err := regular.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil {
		err = Guard(func() error {
			of, err := Footer(file, info.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
			f = &File{File: of, Path: path}
			return err
		})
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return f, nil
}

// Column finds a leaf by its path; ok is false where there is none.
func (f *File) Column(path ...string) (leaf parquet.LeafColumn, ok bool) {
	return f.Schema().Lookup(path...)
}

// Values calls take with the values of a column in all row groups, in order, those that are absent as nulls.
func (f *File) Values(leaf parquet.LeafColumn, take func(v parquet.Value) error) error {
	return Guard(func() error {
		for _, group := range f.RowGroups() {
			if err := ChunkValues(group.ColumnChunks()[leaf.ColumnIndex], take); err != nil {
				return fmt.Errorf("column %q: %w", strings.Join(leaf.Path, "."), err)
			}
		}
		return nil
	})
}

// ChunkValues is Values of one row group's chunk. The memory behind values stays what it is. It may panic, see Guard.
func ChunkValues(chunk parquet.ColumnChunk, take func(v parquet.Value) error) (err error) {
	pages := chunk.Pages()
	defer func() { err = errors.Join(err, pages.Close()) }()
	buf := make([]parquet.Value, 256)
	for {
		page, err := pages.ReadPage() // never released: values point into it
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for values := page.Values(); ; {
			n, err := values.ReadValues(buf)
			for _, v := range buf[:n] {
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
	}
}

// Columns lists the names of the top-level columns.
func (f *File) Columns() []string {
	var names []string
	for _, field := range f.Schema().Fields() {
		names = append(names, field.Name())
	}
	return names
}
