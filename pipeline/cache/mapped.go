package cache

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"unsafe"

	"github.com/edsrzf/mmap-go"
	"github.com/google/renameio/v2"
)

// A row file holds the rows of a cache in the form in which they are used, so that they can be mapped into memory and
// read by their numbers, however they are stored and wherever that is. It is made once for a manifest, in a folder of
// this machine, and is nobody's but this machine's: numbers are in its byte order.
//
//	magic, manifest's SHA-256, that of the key without rows, a float32 that tells byte orders apart, zeros up to 128
//
// bytes
//
//	ids int64 (N); embeddings float32 (N,D); logits float32 (N,C); views int32 (N); labels int32 (N)
const (
	rowsMagic  = "RKDROWS1"
	rowsHead   = 128
	byteOrder  = float32(1.0000001)
	rowsSuffix = ".rows"
)

var rowsPattern = regexp.MustCompile(`^cache-[0-9a-f]{16}\.rows$`)

// rowsLayout says where the columns of a row file begin, and where it ends.
func (m *Manifest) rowsLayout() (ids, embeddings, logits, views, labels, end int64) {
	n := int64(m.Rows)
	ids = rowsHead
	embeddings = ids + 8*n
	logits = embeddings + 4*n*int64(m.Dim)
	views = logits + 4*n*int64(m.LogitsDim)
	labels = views + 4*n
	return ids, embeddings, logits, views, labels, labels + 4*n
}

func (m *Manifest) rowsHeader() []byte {
	head := make([]byte, 0, rowsHead)
	head = append(head, rowsMagic...)
	folder := m.Key // what a folder belongs to, whatever its rows
	folder.Dataset, folder.Views = "", 1
	for _, sum := range []string{m.Checksum, folder.Hash()} {
		digest, _ := hex.DecodeString(sum) // checked when the manifest was read
		head = append(head, digest...)
	}
	order := []float32{byteOrder}
	head = append(head, bytesOf(order)...)
	return head[:rowsHead]
}

// bytesOf is the memory of numbers.
func bytesOf[T int32 | int64 | float32](v []T) []byte {
	if len(v) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&v[0])), len(v)*int(unsafe.Sizeof(v[0])))
}

// numbersOf is memory as numbers. Mapped memory begins at a page, and columns at multiples of their numbers' size.
func numbersOf[T int32 | int64 | float32](b []byte) []T {
	if len(b) == 0 {
		return nil
	}
	var zero T
	return unsafe.Slice((*T)(unsafe.Pointer(&b[0])), len(b)/int(unsafe.Sizeof(zero)))
}

// MemoryBytes is the memory that Load takes for the rows.
func (c *Cache) MemoryBytes() int64 {
	_, _, _, _, _, end := c.manifest.rowsLayout()
	return end - rowsHead
}

// Map is Load for caches that memory does not hold: the rows are mapped from a file in dir, of which the system keeps
// in memory what it has room for. Where the file is not there it is made, from shards that are hashed first; one that
// an earlier manifest of the same key left is removed. The table must be closed, and not used after that.
func (c *Cache) Map(ctx context.Context, dir string) (*Table, error) {
	m := &c.manifest
	name := filepath.Join(dir, "cache-"+m.Checksum[:16]+rowsSuffix)
	t, err := m.mapRows(name)
	if err == nil {
		return t, nil
	}
	if !errors.Is(err, os.ErrNotExist) && !errors.Is(err, errOtherRows) {
		return nil, fmt.Errorf("mapping rows %q: %w", name, err)
	}
	if err := c.makeRows(ctx, name); err != nil {
		return nil, fmt.Errorf("making rows %q: %w", name, err)
	}
	if t, err = m.mapRows(name); err != nil {
		return nil, fmt.Errorf("mapping rows %q: %w", name, err)
	}
	return t, nil
}

// errOtherRows says that a file is not the rows of a manifest.
var errOtherRows = errors.New("these are other rows")

