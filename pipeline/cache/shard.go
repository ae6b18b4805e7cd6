package cache

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/parquet-go/parquet-go"

	"github.com/parquet-go/parquet-go/format"
	"rkd/datasets/parquetfile"
)

// recordV1 and recordLogitsV1 are the rows of shards of format version 1.
type recordV1 struct {
	ID        int64     `parquet:"id,plain"`
	View      int32     `parquet:"view,plain"`
	Label     int32     `parquet:"label,plain"`
	Embedding []float32 `parquet:"embedding,list"`
}

type recordLogitsV1 struct {
	ID        int64     `parquet:"id,plain"`
	View      int32     `parquet:"view,plain"`
	Label     int32     `parquet:"label,plain"`
	Embedding []float32 `parquet:"embedding,list"`
	Logits    []float32 `parquet:"logits,list"`
}

// schema is what a shard's columns must be.
func (h Header) schema() *parquet.Schema {
	logits := h.LogitsDim > 0
	switch {
	case h.FormatVersion == 1 && !logits:
		return parquet.SchemaOf(recordV1{})
	case h.FormatVersion == 1:
		return parquet.SchemaOf(recordLogitsV1{})
	case h.Key.DType == Float32 && !logits:
		return parquet.SchemaOf(record{})
	case h.Key.DType == Float32:
		return parquet.SchemaOf(recordLogits{})
	case h.Key.DType == Int8 && !logits:
		return parquet.SchemaOf(recordInt8{})
	case h.Key.DType == Int8:
		return parquet.SchemaOf(recordInt8Logits{})
	case !logits:
		return parquet.SchemaOf(recordPacked{})
	}
	return parquet.SchemaOf(recordPackedLogits{})
}

// shardFile is an open shard whose footer has been read and whose columns are those that this package writes.
type shardFile struct {
	shardHeader
	rows    int
	groups  []parquet.RowGroup
	columns map[string]int // places of the columns' values, by the columns' names
}

