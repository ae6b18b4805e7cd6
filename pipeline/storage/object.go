package storage

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"

	"rkd/datasets/fault"
)

// errChanged reports an object that another one took the place of while it was read.
var errChanged = errors.New("it was replaced while it was read")

// object is one version of an object.
type object struct {
	Object
	client   *client
	location string
	sum      string // SHA-256, where rkd has written it
}

// version names the object and what is in it.
func (o *object) version() string {
	return fmt.Sprintf("%s %s %d %d %x", o.location, o.ETag, o.Size, o.ModTime.UnixNano(), o.MD5)
}

// readAt reads a part.
func (o *object) readAt(ctx context.Context, p []byte, offset int64) error {
	return explain(ctx, retry(ctx, func() error {
		there, err := o.client.Read(ctx, o.Key, offset, p)
		if err == nil && (there.Size != o.Size || !there.ModTime.IsZero() && there.ModTime.Unix() != o.ModTime.Unix()) {
			err = &Fault{Reason: Refused, Err: errChanged}
		}
		return err
	}))
}

// download reads the whole object, several parts at a time.
func (o *object) download(ctx context.Context, w io.WriterAt) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for offset := int64(0); offset < o.Size; offset += partBytes {
		group.Go(fault.Guard(func() error {
			part := make([]byte, min(partBytes, o.Size-offset))
			if err := o.readAt(ctx, part, offset); err != nil {
				return err
			}
			_, err := w.WriteAt(part, offset)
			return err
		}))
	}
	return group.Wait()
}

// check compares what was read with what the store, or who wrote the object, says of it. It returns the SHA-256.
func (o *object) check(content io.Reader) (sum string, err error) {
	s, m := sha256.New(), md5.New()
	into := io.Writer(s)
	if o.MD5 != nil && o.sum == "" {
		into = io.MultiWriter(s, m)
	}
	if _, err := io.Copy(into, content); err != nil {
		return "", err
	}
	sum = hex.EncodeToString(s.Sum(nil))
	switch {
	case o.sum != "" && sum != o.sum:
		return "", fmt.Errorf("%q has SHA-256 %s, expected %s", o.location, sum, o.sum)
	case o.sum == "" && o.MD5 != nil && !bytes.Equal(m.Sum(nil), o.MD5):
		return "", fmt.Errorf("%q has MD5 %x, expected %x", o.location, m.Sum(nil), o.MD5)
	}
	return sum, nil
}

// open opens a local copy of the object or, where there can be none, the object itself.
func (o *object) open(ctx context.Context) (File, error) {
	if c := copies.Load(); c != nil && o.Size <= c.limit {
		f, err := c.open(ctx, o)
		if err == nil || !errors.Is(err, errNoCopy) {
			return f, err
		}
	}
	return &ranges{ctx, o}, nil
}

// ranges is an object that is read part by part, as it is asked for.
type ranges struct {
	ctx context.Context // of who opened it
	*object
}

func (r *ranges) Size() int64  { return r.Object.Size }
func (r *ranges) Close() error { return nil }

func (r *ranges) ReadAt(p []byte, offset int64) (int, error) {
	if offset < 0 || offset > r.Size() {
		return 0, io.EOF
	}
	n := min(int64(len(p)), r.Size()-offset)
	if n > 0 {
		if err := r.readAt(r.ctx, p[:n], offset); err != nil {
			return 0, err
		}
	}
	if n < int64(len(p)) {
		return int(n), io.EOF
	}
	return int(n), nil
}

// memory is a small object.
type memory struct{ *bytes.Reader }

func (memory) Close() error { return nil }

// sectionWriter is memory that parts are written into.
type sectionWriter []byte

func (s sectionWriter) WriteAt(p []byte, offset int64) (int, error) { return copy(s[offset:], p), nil }
