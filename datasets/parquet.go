package datasets

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/parquet-go/parquet-go"

	"rkd/datasets/parquetfile"
)

// parquetExtensions are those of shards that are found by their folder.
var parquetExtensions = []string{".parquet", ".pq"}

// openParquet opens pictures in Parquet files, in the layout of Hugging Face datasets: a column of structs of bytes and
// path, where a row without bytes names a file relative to the shard's folder; or a column of bytes. Names of classes
// are those of the ClassLabel in the files' metadata; without, labels are numbers or texts.
func openParquet(ctx context.Context, src Source, r Resources) (Dataset, error) {
	shards, err := src.shards(ctx, parquetExtensions...)
	if err != nil {
		return nil, err
	}
	name := filepath.Join(src.Dir, src.Split)
	if len(src.Files) > 0 {
		name = strings.Join(src.Files, ", ")
	}
	t := &pictureTable{groups: newGroupCache(), name: name}
	var labels labelColumn
	for i := range shards.files {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		f, err := parquetfile.Open(shards.path(i))
		if err == nil {
			err = t.add(f, shards.files[i], src.Columns.Image)
		}
		if err == nil && !src.unlabelled() {
			err = labels.add(f, src.Columns.Label)
		}
		if err != nil {
			return nil, fmt.Errorf("reading %q: %w", shards.path(i), parquetError(err))
		}
	}
	of := images{
		name: name, labels: unnamed(t.rows), rel: t.rel(),
		path:  func(id int64) string { shard, row := t.at(id); return fmt.Sprintf("%s#%d", shard.file.Path, row) },
		bytes: func(id int64) blob { shard, row := t.at(id); return cellBlob{t, shard, row} },
	}
	if !src.unlabelled() {
		if of.classes, of.labels, err = labels.classes(); err != nil {
			return nil, fmt.Errorf("reading labels of %s: %w", name, err)
		}
	}
	if t.rows == 0 {
		return nil, fmt.Errorf("%w: %s has no row", ErrFormat, name)
	}
	return openImages(ctx, src, r, of)
}

// parquetError makes ErrFormat of an error that is about a file's content.
func parquetError(err error) error {
	var path interface{ Timeout() bool } // errors of the file system have it
	if errors.As(err, &path) || errors.Is(err, ErrSource) || errors.Is(err, ErrFormat) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrFormat, err)
}

// pictureTable is the pictures of some shards.
type pictureTable struct {
	name   string
	shards []*pictureShard
	rows   int
	groups *groupCache
}

// pictureShard is a Parquet file with pictures.
type pictureShard struct {
	file        *parquetfile.File
	rel         string
	first       int // row of the table
	bytes, path int // leaves; path is −1 without
	starts      []int64
}

func (t *pictureTable) add(f *parquetfile.File, rel, column string) error {
	s := &pictureShard{file: f, rel: rel, first: t.rows}
	var err error
	if s.bytes, s.path, err = imageColumn(f, column); err != nil {
		return err
	}
	at := int64(0)
	for _, g := range f.RowGroups() {
		s.starts = append(s.starts, at)
		at += g.NumRows()
	}
	if at != f.NumRows() || at < 0 || at > 1<<40 {
		return fmt.Errorf("its row groups have %d rows, expected %d", at, f.NumRows())
	}
	t.shards = append(t.shards, s)
	t.rows += int(at)
	return nil
}

