package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"rkd/datasets/fault"
)

// Cache is a finished cache, open for reading. Its methods may be called from several goroutines.
type Cache struct {
	store    Store
	manifest Manifest
}

// Table is rows of a cache in memory, by id, then view.
type Table struct {
	Rows
	Dim       int // D, width of an embedding
	LogitsDim int // C, width of the logits, 0 without

	unmap func() error // of a table that Map returned
}

// Open reads the manifest of dir and checks that each shard exists and has the size that the manifest lists. It reads
// no shard.
//
// It returns ErrNoCache when there is no manifest, ErrCorrupt naming every file that is missing, cut short or too long,
// and a *MismatchError for a format version that this package does not read.
func Open(ctx context.Context, dir string) (*Cache, error) {
	store := openStore(dir)
	m, err := readManifest(ctx, store)
	if err != nil {
		return nil, err
	}
	c := &Cache{store: store, manifest: *m}
	return c, c.checkSizes(ctx)
}

// checkSizes compares the sizes of all files with the manifest, by one listing.
func (c *Cache) checkSizes(ctx context.Context) error {
	entries, err := c.store.List(ctx)
	if err != nil {
		return fmt.Errorf("reading cache %q: %w", c.store.Path(""), err)
	}
	sizes := make(map[string]int64, len(entries))
	for _, e := range entries {
		sizes[e.Name] = e.Bytes
	}
	var errs []error
	check := func(name string, want int64) {
		size, ok := sizes[name]
		switch {
		case !ok:
			errs = append(errs, corrupt(c.store.Path(name), fs.ErrNotExist))
		case size != want:
			errs = append(errs, corrupt(c.store.Path(name), fmt.Errorf("%d bytes, expected %d", size, want)))
		}
	}
	for _, s := range c.manifest.Shards {
		check(s.File, s.Bytes)
	}
	for _, f := range []*ContentFile{c.manifest.Index, c.manifest.Table} {
		if f != nil {
			check(f.File, f.Bytes)
		}
	}
	return errors.Join(errs...)
}

// Manifest returns what the cache holds. Its slices are shared.
func (c *Cache) Manifest() Manifest { return c.manifest }

// DrawsByID tells whether views were drawn by the samples' ids, as in caches of version 1; later ones draw by content.
func (c *Cache) DrawsByID() bool { return c.manifest.FormatVersion == 1 }

// Rows returns the number of rows.
func (c *Cache) Rows() int { return c.manifest.Rows }

// Dim returns the width of an embedding.
func (c *Cache) Dim() int { return c.manifest.Dim }

// LogitsDim returns the width of the logits, 0 without.
func (c *Cache) LogitsDim() int { return c.manifest.LogitsDim }

// Check returns a *MismatchError that names the differing fields when the cache was made from another key.
func (c *Cache) Check(key Key) error {
	if diffs := c.manifest.Key.Diff(key); len(diffs) > 0 {
		return &MismatchError{Dir: c.store.Path(""), Differences: diffs}
	}
	return nil
}

// Load reads all rows, several shards at a time. Each shard is hashed before it is parsed: ErrCorrupt names the first
// one whose bytes are not those of the manifest.
func (c *Cache) Load(ctx context.Context) (*Table, error) { return c.load(ctx, true) }

// LoadUnhashed is Load without the comparison of SHA-256, for callers that have just called Verify. Pages' checksums,
// widths of rows, ids and views are still checked.
func (c *Cache) LoadUnhashed(ctx context.Context) (*Table, error) { return c.load(ctx, false) }

func (c *Cache) load(ctx context.Context, hashed bool) (*Table, error) {
	m := &c.manifest
	t := &Table{Rows: newRows(m.Rows, m.Dim, m.LogitsDim), Dim: m.Dim, LogitsDim: m.LogitsDim}
	var err error
	if m.Index != nil {
		err = c.gather(ctx, hashed, t)
	} else {
		err = c.concat(ctx, hashed, t)
	}
	if err != nil {
		return nil, err
	}
	if err := t.ordered(m.Key.Views); err != nil {
		return nil, fmt.Errorf("%w: reading cache %q: %w", ErrCorrupt, c.store.Path(""), err)
	}
	return t, nil
}

// concat fills a table with the shards' rows, one shard after the other.
func (c *Cache) concat(ctx context.Context, hashed bool, t *Table) error {
	m := &c.manifest
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	from := 0
	for i, s := range m.Shards {
		rows := t.slice(from, from+s.Rows, m.Dim, m.LogitsDim)
		group.Go(fault.Guard(func() error {
			return c.withShard(ctx, i, hashed, func(s *shardFile) error {
				err := s.read(ctx, s.rows, rows)
				if err == nil {
					err = rows.between(m.Shards[i])
				}
				return err
			})
		}))
		from += s.Rows
	}
	return group.Wait()
}

