package storage

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// Sizes of requests. Objects up to smallBytes are read whole and into memory; larger ones in parts, several at a time.
const (
	smallBytes = 1 << 20
	partBytes  = 8 << 20
	parallel   = 8
	mostParts  = 9000 // S3 takes 10,000
)

// The entries of an object's metadata: the SHA-256 of its bytes, and a random number that only its writer knows.
const (
	sumEntry    = "rkdsha256"
	writerEntry = "rkdwriter"
)

// bucket is the Store of the objects of a bucket under a prefix.
type bucket struct {
	location    string
	url, prefix string
	err         error // of the location
}

func newBucket(location string) *bucket {
	b := &bucket{location: location}
	b.url, b.prefix, b.err = bucketOf(location)
	return b
}

func (b *bucket) connect() (*client, error) {
	if b.err != nil {
		return nil, b.err
	}
	return connect(b.url)
}

func (b *bucket) Path(name string) string {
	if name == "" {
		return b.location
	}
	return Join(b.location, name)
}

func (b *bucket) List(ctx context.Context) ([]Entry, error) {
	var entries []Entry
	err := b.each(ctx, false, func(o Object, name string) error {
		entries = append(entries, Entry{name, o.Size})
		return nil
	})
	return entries, err
}

// each calls visit with the name and object of every file of the folder; with deep also of the folders in it.
func (b *bucket) each(ctx context.Context, deep bool, visit func(o Object, name string) error) error {
	c, err := b.connect()
	if err != nil {
		return err
	}
	var token []byte
	for {
		var page []Object
		var next []byte
		err := retry(ctx, func() (err error) {
			page, next, err = c.List(ctx, b.prefix, deep, token)
			return err
		})
		if err != nil {
			return explain(ctx, err)
		}
		for _, o := range page {
			if strings.HasSuffix(o.Key, "/") { // what some programs make for an empty folder
				continue
			}
			if err := visit(o, strings.TrimPrefix(o.Key, b.prefix)); err != nil {
				return err
			}
		}
		if token = next; len(token) == 0 {
			return nil
		}
	}
}

// mostReplaced bounds how often Open begins again with a small object that others replace while it is read.
const mostReplaced = 16

func (b *bucket) Open(ctx context.Context, name string) (File, error) {
	for replaced := 0; ; replaced++ {
		o, err := b.object(ctx, name)
		if err != nil {
			return nil, err
		}
		if o.Size > smallBytes {
			return o.open(ctx)
		}
		data := make(sectionWriter, o.Size)
		if err = o.download(ctx, data); err == nil {
			return memory{bytes.NewReader(data)}, nil
		}
		if !errors.Is(err, errChanged) || replaced == mostReplaced {
			return nil, err
		}
	}
}

// object looks at an object.
func (b *bucket) object(ctx context.Context, name string) (*object, error) {
	c, err := b.connect()
	if err != nil {
		return nil, err
	}
	o := &object{client: c, location: b.Path(name)}
	err = retry(ctx, func() (err error) {
		o.Object, err = c.Stat(ctx, b.prefix+name)
		return err
	})
	if err != nil {
		return nil, explain(ctx, err)
	}
	if sum := o.Metadata[sumEntry]; len(sum) == hex.EncodedLen(sha256.Size) {
		o.sum = sum
	}
	return o, nil
}

func (b *bucket) Create(ctx context.Context, name string, write func(io.Writer) error) error {
	c, err := b.connect()
	if err == nil {
		err = c.createsIfAbsent(ctx, b.prefix)
	}
	if err != nil {
		return err
	}
	return b.put(ctx, c, name, write, true)
}

func (b *bucket) Replace(ctx context.Context, name string, write func(io.Writer) error) error {
	c, err := b.connect()
	if err != nil {
		return err
	}
	return b.put(ctx, c, name, write, false)
}

// put writes an object. Its bytes are written to a local file first, so that their SHA-256 is known and a request that
// fails can be repeated.
func (b *bucket) put(ctx context.Context, c *client, name string, write func(io.Writer) error, absent bool) (
	err error,
) {
	spool, err := newSpool()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, spool.discard()) }()
	sum := sha256.New()
	counted := &countingWriter{w: io.MultiWriter(spool, sum)}
	if err := write(counted); err != nil {
		return err
	}
	return c.upload(ctx, b.prefix+name, io.NewSectionReader(spool, 0, counted.n), hex.EncodeToString(sum.Sum(nil)), absent)
}

// upload writes an object of known content, in parts where it is large.
func (c *client) upload(ctx context.Context, key string, content *io.SectionReader, sum string, absent bool) error {
	writer := rand.Text()
	options := WriteOptions{
		IfAbsent: absent, Metadata: map[string]string{sumEntry: sum, writerEntry: writer},
		PartBytes: int(max(partBytes, content.Size()/mostParts)), Parallel: parallel,
	}
	err := retry(ctx, func() error {
		return c.Write(ctx, key, io.NewSectionReader(content, 0, content.Size()), options)
	})
	if err != nil && absent && kindOf(ctx, err) == taken {
		// An earlier try of ours may have succeeded without our hearing of it.
		there, statErr := c.Stat(ctx, key)
		if statErr == nil && there.Metadata[writerEntry] == writer {
			return nil
		}
	}
	return explain(ctx, err)
}

// createsIfAbsent makes sure, once a process, that the bucket refuses to create an object that exists.
func (c *client) createsIfAbsent(ctx context.Context, prefix string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.creates {
		return nil
	}
	key := prefix + ".rkd-probe-" + rand.Text()
	try := func() error {
		return retry(ctx, func() error {
			return c.Write(ctx, key, io.NewSectionReader(strings.NewReader("?"), 0, 1), WriteOptions{IfAbsent: true})
		})
	}
	if err := try(); err != nil && kindOf(ctx, err) != taken { // taken by a try whose answer was lost
		return explain(ctx, err)
	}
	err := try()
	_ = retry(context.WithoutCancel(ctx), func() error { return c.Remove(ctx, key) }) // who may not delete may write
	switch {
	case err == nil:
		return fmt.Errorf("%w: it has no creation if absent (If-None-Match): two writers would overwrite each other",
			ErrRefused)
	case kindOf(ctx, err) != taken:
		return explain(ctx, err)
	}
	c.creates = true
	return nil
}

func (b *bucket) Remove(ctx context.Context, name string) error {
	c, err := b.connect()
	if err != nil {
		return err
	}
	err = explain(ctx, retry(ctx, func() error { return c.Remove(ctx, b.prefix+name) }))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Sweep does nothing: an object has its name only when it is whole.
func (b *bucket) Sweep(context.Context, func(string) bool) error { return nil }

// spool is a local temporary file that holds the content of an upload, so that a failed request can be repeated.
type spool struct{ *os.File }

func newSpool() (*spool, error) {
	f, err := os.CreateTemp(spoolDir(), "rkd-*.upload")
	if err != nil {
		return nil, fmt.Errorf("making a file for an upload: %w", err)
	}
	return &spool{f}, nil
}

func (s *spool) discard() error { return errors.Join(s.Close(), removeFile(s.Name())) }

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