// imageColumn finds the leaves of the pictures.
func imageColumn(f *parquetfile.File, name string) (bytes, path int, err error) {
	var candidates []string
	for _, field := range f.Schema().Fields() {
		_, structured := f.Column(field.Name(), "bytes")
		binary := field.Leaf() && field.Type().Kind() == parquet.ByteArray && field.Type().LogicalType() == nil
		if structured || binary {
			candidates = append(candidates, field.Name())
		}
	}
	if name == "" {
		if images := ofType(f, "Image"); len(images) == 1 {
			candidates = images
		}
		if slices.Contains(candidates, "image") {
			candidates = []string{"image"}
		}
		if len(candidates) != 1 {
			return 0, 0, fmt.Errorf("%w: %d columns could hold the pictures %q: name one in columns.image; it has %s", ErrSource,
				len(candidates), candidates, strings.Join(f.Columns(), ", "))
		}
		name = candidates[0]
	}
	if leaf, ok := f.Column(name, "bytes"); ok && leaf.Node.Type().Kind() == parquet.ByteArray &&
		leaf.MaxRepetitionLevel == 0 {
		path = -1
		if of, ok := f.Column(name, "path"); ok {
			path = of.ColumnIndex
		}
		return leaf.ColumnIndex, path, nil
	}
	if leaf, ok := f.Column(name); ok && leaf.Node.Type().Kind() == parquet.ByteArray && leaf.MaxRepetitionLevel == 0 {
		return leaf.ColumnIndex, -1, nil
	}
	return 0, 0, fmt.Errorf("%w: columns.image is %q, expected a column of bytes, or of bytes and path, among %s",
		ErrSource,
		name, strings.Join(f.Columns(), ", "))
}

// rel names the rows.
func (t *pictureTable) rel() []string {
	rel := make([]string, 0, t.rows)
	for _, s := range t.shards {
		for row := range s.file.NumRows() {
			rel = append(rel, fmt.Sprintf("%s#%d", s.rel, row))
		}
	}
	return rel
}

// at finds a row's shard and its row there.
func (t *pictureTable) at(id int64) (*pictureShard, int64) {
	i, ok := slices.BinarySearchFunc(t.shards, int(id), func(s *pictureShard, row int) int { return s.first - row })
	if !ok {
		i--
	}
	for i+1 < len(t.shards) && t.shards[i+1].first <= int(id) { // past shards without rows
		i++
	}
	return t.shards[i], id - int64(t.shards[i].first)
}

// features are what Hugging Face datasets say of the columns.
func features(f *parquetfile.File) map[string]feature {
	text, _ := f.Lookup("huggingface")
	var meta struct {
		Info struct {
			Features map[string]json.RawMessage `json:"features"`
		} `json:"info"`
	}
	of := map[string]feature{}
	if json.Unmarshal([]byte(text), &meta) != nil {
		return of
	}
	for name, raw := range meta.Info.Features {
		var feature feature
		if json.Unmarshal(raw, &feature) == nil { // lists are not
			of[name] = feature
		}
	}
	return of
}

type feature struct {
	Type  string   `json:"_type"`
	Names []string `json:"names"`
}

