package storage

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"rkd/datasets/fault"
)

// Tree is a folder of a file system that follows a folder of a bucket, or the other way round: Pull makes the local
// files those of the bucket, Push those of the bucket the local ones. Names that begin with a dot stay where they are.
type Tree struct {
	Location string // in the bucket
	Dir      string // local
	// Only says which files belong to the tree, by their names with slashes; nil for all.
	Only func(name string) bool
}

// stateFile remembers which version of an object each local file is.
const stateFile = ".rkd-tree.json"

// known is what a local file was when it and the object were the same.
type known struct {
	Version string `json:"version"` // of the object
	Size    int64  `json:"size"`
	Written int64  `json:"written"` // of the local file, Unix nanoseconds
}

func (t *Tree) belongs(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") {
			return false
		}
	}
	return t.Only == nil || t.Only(name)
}

func (t *Tree) path(name string) string { return filepath.Join(t.Dir, filepath.FromSlash(name)) }

// state reads what is known. One that is damaged knows nothing.
func (t *Tree) state() map[string]known {
	state := map[string]known{}
	data, err := os.ReadFile(t.path(stateFile))
	if err != nil || json.Unmarshal(data, &state) != nil {
		return map[string]known{}
	}
	return state
}

func (t *Tree) remember(ctx context.Context, state map[string]known) error {
	data, err := json.Marshal(state)
	if err != nil {
		return err
	}
	return NewFolder(t.Dir).Replace(ctx, stateFile, Bytes(data))
}