// mapRows maps the rows of the manifest from their file.
func (m *Manifest) mapRows(name string) (*Table, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() // the mapping stays
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	ids, embeddings, logits, views, labels, end := m.rowsLayout()
	head := make([]byte, rowsHead)
	if _, err := f.ReadAt(head, 0); err != nil || info.Size() != end || string(head) != string(m.rowsHeader()) {
		return nil, errOtherRows
	}
	mapped, err := mmap.Map(f, mmap.RDONLY, 0)
	if err != nil {
		return nil, err
	}
	t := &Table{Dim: m.Dim, LogitsDim: m.LogitsDim, unmap: mapped.Unmap}
	t.IDs = numbersOf[int64](mapped[ids:embeddings])
	t.Embeddings = numbersOf[float32](mapped[embeddings:logits])
	t.Logits = numbersOf[float32](mapped[logits:views])
	t.Views = numbersOf[int32](mapped[views:labels])
	t.Labels = numbersOf[int32](mapped[labels:end])
	return t, nil
}

// Close gives back what the table is mapped from; it does nothing to a table in memory.
func (t *Table) Close() error {
	if t == nil || t.unmap == nil {
		return nil
	}
	unmap := t.unmap
	t.unmap, t.Rows = nil, Rows{}
	return unmap()
}

// makeRows writes the row file, atomically.
func (c *Cache) makeRows(ctx context.Context, name string) (err error) {
	dir := filepath.Dir(name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	c.removeOldRows(dir)
	if err := c.checkHashes(ctx); err != nil {
		return err
	}
	f, err := renameio.NewPendingFile(name, renameio.WithPermissions(0o644))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Cleanup()) }()
	if err := c.writeRows(ctx, f.File); err != nil {
		return err
	}
	return f.CloseAtomicallyReplace()
}

// writeRows writes the columns, each where it belongs, a block of rows at a time.
func (c *Cache) writeRows(ctx context.Context, f *os.File) error {
	m := &c.manifest
	ids, embeddings, logits, views, labels, end := m.rowsLayout()
	if err := f.Truncate(end); err != nil {
		return err
	}
	if _, err := f.WriteAt(m.rowsHeader(), 0); err != nil {
		return err
	}
	at := func(offset int64) *bufio.Writer { return bufio.NewWriterSize(io.NewOffsetWriter(f, offset), 1<<20) }
	columns := []*bufio.Writer{at(ids), at(embeddings), at(logits), at(views), at(labels)}
	last, lastView := int64(0), int32(-1)
	first := true
	for t, err := range c.All(ctx) {
		if err != nil {
			return err
		}
		if err := t.ordered(m.Key.Views); err != nil {
			return fmt.Errorf("%w: reading cache %q: %w", ErrCorrupt, c.store.Path(""), err)
		}
		if n := len(t.IDs); n > 0 {
			if !first && (t.IDs[0] < last || t.IDs[0] == last && t.Views[0] <= lastView) {
				return fmt.Errorf("%w: reading cache %q: sample %d follows sample %d", ErrCorrupt, c.store.Path(""), t.IDs[0], last)
			}
			first, last, lastView = false, t.IDs[n-1], t.Views[n-1]
		}
		for i, b := range [][]byte{
			bytesOf(t.IDs), bytesOf(t.Embeddings), bytesOf(t.Logits), bytesOf(t.Views), bytesOf(t.Labels),
		} {
			if _, err := columns[i].Write(b); err != nil {
				return err
			}
		}
	}
	var errs []error
	for _, w := range columns {
		errs = append(errs, w.Flush())
	}
	return errors.Join(errs...)
}

// removeOldRows removes the row files of earlier manifests of this cache's key. What cannot be removed stays.
func (c *Cache) removeOldRows(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	want := c.manifest.rowsHeader()
	for _, e := range entries {
		if !rowsPattern.MatchString(e.Name()) {
			continue
		}
		file := filepath.Join(dir, e.Name())
		head := make([]byte, rowsHead)
		f, err := os.Open(file)
		if err != nil {
			continue
		}
		_, err = io.ReadFull(f, head)
		_ = f.Close()
		const key = len(rowsMagic) + 32
		if err == nil && string(head[:len(rowsMagic)]) == rowsMagic && string(head[key:key+32]) == string(want[key:key+32]) {
			_ = os.Remove(file)
		}
	}
}
