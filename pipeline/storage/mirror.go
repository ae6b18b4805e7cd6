package storage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/gofrs/flock"
	"golang.org/x/sync/singleflight"
)

// mirrors are the locations that this process has mirrored.
var mirrors struct {
	flight singleflight.Group
	ready  sync.Map // location to path
	locks  sync.Map // folder to its flock.Flock, held until the process ends
}

// Mirror returns the path of a local copy of what lies at a location, a file or a folder with all that is in it, for
// code that reads files. A location that is a path is its own copy. The copy is made on first use, in the folder that
// Keep names and within its limit, and brought up to date by the first use in each process; it stays there until the
// process ends.
//
// What is not there is fs.ErrNotExist.
func Mirror(ctx context.Context, location string) (string, error) {
	clean, err := Clean(location)
	if err != nil || !IsRemote(clean) {
		return clean, err
	}
	if path, ok := mirrors.ready.Load(location); ok {
		return path.(string), nil
	}
	path, err, _ := mirrors.flight.Do(location, func() (any, error) { return mirror(ctx, location) })
	if err != nil {
		return "", fmt.Errorf("reading %q: %w", location, err)
	}
	mirrors.ready.Store(location, path)
	return path.(string), nil
}

func mirror(ctx context.Context, location string) (string, error) {
	c := copies.Load()
	if c == nil {
		return "", fmt.Errorf("%w: there is no folder for local copies", errNoCopy)
	}
	folder, name := Split(location)
	if name != "" {
		o, err := newBucket(folder).object(ctx, name)
		if err == nil {
			// Files of one folder lie in one folder: a model's data beside the model.
			t := Tree{Location: folder, Dir: c.treeDir(folder, "files"), Only: func(n string) bool { return n == name }}
			if err := c.pull(ctx, &t, o.Size); err != nil {
				return "", err
			}
			return t.path(name), nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	t := Tree{Location: location, Dir: c.treeDir(location, "folder")}
	remote, err := t.remote(ctx)
	if err != nil {
		return "", err
	}
	if len(remote) == 0 {
		return "", fs.ErrNotExist
	}
	size := int64(0)
	for _, o := range remote {
		size += o.Size
	}
	return t.Dir, c.pull(ctx, &t, size)
}

// treeDir is where the copy of a folder lies.
func (c *copyFolder) treeDir(location, kind string) string {
	sum := sha256.Sum256([]byte(location))
	return filepath.Join(c.dir, "trees", hex.EncodeToString(sum[:8])+"-"+kind)
}

// pull brings a copy up to date, of so many bytes, and keeps it from being removed while this process lives.
func (c *copyFolder) pull(ctx context.Context, t *Tree, size int64) error {
	if size > c.limit {
		return fmt.Errorf("%w: it has %d bytes, and local copies may have %d together: raise RKD_COPIES_LIMIT",
			errNoCopy, size, c.limit)
	}
	if err := os.MkdirAll(t.Dir, 0o755); err != nil {
		return fmt.Errorf("%w: %w", errNoCopy, err)
	}
	if _, held := mirrors.locks.Load(t.Dir); !held {
		l := flock.New(t.Dir + ".lock")
		if err := l.RLock(); err != nil {
			return fmt.Errorf("%w: %w", errNoCopy, err)
		}
		mirrors.locks.Store(t.Dir, l)
	}
	used(t.Dir)
	if err := t.Pull(ctx); err != nil {
		return err
	}
	return c.boundTrees(t.Dir)
}

// boundTrees removes the least recently used copies of folders, those in use excepted, until the rest is within the
// limit.
func (c *copyFolder) boundTrees(newest string) error {
	root := filepath.Dir(newest)
	entries, err := os.ReadDir(root)
	if err != nil {
		return fmt.Errorf("%w: %w", errNoCopy, err)
	}
	type tree struct {
		info fs.FileInfo
		size int64
	}
	var trees []tree
	total := int64(0)
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.IsDir() {
			continue
		}
		size := treeSize(filepath.Join(root, e.Name()))
		trees = append(trees, tree{info, size})
		total += size
	}
	slices.SortFunc(trees, func(a, b tree) int { return a.info.ModTime().Compare(b.info.ModTime()) })
	for _, t := range trees {
		path := filepath.Join(root, t.info.Name())
		if total <= c.limit || path == newest {
			continue
		}
		l := flock.New(path + ".lock")
		free, err := l.TryLock()
		if err != nil || !free {
			continue
		}
		if err := errors.Join(os.RemoveAll(path), l.Close()); err != nil {
			return fmt.Errorf("%w: %w", errNoCopy, err)
		}
		total -= t.size
	}
	return nil
}

// treeSize adds up the files of a folder.
func treeSize(dir string) (size int64) {
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			if info, err := e.Info(); err == nil {
				size += info.Size()
			}
		}
		return nil
	})
	return size
}

// Scratch is where the files of a location are worked on: the path itself, or for a bucket a local folder that Tree
// keeps in step with it.
func Scratch(location string) string {
	clean, err := Clean(location)
	if err == nil && !IsRemote(clean) {
		return clean
	}
	sum := sha256.Sum256([]byte(location))
	dir := os.TempDir()
	if c := copies.Load(); c != nil {
		dir = filepath.Dir(c.dir)
	}
	_, name := Split(location)
	return filepath.Join(dir, "scratch", hex.EncodeToString(sum[:8])+"-"+name)
}
