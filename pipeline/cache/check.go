package cache

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"

	"rkd/datasets/parquetfile"
	"rkd/pipeline/storage"
)

// digest counts and hashes what is written to it.
type digest struct {
	hash.Hash
	bytes int64
}

func newDigest() *digest { return &digest{Hash: sha256.New()} }

func (d *digest) Write(p []byte) (int, error) {
	d.bytes += int64(len(p))
	return d.Hash.Write(p)
}

func (d *digest) hex() string { return hex.EncodeToString(d.Sum(nil)) }

// finished is a shard that has its final name and has been checked.
type finished struct {
	Shard
	skipped []int64 // ids of planned samples with an absent row, ascending
}

// add counts rows of the shard, of those that are planned the ones that are present.
func (f *finished) add(rows, planned Rows, present []bool) {
	if n := len(rows.IDs); n > 0 {
		if f.Rows == 0 {
			f.FirstID = rows.IDs[0]
		}
		f.LastID = rows.IDs[n-1]
		f.Rows += n
	}
	for i, ok := range present {
		if id := planned.IDs[i]; !ok && (len(f.skipped) == 0 || f.skipped[len(f.skipped)-1] != id) {
			f.skipped = append(f.skipped, id)
		}
	}
}

// withFile opens a file and calls read with it. An error, a panic of the parser included, becomes an ErrCorrupt that
// names the file; an error of the context and a MismatchError are returned unchanged.
func withFile(ctx context.Context, store Store, name string, read func(File) error) error {
	f, err := store.Open(ctx, name)
	if err != nil {
		return corrupt(store.Path(name), err)
	}
	err = parquetfile.Guard(func() error { return read(f) })
	return corrupt(store.Path(name), errors.Join(err, f.Close()))
}

// corrupt names the file in err.
func corrupt(path string, err error) error {
	switch {
	case err == nil, errors.Is(err, ErrCorrupt), errors.Is(err, ErrMismatch), storage.IsOutage(err),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %q is missing", ErrCorrupt, path)
	}
	return fmt.Errorf("%w: reading %q: %w", ErrCorrupt, path, err)
}

func (w *Writer) check(ctx context.Context, i int) (*finished, error) {
	return w.plan.check(ctx, w.store, w.known, i)
}

// check checks the file of the planned shard i. If it is known, by a manifest, its SHA-256 decides. Otherwise the rows
// are compared with the plan and encoded again, and the encoding must equal the file: that finds a change anywhere in
// the file, also where Parquet has no checksums.
func (p *planned) check(ctx context.Context, store Store, known map[string]*Shard, i int) (out *finished, err error) {
	name := shardName(p.Plan, i, p.ShardCount)
	err = withFile(ctx, store, name, func(f File) error {
		d := newDigest()
		listed := known[name]
		if listed != nil {
			if err := listed.checkBytes(ctx, f, d); err != nil {
				return err
			}
		}
		s, err := openShard(f, f.Size())
		if err != nil {
			return err
		}
		want := p.shardHeader(i)
		if diffs := s.Key.Differ(want.Key); len(diffs) > 0 {
			return &MismatchError{Dir: store.Path(""), Differences: diffs}
		}
		if s.shardHeader != want {
			return fmt.Errorf("its header says shard %d of another plan, expected shard %d", s.Shard, i)
		}
		n := p.planned(i)
		if s.rows > n {
			return fmt.Errorf("%d rows, expected at most %d", s.rows, n)
		}
		rows := newRows(s.rows, 0, 0)
		rows.Embeddings, rows.Logits = nil, nil // those of the shard are checked below, a block at a time
		if err := s.read(ctx, s.rows, rows); err != nil {
			return err
		}
		planned := p.rows(i, 0, n)
		present, err := rows.fit(planned, 0, 0)
		if err != nil {
			return err
		}
		if listed == nil {
			if err := compareEncoding(ctx, f, d, s, rows.About); err != nil {
				return err
			}
		}
		out = &finished{Shard: Shard{File: name, Bytes: d.bytes, SHA256: d.hex()}}
		out.add(rows, planned, present)
		return nil
	})
	return out, err
}

// compareEncoding encodes the rows of a shard, which are those of the given samples, into d and compares each byte with
// the file's.
func compareEncoding(ctx context.Context, f File, d *digest, s *shardFile, about []About) error {
	there := &comparer{ctx: ctx, file: f}
	from := 0
	err := encodeShard(io.MultiWriter(there, d), s.shardHeader, func(yield func(Rows, error) bool) {
		for rows, err := range s.blocks(ctx) {
			for j := range rows.About {
				rows.About[j].Sample = about[from+j].Sample // how a view was drawn is not in the plan
			}
			from += len(rows.IDs)
			if err == nil {
				err = rows.finite(s.Dim, s.LogitsDim)
			}
			if !yield(rows, err) {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	if n, err := f.ReadAt(make([]byte, 1), d.bytes); n > 0 || !errors.Is(err, io.EOF) {
		return fmt.Errorf("it has further bytes after byte %d, where its rows end", d.bytes)
	}
	return nil
}

// comparer is a writer that fails at the first byte that is not the file's.
type comparer struct {
	ctx    context.Context
	file   io.ReaderAt
	offset int64
	buf    []byte
}

func (c *comparer) Write(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	if cap(c.buf) < len(p) {
		c.buf = make([]byte, len(p))
	}
	there := c.buf[:len(p)]
	if _, err := c.file.ReadAt(there, c.offset); err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	if !bytes.Equal(there, p) {
		return 0, fmt.Errorf("its bytes between %d and %d are not those that its rows are written as",
			c.offset, c.offset+int64(len(p)))
	}
	c.offset += int64(len(p))
	return len(p), nil
}

// checkBytes hashes the file of a shard into d and compares the result with what the manifest says.
func (s Shard) checkBytes(ctx context.Context, f io.ReaderAt, d *digest) error {
	buf := make([]byte, 128<<10)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := f.ReadAt(buf, d.bytes)
		_, _ = d.Write(buf[:n]) // a hash never fails
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if d.bytes != s.Bytes {
		return fmt.Errorf("%d bytes, expected %d", d.bytes, s.Bytes)
	}
	if sum := d.hex(); sum != s.SHA256 {
		return fmt.Errorf("its SHA-256 is %s, expected %s: its bytes changed since they were written",
			brief(sum), brief(s.SHA256))
	}
	return nil
}
