package cache

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

const (
	createdBy     = "rkd" // neither version nor date: bytes must not depend on who wrote them, or when
	metadataKey   = "rkd" // of the shardHeader among a Parquet file's key-value metadata
	shardPageSize = 1 << 20
)

// shardHeader is the JSON that a shard carries in its footer.
type shardHeader struct {
	Header
	Shard int `json:"shard"`
}

// record and recordLogits are the rows of a shard as parquet-go sees them. The lists are required, with required
// elements, in the three levels that the format prescribes.
type record struct {
	ID        int64     `parquet:"id,plain"`
	View      int32     `parquet:"view,plain"`
	Label     int32     `parquet:"label,plain"`
	Embedding []float32 `parquet:"embedding,list"`
}

type recordLogits struct {
	ID        int64     `parquet:"id,plain"`
	View      int32     `parquet:"view,plain"`
	Label     int32     `parquet:"label,plain"`
	Embedding []float32 `parquet:"embedding,list"`
	Logits    []float32 `parquet:"logits,list"`
}

// encodeShard writes rows as one Parquet file of one row group, plain and uncompressed. The bytes depend on h and rows
// alone.
func encodeShard(w io.Writer, h shardHeader, rows Rows) error {
	if h.LogitsDim == 0 {
		return encodeRecords(w, h, len(rows.IDs), func(i int) record {
			return record{rows.IDs[i], rows.Views[i], rows.Labels[i], rows.Embeddings[i*h.Dim : (i+1)*h.Dim]}
		})
	}
	return encodeRecords(w, h, len(rows.IDs), func(i int) recordLogits {
		return recordLogits{
			rows.IDs[i], rows.Views[i], rows.Labels[i], rows.Embeddings[i*h.Dim : (i+1)*h.Dim],
			rows.Logits[i*h.LogitsDim : (i+1)*h.LogitsDim],
		}
	})
}

func encodeRecords[T any](w io.Writer, h shardHeader, n int, row func(int) T) error {
	meta, err := json.Marshal(h)
	if err != nil {
		return err
	}
	config, err := parquet.NewWriterConfig(
		parquet.PageBufferSize(shardPageSize),
		parquet.WriteBufferSize(shardPageSize),
		parquet.Compression(&parquet.Uncompressed),
		parquet.KeyValueMetadata(metadataKey, string(meta)),
	)
	if err != nil {
		return err
	}
	config.CreatedBy = createdBy // the option of this name would add a version and a build
	out := parquet.NewGenericWriter[T](w, config)
	records := make([]T, n)
	for i := range records {
		records[i] = row(i)
	}
	if _, err := out.Write(records); err != nil {
		return err
	}
	return out.Close()
}

// shardFile is an open shard whose footer has been read and whose columns are those that this package writes.
type shardFile struct {
	shardHeader
	rows   int
	chunks []parquet.ColumnChunk // empty without rows
}

// openShard reads the footer of a shard of size bytes. Everything that it promises is checked against size before
// memory is set aside for it.
//
// It may panic on hostile bytes; see guard.
func openShard(r io.ReaderAt, size int64) (*shardFile, error) {
	// The file ends with the footer's length and a magic word. parquet-go would set aside what the length says.
	var tail [8]byte
	if size < 12 {
		return nil, fmt.Errorf("%d bytes are no Parquet file", size)
	}
	if _, err := r.ReadAt(tail[:], size-8); err != nil {
		return nil, err
	}
	if n := int64(binary.LittleEndian.Uint32(tail[:4])); n > size-12 {
		return nil, fmt.Errorf("its footer of %d bytes does not fit into %d", n, size)
	}
	f, err := parquet.OpenFile(r, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, err
	}
	meta, ok := f.Lookup(metadataKey)
	if !ok {
		return nil, fmt.Errorf("its footer has no %q metadata", metadataKey)
	}
	s := new(shardFile)
	if err := json.Unmarshal([]byte(meta), &s.shardHeader); err != nil {
		return nil, fmt.Errorf("its %q metadata: %w", metadataKey, err)
	}
	if s.FormatVersion != FormatVersion {
		return s, nil // for the caller to compare, not to read
	}
	if err := s.validate(); err != nil {
		return nil, err
	}
	want := parquet.SchemaOf(record{})
	if s.LogitsDim > 0 {
		want = parquet.SchemaOf(recordLogits{})
	}
	if !parquet.EqualNodes(f.Schema(), want) {
		return nil, fmt.Errorf("its columns are %v, expected %v", f.Schema().Columns(), want.Columns())
	}
	rows := f.NumRows()
	if rows < 0 || rows > size/4/int64(s.Dim) || s.LogitsDim > 0 && rows > size/4/int64(s.LogitsDim) {
		return nil, fmt.Errorf("its footer promises %d rows of %d values in %d bytes", rows, s.Dim+s.LogitsDim, size)
	}
	s.rows = int(rows)
	groups := f.RowGroups()
	if rows == 0 && len(groups) == 0 {
		return s, nil
	}
	if len(groups) != 1 {
		return nil, fmt.Errorf("%d row groups, expected 1", len(groups))
	}
	s.chunks = groups[0].ColumnChunks()
	for i, c := range f.Metadata().RowGroups[0].Columns {
		if c.MetaData.Codec != format.Uncompressed {
			return nil, fmt.Errorf("column %d is compressed with %v, expected no compression", i, c.MetaData.Codec)
		}
	}
	return s, nil
}

