// Package regular opens regular files, and nothing else.
//
// A named pipe, a socket or a device in the place of a file would block its reader for ever or never end. All that
// reads data or models opens its files here.
package regular

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"rkd/datasets/memory"
)

// ErrNotRegular reports a path that is a folder, a named pipe, a socket or a device.
var ErrNotRegular = errors.New("not a regular file")

// Open opens the file at path for reading; links are followed. It never blocks. Errors are ErrNotRegular or the file
// system's, and name the path.
func Open(path string) (*os.File, error) { return open(path, os.Stat, os.OpenFile) }

// OpenIn is Open inside root, which refuses what leaves it.
func OpenIn(root *os.Root, name string) (*os.File, error) {
	return open(name, root.Stat, root.OpenFile)
}

func open(path string, stat func(string) (fs.FileInfo, error),
	openFile func(string, int, fs.FileMode) (*os.File, error),
) (*os.File, error) {
	// Opening alone can have effects on a device, so the first look is from outside.
	info, err := stat(path)
	if err == nil {
		err = check(path, info)
	}
	if err != nil {
		return nil, err
	}
	// Without O_NONBLOCK, opening a pipe that has taken the file's place meanwhile would block.
	f, err := openFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if info, err = f.Stat(); err == nil {
		err = check(path, info)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// ReadFile reads the whole file at path, with the errors of Open.
func ReadFile(path string) ([]byte, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := memory.Check(fmt.Sprintf("reading %q", path), info.Size()); err != nil {
		return nil, err
	}
	var data bytes.Buffer
	data.Grow(int(info.Size()) + bytes.MinRead)
	_, err = data.ReadFrom(f)
	return data.Bytes(), err
}

// DirFS is os.DirFS with files opened by Open. Folders cannot be opened, only looked at.
func DirFS(dir string) fs.StatFS { return folder{dir} }

type folder struct{ dir string }

func (f folder) path(op, name string) (string, error) {
	if !fs.ValidPath(name) {
		return "", &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	return filepath.Join(f.dir, filepath.FromSlash(name)), nil
}

// Open opens the file name inside the folder.
func (f folder) Open(name string) (fs.File, error) {
	path, err := f.path("open", name)
	if err != nil {
		return nil, err
	}
	file, err := Open(path)
	if err != nil {
		return nil, err
	}
	return file, nil
}

// Stat describes what name is inside the folder.
func (f folder) Stat(name string) (fs.FileInfo, error) {
	path, err := f.path("stat", name)
	if err != nil {
		return nil, err
	}
	return os.Stat(path)
}

func check(path string, info fs.FileInfo) error {
	mode := info.Mode()
	if mode.IsRegular() {
		return nil
	}
	kind := "a device"
	switch {
	case mode.IsDir():
		kind = "a folder"
	case mode&fs.ModeNamedPipe != 0:
		kind = "a named pipe"
	case mode&fs.ModeSocket != 0:
		kind = "a socket"
	}
	return fmt.Errorf("%w: %q is %s", ErrNotRegular, path, kind)
}