// openParquet reads the footer of a Parquet file of size bytes. It may panic on hostile bytes; see parquetfile.Guard.
func openParquet(r io.ReaderAt, size int64) (*parquet.File, error) {
	return parquetfile.Footer(r, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
}

// openShard reads the footer of a shard of size bytes. Everything that it promises is checked against size before
// memory is set aside for it.
//
// It may panic on hostile bytes; see parquetfile.Guard.
func openShard(r io.ReaderAt, size int64) (*shardFile, error) {
	f, err := openParquet(r, size)
	if err != nil {
		return nil, err
	}
	meta, ok := f.Lookup(metadataKey)
	if !ok {
		return nil, fmt.Errorf("its footer has no %q metadata", metadataKey)
	}
	s := &shardFile{columns: map[string]int{}}
	if err := json.Unmarshal([]byte(meta), &s.shardHeader); err != nil {
		return nil, fmt.Errorf("its %q metadata: %w", metadataKey, err)
	}
	if err := s.validate(); err != nil {
		return nil, err
	}
	want := s.schema()
	if !parquet.EqualNodes(f.Schema(), want) {
		return nil, fmt.Errorf("its columns are %v, expected %v", f.Schema().Columns(), want.Columns())
	}
	for i, column := range want.Columns() {
		s.columns[column[0]] = i
	}
	rows := f.NumRows()
	if rows < 0 || rows > size/s.leastBytes() {
		return nil, fmt.Errorf("its footer promises %d rows of %d values in %d bytes", rows, s.Dim+s.LogitsDim, size)
	}
	s.rows, s.groups = int(rows), f.RowGroups()
	counted := int64(0)
	for i, g := range f.Metadata().RowGroups {
		if g.NumRows < 0 || g.NumRows > rows-counted {
			return nil, fmt.Errorf("row group %d promises %d rows of %d", i, g.NumRows, rows)
		}
		counted += g.NumRows
		for j, c := range g.Columns {
			codec := c.MetaData.Codec
			if codec != format.Uncompressed && (s.Key.DType == Float32 || codec != format.Zstd) {
				return nil, fmt.Errorf("column %d is compressed with %v, which no cache of %s is", j, codec, s.Key.DType)
			}
		}
	}
	if counted != rows {
		return nil, fmt.Errorf("its row groups have %d rows, expected %d", counted, rows)
	}
	return s, nil
}

// read fills dst, made for n rows, with the first n rows of the shard. Columns that are nil in dst are not touched.
// With n = s.rows it also makes sure that nothing follows.
func (s *shardFile) read(ctx context.Context, n int, dst Rows) error {
	from := 0
	for i := 0; i < len(s.groups) && from < n; i++ {
		to := min(n, from+int(s.groups[i].NumRows()))
		if err := s.readGroup(ctx, i, to-from, dst.slice(from, to, s.Dim, s.LogitsDim)); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// readGroup fills dst with the first n rows of a row group.
func (s *shardFile) readGroup(ctx context.Context, group, n int, dst Rows) error {
	if n == 0 {
		return nil
	}
	chunks := s.groups[group].ColumnChunks()
	column := func(name string) parquet.ColumnChunk { return chunks[s.columns[name]] }
	whole := int64(n) == s.groups[group].NumRows()
	errs := []error{
		readColumn(ctx, column("id"), whole, nil, dst.IDs, ints64),
		readColumn(ctx, column("view"), whole, nil, dst.Views, ints32),
		readColumn(ctx, column("label"), whole, nil, dst.Labels, ints32),
		s.readEmbeddings(ctx, column, whole, dst),
	}
	if s.LogitsDim > 0 {
		errs = append(errs, readColumn(ctx, column("logits"), whole, listLevels(s.LogitsDim), dst.Logits, floats))
	}
	if dst.About != nil && s.FormatVersion > 1 {
		errs = append(errs, s.readAbout(ctx, column, dst.About))
	}
	for i := range dst.About {
		dst.About[i].ID, dst.About[i].Label = dst.IDs[i], dst.Labels[i]
	}
	return errors.Join(errs...)
}

// readEmbeddings fills in the embeddings of a row group's first rows, and the scales of those stored as int8.
func (s *shardFile) readEmbeddings(ctx context.Context, column func(string) parquet.ColumnChunk, whole bool,
	dst Rows,
) error {
	levels := listLevels(s.Dim)
	if s.Key.DType != Int8 {
		return readColumn(ctx, column("embedding"), whole, levels, dst.Embeddings, floats)
	}
	scales := dst.Scales
	if scales == nil && dst.Embeddings != nil {
		scales = make([]float32, len(dst.Embeddings)/s.Dim)
	}
	if err := readColumn(ctx, column("scale"), whole, nil, scales, floats); err != nil {
		return err
	}
	if err := readPages(ctx, column("embedding"), whole, true, levels, dst.Embeddings, bytes8); err != nil {
		return err
	}
	for i, scale := range scales {
		row := cut(dst.Embeddings, i, i+1, s.Dim)
		for j, q := range row {
			row[j] = q * scale
		}
	}
	return nil
}

// readAbout fills in what a row group tells of its first rows.
func (s *shardFile) readAbout(ctx context.Context, column func(string) parquet.ColumnChunk, dst []About) error {
	for i := range dst {
		dst[i] = About{}
	}
	return errors.Join(
		readTexts(ctx, column("class"), len(dst), func(i int, v []byte) { dst[i].Class = string(v) }),
		readTexts(ctx, column("path"), len(dst), func(i int, v []byte) { dst[i].Path = string(v) }),
		readTexts(ctx, column("content"), len(dst), func(i int, v []byte) { copy(dst[i].Content[:], v) }),
		readTexts(ctx, column("view_params"), len(dst), func(i int, v []byte) { dst[i].Params = string(v) }),
	)
}

// readTexts calls take with the first n values of a column of byte strings.
func readTexts(ctx context.Context, chunk parquet.ColumnChunk, n int, take func(i int, v []byte)) (err error) {
	pages := chunk.Pages()
	defer func() { err = errors.Join(err, pages.Close()) }()
	buf := make([]parquet.Value, 256)
	for i := 0; i < n; {
		if err := ctx.Err(); err != nil {
			return err
		}
		page, err := pages.ReadPage()
		if err != nil {
			return fmt.Errorf("column %d: %w", chunk.Column(), err)
		}
		for values := page.Values(); i < n; {
			k, err := values.ReadValues(buf[:min(len(buf), n-i)])
			for _, v := range buf[:k] {
				take(i, v.ByteArray())
				i++
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return fmt.Errorf("column %d: %w", chunk.Column(), err)
			}
		}
		parquet.Release(page)
	}
	return nil
}

// blocks reads the shard's rows one row group after the other.
func (s *shardFile) blocks(ctx context.Context) blocks {
	return func(yield func(Rows, error) bool) {
		for i, g := range s.groups {
			n := int(g.NumRows())
			rows := newRows(n, s.Dim, s.LogitsDim)
			rows.About = make([]About, n)
			if s.Key.DType == Int8 {
				rows.Scales = make([]float32, n)
			}
			err := s.readGroup(ctx, i, n, rows)
			if !yield(rows, err) || err != nil {
				return
			}
		}
	}
}

func ints64(p parquet.Page) []int64   { v := p.Data(); return v.Int64() }
func ints32(p parquet.Page) []int32   { v := p.Data(); return v.Int32() }
func floats(p parquet.Page) []float32 { v := p.Data(); return v.Float() }

// bytes8 returns the values of a page of int8, which is dictionary-encoded.
func bytes8(p parquet.Page) []float32 {
	v := p.Data()
	values := v.Int32()
	out := make([]float32, len(values))
	if d := p.Dictionary(); d != nil {
		data := d.Page().Data()
		words := data.Int32()
		for i, at := range values {
			out[i] = float32(int8(words[at]))
		}
		return out
	}
	for i, q := range values {
		out[i] = float32(int8(q))
	}
	return out
}

// listLevels returns the repetition levels of a row of width values: 0 opens a list, 1 continues it.
func listLevels(width int) []byte {
	levels := slices.Repeat([]byte{1}, width)
	levels[0] = 0
	return levels
}

// readColumn copies the leading values of a column chunk to dst, page by page. For a list column, levels are the
// repetition levels of one row; every row must have them. When whole is set the chunk must end where dst does. A nil
// dst is not asked for.
func readColumn[T any](
	ctx context.Context, chunk parquet.ColumnChunk, whole bool, levels []byte, dst []T, values func(parquet.Page) []T,
) error {
	return readPages(ctx, chunk, whole, false, levels, dst, values)
}

// readPages is readColumn of pages that may be dictionary-encoded.
func readPages[T any](
	ctx context.Context, chunk parquet.ColumnChunk, whole, dictionary bool, levels []byte, dst []T,
	values func(parquet.Page) []T,
) (err error) {
	if dst == nil {
		return nil
	}
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
		if page.Dictionary() != nil && !dictionary {
			err = errors.New("a page is dictionary-encoded, expected plain")
		} else {
			err = checkLevels(page, levels)
		}
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
	if levels == nil {
		return nil
	}
	repetition, definition := page.RepetitionLevels(), page.DefinitionLevels()
	n := int(page.NumValues())
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