// remote lists the tree's objects in the bucket.
func (t *Tree) remote(ctx context.Context) (map[string]*object, error) {
	b := newBucket(t.Location)
	found := map[string]*object{}
	err := b.each(ctx, true, func(o Object, name string) error {
		if !t.belongs(name) {
			return nil
		}
		if !filepath.IsLocal(filepath.FromSlash(name)) || strings.Contains(name, "//") || strings.Contains(name, `\`) {
			return fmt.Errorf("%w: the object %q cannot be a file", ErrLocation, b.Path(name))
		}
		c, err := b.connect()
		if err != nil {
			return err
		}
		found[name] = &object{Object: o, client: c, location: b.Path(name)}
		return nil
	})
	return found, err
}

// local lists the tree's files.
func (t *Tree) local() (map[string]fs.FileInfo, error) {
	files := map[string]fs.FileInfo{}
	err := filepath.WalkDir(t.Dir, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || path == t.Dir {
			return err
		}
		name, err := filepath.Rel(t.Dir, path)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		switch {
		case strings.HasPrefix(e.Name(), ".") && e.IsDir():
			return fs.SkipDir
		case e.IsDir() || !t.belongs(name):
			return nil
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && info.Mode().IsRegular() {
			files[name] = info
		}
		return err
	})
	return files, err
}

// same tells whether a local file is an object's content: by what is known of both, else by the object's MD5.
func (t *Tree) same(name string, info fs.FileInfo, o *object, state map[string]known) bool {
	if info == nil || info.Size() != o.Size {
		return false
	}
	if k, ok := state[name]; ok && k == (known{o.version(), info.Size(), info.ModTime().UnixNano()}) {
		return true
	}
	if o.MD5 == nil {
		return false
	}
	f, err := os.Open(t.path(name))
	if err != nil {
		return false
	}
	defer f.Close()
	h := md5.New()
	_, err = io.Copy(h, f)
	return err == nil && bytes.Equal(h.Sum(nil), o.MD5)
}

// Pull makes the local files those of the bucket: it reads what is new or has changed, several at a time and each
// checked by hash, and removes what the bucket does not have.
func (t *Tree) Pull(ctx context.Context) error {
	remote, err := t.remote(ctx)
	if err != nil {
		return fmt.Errorf("listing %q: %w", t.Location, err)
	}
	local, err := t.local()
	if err != nil {
		return fmt.Errorf("listing %q: %w", t.Dir, err)
	}
	state := t.state()
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(2 * parallel)
	for name, o := range remote {
		group.Go(fault.Guard(func() error {
			mu.Lock()
			same := t.same(name, local[name], o, state)
			mu.Unlock()
			if !same {
				if err := t.fetch(ctx, name, o); err != nil {
					return fmt.Errorf("reading %q: %w", o.location, err)
				}
			}
			info, err := os.Stat(t.path(name))
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			state[name] = known{o.version(), info.Size(), info.ModTime().UnixNano()}
			return nil
		}))
	}
	err = group.Wait()
	for name := range local {
		if remote[name] == nil && err == nil {
			delete(state, name)
			err = removeFile(t.path(name))
		}
	}
	if len(state) == 0 && len(local) == 0 {
		return err
	}
	return errors.Join(err, t.remember(context.WithoutCancel(ctx), state))
}

// fetch reads an object into its file.
func (t *Tree) fetch(ctx context.Context, name string, o *object) error {
	if o.MD5 == nil { // uploaded in parts: who wrote it knows its hash
		b := newBucket(t.Location)
		head, err := b.object(ctx, name)
		if err != nil {
			return err
		}
		head.ModTime = o.ModTime
		o = head
	}
	path := t.path(name)
	if err := ensureDir(filepath.Dir(path)); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".rkd-*.download")
	if err != nil {
		return err
	}
	err = o.download(ctx, f)
	if err == nil {
		_, err = o.check(io.NewSectionReader(f, 0, o.Size))
	}
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, removeFile(f.Name()))
	}
	return nil
}

// Push makes the files of the bucket the local ones. They are written in the order in which they were written here, so
// that what names others comes after them, and what is gone here is removed last: whoever pulls in between finds the
// state before, or the one after.
func (t *Tree) Push(ctx context.Context) error {
	remote, err := t.remote(ctx)
	if err != nil {
		return fmt.Errorf("listing %q: %w", t.Location, err)
	}
	local, err := t.local()
	if err != nil {
		return fmt.Errorf("listing %q: %w", t.Dir, err)
	}
	state := t.state()
	var names []string
	for name, info := range local {
		if o := remote[name]; o == nil || !t.same(name, info, o, state) {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		if d := local[a].ModTime().Compare(local[b].ModTime()); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	b := newBucket(t.Location)
	c, err := b.connect()
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := t.send(ctx, c, b, name); err != nil {
			return fmt.Errorf("writing %q: %w", b.Path(name), err)
		}
	}
	for name := range remote {
		if local[name] == nil {
			if err := b.Remove(ctx, name); err != nil {
				return fmt.Errorf("removing %q: %w", b.Path(name), err)
			}
		}
	}
	return nil
}

// send writes a file into the bucket.
func (t *Tree) send(ctx context.Context, c *client, b *bucket, name string) error {
	f, err := os.Open(t.path(name))
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	size, err := io.Copy(h, f)
	if err != nil {
		return err
	}
	return c.upload(ctx, b.prefix+name, io.NewSectionReader(f, 0, size), hex.EncodeToString(h.Sum(nil)), false)
}

// Walk calls visit with the name, with slashes, of every file in a folder and in folders in it.
func Walk(ctx context.Context, location string, visit func(name string) error) error {
	clean, err := Clean(location)
	if err != nil {
		return err
	}
	if IsRemote(clean) {
		return newBucket(location).each(ctx, true, func(_ Object, name string) error { return visit(name) })
	}
	return fs.WalkDir(os.DirFS(clean), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		return visit(name)
	})
}

// RemoveAll removes a folder and everything in it.
func RemoveAll(ctx context.Context, location string) error {
	clean, err := Clean(location)
	if err != nil {
		return err
	}
	if !IsRemote(clean) {
		return os.RemoveAll(clean)
	}
	b := newBucket(location)
	var names []string
	err = b.each(ctx, true, func(_ Object, name string) error {
		names = append(names, name)
		return nil
	})
	for _, name := range names {
		err = errors.Join(err, b.Remove(ctx, name))
	}
	return err
}

// used marks a folder as used now; boundTrees removes the least recently used ones.
func used(dir string) {
	now := time.Now()
	_ = os.Chtimes(dir, now, now)
}
