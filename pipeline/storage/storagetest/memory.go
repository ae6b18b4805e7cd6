package storagetest

import (
	"bytes"
	"context"
	"crypto/md5"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"rkd/pipeline/storage"
)

// Memory is a bucket in memory, with faults where a test wants some.
type Memory struct {
	// Before and After are called around each request, List, Stat, Read, Write or Remove; what they return is the
	// request's error. After a request that fails so, what it did stays done.
	Before, After func(request, key string) error
	// NoIfAbsent makes a bucket that ignores creation if absent.
	NoIfAbsent bool
	// NoMD5 makes one that tells no hashes, as S3 does of objects that were uploaded in parts.
	NoMD5 bool

	mu      sync.Mutex
	objects map[string]object
	version int
}

type object struct {
	storage.Object
	data []byte
}

// Buckets are the buckets of a test program, by URL. A new name is an empty bucket.
var Buckets = struct {
	sync.Mutex
	open map[string]*Memory
}{open: map[string]*Memory{}}

func init() {
	storage.Register("mem", func(url string) (storage.Client, error) { return Bucket(url), nil })
}

// Bucket returns the bucket of a URL, mem://NAME.
func Bucket(url string) *Memory {
	Buckets.Lock()
	defer Buckets.Unlock()
	if Buckets.open[url] == nil {
		Buckets.open[url] = &Memory{objects: map[string]object{}}
	}
	return Buckets.open[url]
}

// Keys lists all objects.
func (m *Memory) Keys() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.objects))
}

// Put writes an object as another program would.
func (m *Memory) Put(key, data string) {
	_ = m.Write(context.Background(), key, io.NewSectionReader(strings.NewReader(data), 0, int64(len(data))),
		storage.WriteOptions{})
}

func (m *Memory) around(ctx context.Context, request, key string, do func() error) error {
	if err := ctx.Err(); err != nil {
		return &storage.Fault{Err: err}
	}
	if m.Before != nil {
		if err := m.Before(request, key); err != nil {
			return err
		}
	}
	m.mu.Lock()
	err := do()
	m.mu.Unlock()
	if err == nil && m.After != nil {
		err = m.After(request, key)
	}
	return err
}

var errMissing = fmt.Errorf("no such object")

// get returns an object, while mu is held.
func (m *Memory) get(key string) (object, error) {
	o, ok := m.objects[key]
	if !ok {
		return o, &storage.Fault{Reason: storage.Missing, Status: 404, Err: errMissing}
	}
	if m.NoMD5 {
		o.MD5 = nil
	}
	return o, nil
}

// List lists objects, two a page.
func (m *Memory) List(ctx context.Context, prefix string, deep bool, token []byte) (page []storage.Object, next []byte,
	err error,
) {
	err = m.around(ctx, "List", prefix, func() error {
		for _, key := range slices.Sorted(maps.Keys(m.objects)) {
			rest, ok := strings.CutPrefix(key, prefix)
			if !ok || !deep && strings.Contains(rest, "/") || key <= string(token) {
				continue
			}
			if len(page) == 2 {
				next = []byte(page[1].Key)
				break
			}
			o, _ := m.get(key)
			o.Metadata, o.ETag = nil, "" // listings tell neither
			page = append(page, o.Object)
		}
		return nil
	})
	return page, next, err
}

// Stat looks at an object.
func (m *Memory) Stat(ctx context.Context, key string) (o storage.Object, err error) {
	err = m.around(ctx, "Stat", key, func() error {
		found, err := m.get(key)
		o = found.Object
		return err
	})
	return o, err
}

// Read reads a part of an object.
func (m *Memory) Read(ctx context.Context, key string, offset int64, p []byte) (o storage.Object, err error) {
	err = m.around(ctx, "Read", key, func() error {
		found, err := m.get(key)
		if err != nil {
			return err
		}
		o = storage.Object{Key: key, Size: found.Size, ModTime: found.ModTime}
		if n, err := bytes.NewReader(found.data).ReadAt(p, offset); n < len(p) {
			return &storage.Fault{Err: err}
		}
		return nil
	})
	return o, err
}

// Write writes an object.
func (m *Memory) Write(ctx context.Context, key string, content *io.SectionReader, w storage.WriteOptions) error {
	data, err := io.ReadAll(content)
	if err != nil {
		return &storage.Fault{Err: err}
	}
	return m.around(ctx, "Write", key, func() error {
		if _, ok := m.objects[key]; ok && w.IfAbsent && !m.NoIfAbsent {
			return &storage.Fault{Reason: storage.Taken, Status: 412, Code: "PreconditionFailed"}
		}
		m.version++
		sum := md5.Sum(data)
		m.objects[key] = object{storage.Object{
			Key: key, Size: int64(len(data)), ModTime: time.Unix(1e9+int64(m.version), 0), MD5: sum[:],
			ETag: strconv.Itoa(m.version), Metadata: w.Metadata,
		}, data}
		return nil
	})
}

// Remove removes an object.
func (m *Memory) Remove(ctx context.Context, key string) error {
	return m.around(ctx, "Remove", key, func() error {
		_, err := m.get(key)
		delete(m.objects, key)
		return err
	})
}