// read fills dst, made for n rows, with the first n rows of the shard. Columns that are nil in dst are not touched. With
// n = s.rows it also makes sure that nothing follows.
func (s *shardFile) read(ctx context.Context, n int, dst Rows) error {
	if n == 0 {
		return nil
	}
	var errs [5]error
	whole := n == s.rows
	if dst.IDs != nil {
		errs[0] = readColumn(ctx, s.chunks[0], whole, nil, dst.IDs[:n], ints64)
	}
	if dst.Views != nil {
		errs[1] = readColumn(ctx, s.chunks[1], whole, nil, dst.Views[:n], ints32)
	}
	if dst.Labels != nil {
		errs[2] = readColumn(ctx, s.chunks[2], whole, nil, dst.Labels[:n], ints32)
	}
	if dst.Embeddings != nil {
		errs[3] = readColumn(ctx, s.chunks[3], whole, listLevels(s.Dim), dst.Embeddings[:n*s.Dim], floats)
	}
	if dst.Logits != nil && s.LogitsDim > 0 {
		errs[4] = readColumn(ctx, s.chunks[4], whole, listLevels(s.LogitsDim), dst.Logits[:n*s.LogitsDim], floats)
	}
	return errors.Join(errs[:]...)
}

func ints64(p parquet.Page) []int64   { v := p.Data(); return v.Int64() }
func ints32(p parquet.Page) []int32   { v := p.Data(); return v.Int32() }
func floats(p parquet.Page) []float32 { v := p.Data(); return v.Float() }

// listLevels returns the repetition levels of a row of width values: 0 opens a list, 1 continues it.
func listLevels(width int) []byte {
	levels := slices.Repeat([]byte{1}, width)
	levels[0] = 0
	return levels
}

// readColumn copies the leading values of a column chunk to dst, page by page. For a list column, levels are the
// repetition levels of one row; every row must have them. When whole is set the chunk must end where dst does.
func readColumn[T any](
	ctx context.Context, chunk parquet.ColumnChunk, whole bool, levels []byte, dst []T, values func(parquet.Page) []T,
) (err error) {
	pages := chunk.Pages()
	defer func() { err = errors.Join(err, pages.Close()) }()
	total := len(dst)
	for len(dst) > 0 || whole {
		if err := ctx.Err(); err != nil {
			return err
		}
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("column %d: %w", chunk.Column(), err)
		}
		err = checkLevels(page, levels)
		if err == nil {
			v := values(page)
			if whole && len(v) > len(dst) {
				err = fmt.Errorf("more values than the expected %d", total)
			}
			dst = dst[copy(dst, v):]
		}
		parquet.Release(page)
		if err != nil {
			return fmt.Errorf("column %d: %w", chunk.Column(), err)
		}
	}
	if len(dst) > 0 {
		return fmt.Errorf("column %d: %d values, expected %d", chunk.Column(), total-len(dst), total)
	}
	return nil
}

// checkLevels tells whether every row of a page is a list as long as levels, without an absent value.
func checkLevels(page parquet.Page, levels []byte) error {
	if page.Dictionary() != nil {
		return errors.New("a page is dictionary-encoded, expected plain")
	}
	if levels == nil {
		return nil
	}
	repetition, definition := page.RepetitionLevels(), page.DefinitionLevels()
	n := len(floats(page))
	if n%len(levels) != 0 || len(repetition) != n || len(definition) != n {
		return fmt.Errorf("a page of %d values and %d levels, expected rows of %d", n, len(repetition), len(levels))
	}
	for i := 0; i < n; i += len(levels) {
		if !bytes.Equal(repetition[i:i+len(levels)], levels) {
			return fmt.Errorf("a row is not a list of %d values", len(levels))
		}
	}
	if bytes.Count(definition, []byte{1}) != n {
		return errors.New("a list has an absent value")
	}
	return nil
}

// guard runs a function that parses a file's bytes and turns a panic into an error. parquet-go trusts the bytes that it
// decodes in places and panics on some that no writer makes; this is the one place that knows.
func guard(parse func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("malformed Parquet: %v", r)
		}
	}()
	return parse()
}
