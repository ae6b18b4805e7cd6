package cache

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// tempFile is what a file is written through before it has its name.
type tempFile interface {
	io.Writer
	Sync() error
	Close() error
}

func createFile(path string) (tempFile, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
}

// writeTemp writes a new file beside path, under a name of its own, and syncs it. It returns that name. After an error
// nothing is left behind.
func writeTemp(path string, create func(string) (tempFile, error), write func(io.Writer) error) (temp string, err error) {
	temp = filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+"."+rand.Text()+".tmp")
	f, err := create(temp)
	if err != nil {
		return "", err
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return "", errors.Join(err, removeTemp(temp))
	}
	return temp, nil
}

// removeTemp removes a temporary file that may be gone: whoever commits a cache sweeps them up.
func removeTemp(temp string) error {
	if err := os.Remove(temp); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// publish gives temp its final name if nobody has it, and returns fs.ErrExist otherwise. Of several writers exactly one
// succeeds. A hard link does that in one step; where the file system has none, an empty file of the final name is the
// claim and renaming over it the commit. A writer killed in between leaves the empty file, which is a broken shard to
// the next run.
func publish(temp, path string, link func(from, to string) error) error {
	linkErr := link(temp, path)
	if linkErr == nil {
		return errors.Join(removeTemp(temp), syncDir(filepath.Dir(path)))
	}
	if errors.Is(linkErr, fs.ErrExist) || errors.Is(linkErr, fs.ErrNotExist) {
		return linkErr
	}
	claim, err := createFile(path)
	if errors.Is(err, fs.ErrExist) {
		return err
	}
	if err != nil {
		return errors.Join(linkErr, err)
	}
	if err := claim.Close(); err != nil {
		return err
	}
	return replace(temp, path)
}

// replace gives temp its final name, whoever has it now.
func replace(temp, path string) error {
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes the names in a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// sweep removes what interrupted writers left in a folder.
func sweep(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if tempPattern.MatchString(e.Name()) {
			errs = append(errs, removeTemp(filepath.Join(dir, e.Name())))
		}
	}
	return errors.Join(errs...)
}

// ensureDir makes dir a folder.
func ensureDir(dir string) error {
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return fmt.Errorf("making cache %q: it is a file, expected a folder", dir)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making cache %q: %w", dir, err)
	}
	return nil
}