// ofType lists the columns of a type of Hugging Face's.
func ofType(f *parquetfile.File, kind string) (names []string) {
	for name, of := range features(f) {
		if of.Type == kind {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// cellBlob is the picture of a row.
type cellBlob struct {
	table *pictureTable
	shard *pictureShard
	row   int64
}

type nothingToClose struct{ *bytes.Reader }

func (nothingToClose) Close() error { return nil }

func (c cellBlob) open() (io.ReadSeekCloser, int64, error) {
	data, path, err := c.table.groups.cell(c.shard, c.row)
	if err != nil {
		return nil, 0, fmt.Errorf("reading row %d of %q: %w", c.row, c.shard.file.Path, parquetError(err))
	}
	if data == nil && path != "" {
		return fileBlob(filepath.Join(filepath.Dir(c.shard.file.Path), filepath.FromSlash(path))).open()
	}
	return nothingToClose{bytes.NewReader(data)}, int64(len(data)), nil
}

const (
	// wholeGroup is the largest size of a row group's pictures that are decoded at once; of larger ones a row is looked up
	// by the page index, or by reading up to it where the file has none.
	wholeGroup = 64 << 20
	// groupMemory is the number of bytes of decoded row groups that are kept.
	groupMemory = 256 << 20
)

// groupCache keeps the row groups that were read last. It is safe for concurrent use.
type groupCache struct {
	mu     sync.Mutex
	groups *simplelru.LRU[groupKey, *pictureGroup]
	bytes  int64
}

type groupKey struct {
	shard *pictureShard
	group int
}

// pictureGroup is the pictures of a row group, decoded once.
type pictureGroup struct {
	once  sync.Once
	data  [][]byte // nil where there are no bytes
	paths []string
	err   error
}

func newGroupCache() *groupCache {
	groups, _ := simplelru.NewLRU[groupKey, *pictureGroup](1<<16, nil) // fails for sizes below 1
	return &groupCache{groups: groups}
}

// cell returns the bytes of a row, or the path where it has none.
func (c *groupCache) cell(s *pictureShard, row int64) (data []byte, path string, err error) {
	group, ok := slices.BinarySearch(s.starts, row)
	if !ok {
		group--
	}
	for group+1 < len(s.starts) && s.starts[group+1] <= row { // past groups without rows
		group++
	}
	row -= s.starts[group]
	size := s.size(group)
	if size > wholeGroup {
		err := parquetfile.Guard(func() (err error) { data, path, err = s.one(group, row); return err })
		return data, path, err
	}
	g := c.group(groupKey{s, group}, size)
	g.once.Do(func() { g.err = parquetfile.Guard(func() error { return s.decode(group, g) }) })
	if g.err != nil {
		return nil, "", g.err
	}
	if row >= int64(len(g.data)) {
		return nil, "", fmt.Errorf("row group %d has %d values, expected more than %d", group, len(g.data), row)
	}
	if g.paths != nil {
		path = g.paths[row]
	}
	return g.data[row], path, nil
}

// group returns a group of the cache, to be decoded by its first user.
func (c *groupCache) group(key groupKey, size int64) *pictureGroup {
	c.mu.Lock()
	defer c.mu.Unlock()
	if g, ok := c.groups.Get(key); ok {
		return g
	}
	g := new(pictureGroup)
	c.groups.Add(key, g)
	for c.bytes += size; c.bytes > groupMemory && c.groups.Len() > 1; {
		old, _, _ := c.groups.RemoveOldest()
		c.bytes -= old.shard.size(old.group)
	}
	return g
}

// size is the number of bytes of a group's pictures, as the file says.
func (s *pictureShard) size(group int) int64 {
	return s.file.Metadata().RowGroups[group].Columns[s.bytes].MetaData.TotalUncompressedSize
}

// decode reads all pictures of a group.
func (s *pictureShard) decode(group int, g *pictureGroup) error {
	chunks := s.file.RowGroups()[group].ColumnChunks()
	err := parquetfile.ChunkValues(chunks[s.bytes], func(v parquet.Value) error {
		g.data = append(g.data, bytesOf(v))
		return nil
	})
	if err != nil || s.path < 0 {
		return err
	}
	err = parquetfile.ChunkValues(chunks[s.path], func(v parquet.Value) error {
		g.paths = append(g.paths, string(bytesOf(v)))
		return nil
	})
	if err == nil && len(g.paths) != len(g.data) {
		err = fmt.Errorf("row group %d has %d paths for %d pictures", group, len(g.paths), len(g.data))
	}
	return err
}

// one reads a single row of a group.
func (s *pictureShard) one(group int, row int64) (data []byte, path string, err error) {
	chunks := s.file.RowGroups()[group].ColumnChunks()
	value := func(leaf int) (of []byte, err error) {
		pages := chunks[leaf].Pages()
		defer func() { err = errors.Join(err, pages.Close()) }()
		if err := pages.SeekToRow(row); err != nil {
			return nil, err
		}
		page, err := pages.ReadPage()
		if err != nil {
			return nil, err
		}
		var v [1]parquet.Value
		if n, err := page.Values().ReadValues(v[:]); n < 1 {
			return nil, err
		}
		return bytesOf(v[0]), nil
	}
	if data, err = value(s.bytes); err == nil && data == nil && s.path >= 0 {
		var of []byte
		of, err = value(s.path)
		path = string(of)
	}
	return data, path, err
}

// bytesOf are a value's bytes, nil for an absent one.
func bytesOf(v parquet.Value) []byte {
	if v.IsNull() {
		return nil
	}
	return v.ByteArray()
}