// between tells whether rows begin and end with the ids that the manifest says.
func (r Rows) between(want Shard) error {
	if n := len(r.IDs); n > 0 && (r.IDs[0] != want.FirstID || r.IDs[n-1] != want.LastID) {
		return fmt.Errorf("ids %d to %d, expected %d to %d", r.IDs[0], r.IDs[n-1], want.FirstID, want.LastID)
	}
	return nil
}

// gather fills a table with the rows that the index names, wherever they lie.
func (c *Cache) gather(ctx context.Context, hashed bool, t *Table) error {
	x, err := c.readIndex(ctx)
	if err != nil {
		return err
	}
	m := &c.manifest
	t.IDs, t.Views, t.Labels = x.IDs, x.Views, x.Labels
	wanted := make([][]rowAt, len(m.Shards))
	for row, p := range x.places {
		wanted[p[0]] = append(wanted[p[0]], rowAt{p[1], row})
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, rows := range wanted {
		slices.SortFunc(rows, func(a, b rowAt) int { return a.row - b.row })
		group.Go(fault.Guard(func() error {
			return c.withShard(ctx, i, hashed, func(s *shardFile) error { return s.scatter(ctx, rows, t, false) })
		}))
	}
	return group.Wait()
}

// withShard opens shard i, compares it with the manifest and calls read. It hashes first, so that only bytes that we
// wrote are parsed.
func (c *Cache) withShard(ctx context.Context, i int, hashed bool, read func(*shardFile) error) error {
	want := c.manifest.Shards[i]
	return withFile(ctx, c.store, want.File, func(f File) error {
		if hashed {
			if err := want.checkBytes(ctx, f, newDigest()); err != nil {
				return err
			}
		}
		s, err := openShard(f, f.Size())
		if err != nil {
			return err
		}
		m := &c.manifest
		if m.Index == nil && s.shardHeader != (shardHeader{m.Header, i}) || s.Dim != m.Dim || s.LogitsDim != m.LogitsDim ||
			len(s.Key.Differ(m.Key)) > 0 {
			return fmt.Errorf("its header is not that of shard %d of the manifest", i)
		}
		if s.rows != want.Rows {
			return fmt.Errorf("%d rows, expected %d", s.rows, want.Rows)
		}
		return read(s)
	})
}

// Head returns the first n rows, or all when there are fewer, with what the shards tell of them. It reads only the
// pages that hold them and does not hash.
func (c *Cache) Head(ctx context.Context, n int) (*Table, error) {
	m := &c.manifest
	n = max(0, min(n, m.Rows))
	if m.Index != nil {
		rows := make([]int, n)
		for i := range rows {
			rows[i] = i
		}
		return c.Select(ctx, rows)
	}
	t := &Table{Rows: newRows(n, m.Dim, m.LogitsDim), Dim: m.Dim, LogitsDim: m.LogitsDim}
	t.About = make([]About, n)
	for i, from := 0, 0; from < n; i++ {
		to := min(n, from+m.Shards[i].Rows)
		err := c.withShard(ctx, i, false, func(s *shardFile) error {
			return s.read(ctx, to-from, t.slice(from, to, m.Dim, m.LogitsDim))
		})
		if err != nil {
			return nil, err
		}
		from = to
	}
	return t, nil
}

// Verify checks every byte of the cache in dir: the manifest's checksum, each file's size and SHA-256, and of the rows
// schema, widths, order and that all values are finite. It goes on after a bad file, so that the error names all of
// them. A block of rows a core is in memory.
//
// It returns what Open returns, and nil when everything is right.
func Verify(ctx context.Context, dir string) error {
	store := openStore(dir)
	m, err := readManifest(ctx, store)
	if err != nil {
		return err
	}
	c := &Cache{store: store, manifest: *m}
	errs := make([]error, len(m.Shards)+1)
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := range m.Shards {
		group.Go(fault.Guard(func() error {
			errs[i] = c.withShard(ctx, i, true, func(s *shardFile) error { return s.verify(ctx, m.Shards[i]) })
			return ctx.Err()
		}))
	}
	if m.Index != nil {
		x, err := c.readIndex(ctx)
		if err == nil {
			err = corrupt(store.Path(m.Index.File), x.ordered(m.Key.Views))
		}
		errs[len(m.Shards)] = err
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return errors.Join(errs...)
}

// verify looks at every value of the shard.
func (s *shardFile) verify(ctx context.Context, want Shard) error {
	var names Rows
	for rows, err := range s.blocks(ctx) {
		if err == nil {
			err = rows.finite(s.Dim, s.LogitsDim)
		}
		if err != nil {
			return err
		}
		names.append(Rows{IDs: rows.IDs, Views: rows.Views})
	}
	if err := names.ordered(s.Key.Views); err != nil {
		return err
	}
	return names.between(want)
}

// checkHashes compares the bytes of every shard with the manifest's SHA-256, several at a time.
func (c *Cache) checkHashes(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, s := range c.manifest.Shards {
		group.Go(fault.Guard(func() error {
			return withFile(ctx, c.store, s.File, func(f File) error { return s.checkBytes(ctx, f, newDigest()) })
		}))
	}
	return group.Wait()
}
