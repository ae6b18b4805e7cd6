package cache

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sync/errgroup"
)

// Cache is a finished cache, open for reading. Its methods may be called from several goroutines.
type Cache struct {
	dir      string
	manifest Manifest
}

// Table is rows of a cache in memory, by id, then view.
type Table struct {
	Rows
	Dim       int // D, width of an embedding
	LogitsDim int // C, width of the logits, 0 without
}

// Open reads the manifest of dir and looks whether the shards are there in their sizes; it reads none of them.
//
// It returns ErrNoCache when there is no manifest, ErrCorrupt naming every file that is missing, cut short or too long,
// and a *MismatchError for a format version that this package does not read.
func Open(dir string) (*Cache, error) {
	m, err := readManifest(dir)
	if err != nil {
		return nil, err
	}
	c := &Cache{dir: dir, manifest: *m}
	var errs []error
	for i := range m.Shards {
		errs = append(errs, c.checkSize(i))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return c, nil
}

// checkSize tells whether shard i is there in its size.
func (c *Cache) checkSize(i int) error {
	info, err := os.Stat(c.path(i))
	if want := c.manifest.Shards[i].Bytes; err == nil && info.Size() != want {
		err = fmt.Errorf("%d bytes, expected %d", info.Size(), want)
	}
	return corrupt(c.path(i), err)
}

// Manifest returns what the cache holds. Its slices are shared.
func (c *Cache) Manifest() Manifest { return c.manifest }

// Rows returns the number of rows.
func (c *Cache) Rows() int { return c.manifest.Rows }

// Dim returns the width of an embedding.
func (c *Cache) Dim() int { return c.manifest.Dim }

// LogitsDim returns the width of the logits, 0 without.
func (c *Cache) LogitsDim() int { return c.manifest.LogitsDim }

// Check returns a *MismatchError that names the differing fields when the cache was made from another key.
func (c *Cache) Check(key Key) error {
	if diffs := c.manifest.Key.Diff(key); len(diffs) > 0 {
		return &MismatchError{Dir: c.dir, Differences: diffs}
	}
	return nil
}

// Load reads all rows, several shards at a time. Each shard is hashed before it is parsed: ErrCorrupt names the first
// one whose bytes are not those of the manifest.
func (c *Cache) Load(ctx context.Context) (*Table, error) { return c.load(ctx, true) }

// LoadUnhashed is Load without the comparison of SHA-256, for who has called Verify and is in a hurry. Pages' checksums,
// widths of rows, ids and views are still looked at.
func (c *Cache) LoadUnhashed(ctx context.Context) (*Table, error) { return c.load(ctx, false) }

func (c *Cache) load(ctx context.Context, hashed bool) (*Table, error) {
	m := &c.manifest
	t := &Table{Rows: newRows(m.Rows, m.Dim, m.LogitsDim), Dim: m.Dim, LogitsDim: m.LogitsDim}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	from := 0
	for i, s := range m.Shards {
		rows := t.slice(from, from+s.Rows, m.Dim, m.LogitsDim)
		group.Go(func() error { return c.loadShard(ctx, i, hashed, rows) })
		from += s.Rows
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if err := t.ordered(m.Key.Views); err != nil {
		return nil, fmt.Errorf("%w: reading cache %q: %w", ErrCorrupt, c.dir, err)
	}
	return t, nil
}

// loadShard fills rows with shard i. Hashing comes first so that only bytes that we wrote are parsed.
func (c *Cache) loadShard(ctx context.Context, i int, hashed bool, rows Rows) error {
	want := c.manifest.Shards[i]
	return withFile(c.path(i), func(f *os.File, size int64) error {
		if hashed {
			if err := want.checkBytes(ctx, f, newDigest()); err != nil {
				return err
			}
		}
		s, err := c.openShard(f, size, i)
		if err != nil {
			return err
		}
		if err := s.read(ctx, s.rows, rows); err != nil {
			return err
		}
		if n := len(rows.IDs); n > 0 && (rows.IDs[0] != want.FirstID || rows.IDs[n-1] != want.LastID) {
			return fmt.Errorf("ids %d to %d, expected %d to %d", rows.IDs[0], rows.IDs[n-1], want.FirstID, want.LastID)
		}
		return nil
	})
}

// openShard opens shard i and compares what it says of itself with the manifest.
func (c *Cache) openShard(f *os.File, size int64, i int) (*shardFile, error) {
	s, err := openShard(f, size)
	if err != nil {
		return nil, err
	}
	if s.shardHeader != (shardHeader{c.manifest.Header, i}) {
		return nil, fmt.Errorf("its header is not that of shard %d of the manifest", i)
	}
	if want := c.manifest.Shards[i].Rows; s.rows != want {
		return nil, fmt.Errorf("%d rows, expected %d", s.rows, want)
	}
	return s, nil
}

func (c *Cache) path(i int) string { return filepath.Join(c.dir, c.manifest.Shards[i].File) }

// ordered tells whether rows ascend by id, then view, with every view below views.
func (r Rows) ordered(views int) error {
	for i, id := range r.IDs {
		if v := r.Views[i]; v < 0 || int(v) >= views {
			return fmt.Errorf("sample %d has view %d, expected less than %d", id, v, views)
		}
		if i > 0 && (id < r.IDs[i-1] || id == r.IDs[i-1] && r.Views[i] <= r.Views[i-1]) {
			return fmt.Errorf("sample %d view %d follows sample %d view %d, expected ascending rows",
				id, r.Views[i], r.IDs[i-1], r.Views[i-1])
		}
	}
	return nil
}

// Head returns the first n rows, or all when there are fewer. It reads only the pages that hold them and does not hash.
func (c *Cache) Head(ctx context.Context, n int) (*Table, error) {
	m := &c.manifest
	n = max(0, min(n, m.Rows))
	t := &Table{Rows: newRows(n, m.Dim, m.LogitsDim), Dim: m.Dim, LogitsDim: m.LogitsDim}
	for i, from := 0, 0; from < n; i++ {
		to := min(n, from+m.Shards[i].Rows)
		err := withFile(c.path(i), func(f *os.File, size int64) error {
			s, err := c.openShard(f, size, i)
			if err != nil {
				return err
			}
			return s.read(ctx, to-from, t.slice(from, to, m.Dim, m.LogitsDim))
		})
		if err != nil {
			return nil, err
		}
		from = to
	}
	return t, nil
}

// Verify checks every byte of the cache in dir: the manifest's checksum, each shard's size and SHA-256, and of the rows
// schema, widths, order and that all values are finite. It goes on after a bad file, so that the error names all of
// them.
//
// It returns what Open returns, and nil when everything is right.
func Verify(ctx context.Context, dir string) error {
	m, err := readManifest(dir)
	if err != nil {
		return err
	}
	c := &Cache{dir: dir, manifest: *m}
	errs := make([]error, len(m.Shards))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, s := range m.Shards {
		group.Go(func() error {
			if errs[i] = c.checkSize(i); errs[i] != nil { // before memory is set aside for it
				return nil
			}
			rows := newRows(s.Rows, m.Dim, m.LogitsDim)
			err := c.loadShard(ctx, i, true, rows)
			if err == nil {
				err = rows.ordered(m.Key.Views)
			}
			if err == nil {
				err = rows.finite(m.Dim, m.LogitsDim)
			}
			errs[i] = corrupt(c.path(i), err)
			return ctx.Err()
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return errors.Join(errs...)
}
