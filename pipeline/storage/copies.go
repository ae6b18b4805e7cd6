package storage

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
)

// copies are those of this process, nil without.
var copies atomic.Pointer[copyFolder]

// Keep makes this process keep local copies of large objects in dir, of limit bytes together. Processes share a folder.
func Keep(dir string, limit int64) { copies.Store(&copyFolder{dir: dir, limit: limit}) }

// spoolDir is where files for uploads lie, empty for the system's folder.
func spoolDir() string {
	c := copies.Load()
	if c == nil || os.MkdirAll(c.dir, 0o755) != nil {
		return ""
	}
	return c.dir
}

// errNoCopy reports that no copy could be written here.
var errNoCopy = errors.New("no local copy")

// copyFolder holds copies of objects. A copy is named after the SHA-256 of what is in it or, where that is not known
// before it has been read, after the object's version and that SHA-256.
type copyFolder struct {
	dir     string
	limit   int64
	flight  singleflight.Group
	checked sync.Map // path to when the file that was checked was written
}

// open opens the copy of an object, which is made when it is not there. Its bytes are compared with its SHA-256 when
// this process first opens it.
func (c *copyFolder) open(ctx context.Context, o *object) (File, error) {
	for {
		path, err, _ := c.flight.Do(o.version(), func() (any, error) { return c.ready(ctx, o) })
		if err != nil {
			return nil, err
		}
		f, err := os.Open(path.(string))
		if errors.Is(err, os.ErrNotExist) { // removed in between by another process
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errNoCopy, err)
		}
		return osFile{f, o.Size}, nil
	}
}

// ready makes sure that there is a whole copy.
func (c *copyFolder) ready(ctx context.Context, o *object) (path string, err error) {
	if path = c.find(o); path != "" {
		sum := path[len(path)-hex.EncodedLen(sha256.Size):]
		if c.intact(path, sum, o.Size) {
			now := time.Now()
			_ = os.Chtimes(path, now, now) // used last, see bound
			return path, nil
		}
		if err := removeFile(path); err != nil {
			return "", fmt.Errorf("%w: %w", errNoCopy, err)
		}
	}
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return "", fmt.Errorf("%w: %w", errNoCopy, err)
	}
	f, err := os.CreateTemp(c.dir, "rkd-*.download")
	if err != nil {
		return "", fmt.Errorf("%w: %w", errNoCopy, err)
	}
	defer func() { err = errors.Join(err, f.Close(), removeFile(f.Name())) }()
	local := &localWriter{f: f}
	if err := o.download(ctx, local); err != nil {
		if local.err != nil {
			return "", fmt.Errorf("%w: %w", errNoCopy, local.err)
		}
		return "", err
	}
	sum, err := o.check(io.NewSectionReader(f, 0, o.Size))
	if err != nil {
		return "", fmt.Errorf("%w (%w)", ErrUnreachable, err)
	}
	path = c.name(o, sum)
	if err := os.Rename(f.Name(), path); err != nil {
		return "", fmt.Errorf("%w: %w", errNoCopy, err)
	}
	if info, err := f.Stat(); err == nil {
		c.checked.Store(path, info.ModTime())
	}
	return path, c.bound(path)
}

// localWriter remembers that writing a local file failed.
type localWriter struct {
	f   *os.File
	err error
	mu  sync.Mutex
}

func (w *localWriter) WriteAt(p []byte, offset int64) (int, error) {
	n, err := w.f.WriteAt(p, offset)
	if err != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.err = cmp.Or(w.err, err)
	}
	return n, err
}

// name is the path of a copy with what is in it.
func (c *copyFolder) name(o *object, sum string) string {
	if o.sum == "" {
		v := sha256.Sum256([]byte(o.version()))
		sum = hex.EncodeToString(v[:]) + "-" + sum
	}
	return filepath.Join(c.dir, sum)
}

// find returns the path of the copy of an object, or nothing.
func (c *copyFolder) find(o *object) string {
	if o.sum != "" {
		path := c.name(o, o.sum)
		if _, err := os.Stat(path); err != nil {
			return ""
		}
		return path
	}
	found, err := filepath.Glob(c.name(o, "*"))
	if err != nil || len(found) == 0 {
		return ""
	}
	return found[0]
}

// intact tells whether a copy is what was read.
func (c *copyFolder) intact(path, sum string, size int64) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() != size {
		return false
	}
	if _, ok := c.checked.Load(path); ok {
		return true
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil || hex.EncodeToString(h.Sum(nil)) != sum {
		return false
	}
	c.checked.Store(path, info.ModTime())
	return true
}

// bound removes the least recently used copies until the rest is within the limit; newest stays. A process that has a
// removed one open goes on reading it. Temporary files of killed processes are removed after a day.
func (c *copyFolder) bound(newest string) error {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return fmt.Errorf("%w: %w", errNoCopy, err)
	}
	var infos []os.FileInfo
	total := int64(0)
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		if strings.HasPrefix(e.Name(), "rkd-") { // being written
			if time.Since(info.ModTime()) > 24*time.Hour {
				_ = removeFile(filepath.Join(c.dir, e.Name()))
			}
			continue
		}
		infos = append(infos, info)
		total += info.Size()
	}
	slices.SortFunc(infos, func(a, b os.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
	for _, info := range infos {
		path := filepath.Join(c.dir, info.Name())
		if total <= c.limit || path == newest {
			continue
		}
		if err := removeFile(path); err != nil {
			return fmt.Errorf("%w: %w", errNoCopy, err)
		}
		total -= info.Size()
	}
	return nil
}
