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
	"os"
	"path/filepath"
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

// describe returns the manifest's entry of a shard.
func describe(path string, rows Rows, d *digest) Shard {
	s := Shard{File: filepath.Base(path), Rows: len(rows.IDs), Bytes: d.bytes, SHA256: d.hex()}
	if s.Rows > 0 {
		s.FirstID, s.LastID = rows.IDs[0], rows.IDs[s.Rows-1]
	}
	return s
}

// withFile opens a shard's file and calls read with it and its size. What goes wrong, a panic of the parser included, is
// ErrCorrupt and names the file; an error of the context or a MismatchError comes back as it is.
func withFile(path string, read func(f *os.File, size int64) error) error {
	f, err := openRegular(path)
	if err != nil {
		return corrupt(path, err)
	}
	err = guard(func() error {
		info, err := f.Stat()
		if err != nil {
			return err
		}
		return read(f, info.Size())
	})
	return corrupt(path, errors.Join(err, f.Close()))
}

// openRegular opens a file to read, and refuses a folder, which would open as well.
func openRegular(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	return os.Open(path)
}

// corrupt names the shard in err.
func corrupt(path string, err error) error {
	switch {
	case err == nil, errors.Is(err, ErrCorrupt), errors.Is(err, ErrMismatch),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: shard %q is missing", ErrCorrupt, path)
	}
	return fmt.Errorf("%w: reading shard %q: %w", ErrCorrupt, path, err)
}

// check tells whether the planned shard i is on disk and whole. With a manifest its SHA-256 decides. Without one the
// shard's rows are held against the plan and written again: the bytes that come out must be the bytes that are there, so
// that a change is noticed anywhere in the file, not only where Parquet has checksums.
func (w *Writer) check(ctx context.Context, i int) (*finished, error) {
	path := w.path(i)
	out := new(finished)
	err := withFile(path, func(f *os.File, size int64) error {
		d := newDigest()
		if w.old != nil {
			if err := w.old.Shards[i].checkBytes(ctx, f, d); err != nil {
				return err
			}
		}
		s, err := openShard(f, size)
		if err != nil {
			return err
		}
		want := shardHeader{w.header, i}
		if s.shardHeader != want {
			return fmt.Errorf("it calls itself shard %d of another plan, expected shard %d", s.Shard, i)
		}
		if planned := w.plan.planned(i); s.rows > planned {
			return fmt.Errorf("%d rows, expected at most %d", s.rows, planned)
		}
		rows := newRows(s.rows, s.Dim, s.LogitsDim)
		if err := s.read(ctx, s.rows, rows); err != nil {
			return err
		}
		skipped, err := w.plan.fit(i, rows)
		if err != nil {
			return err
		}
		if w.old == nil {
			if err := compareEncoding(ctx, f, d, want, rows); err != nil {
				return err
			}
		}
		*out = finished{describe(path, rows, d), skipped}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// compareEncoding encodes rows into d and compares each byte with f's.
func compareEncoding(ctx context.Context, f io.ReaderAt, d *digest, h shardHeader, rows Rows) error {
	there := &comparer{ctx: ctx, file: f}
	if err := encodeShard(io.MultiWriter(there, d), h, rows); err != nil {
		return err
	}
	if n, err := f.ReadAt(make([]byte, 1), d.bytes); n > 0 || !errors.Is(err, io.EOF) {
		return fmt.Errorf("it goes on after byte %d, where its rows end", d.bytes)
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

// newRows sets memory aside for n rows.
func newRows(n, dim, logitsDim int) Rows {
	r := Rows{
		IDs: make([]int64, n), Views: make([]int32, n), Labels: make([]int32, n), Embeddings: make([]float32, n*dim),
	}
	if logitsDim > 0 {
		r.Logits = make([]float32, n*logitsDim)
	}
	return r
}

// slice returns rows [from, to) of r.
func (r Rows) slice(from, to, dim, logitsDim int) Rows {
	s := Rows{
		IDs: r.IDs[from:to], Views: r.Views[from:to], Labels: r.Labels[from:to],
		Embeddings: r.Embeddings[from*dim : to*dim],
	}
	if logitsDim > 0 {
		s.Logits = r.Logits[from*logitsDim : to*logitsDim]
	}
	return s
}
