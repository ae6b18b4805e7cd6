package storage

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
)

// Folder is the Store of a folder of a file system. Tests replace its functions to inject faults.
type Folder struct {
	Dir string
	// CreateFile creates the temporary file through which another one is written.
	CreateFile func(path string) (TempFile, error)
	// Link makes a hard link, if the file system has them.
	Link func(from, to string) error
}

// NewFolder is the Store of a folder, which is made when something is written into it.
func NewFolder(dir string) *Folder { return &Folder{Dir: dir, CreateFile: CreateFile, Link: os.Link} }

// TempFile is a file that is being written, before it gets its final name.
type TempFile interface {
	io.Writer
	Sync() error
	Close() error
}

// tempPattern matches the names of temporary files; its group is the final name.
var tempPattern = regexp.MustCompile(`^\.(.+)\.[A-Z2-7]{26}\.tmp$`)

// IsTemporary tells whether a name is that of a file that is being written.
func IsTemporary(name string) bool { return tempPattern.MatchString(name) }

// Path is the path of a file.
func (s *Folder) Path(name string) string { return filepath.Join(s.Dir, name) }

// List returns the files of the folder, but for temporary ones.
func (s *Folder) List(ctx context.Context) ([]Entry, error) {
	if info, err := os.Stat(s.Dir); err == nil && !info.IsDir() {
		return nil, errors.New("it is a file, expected a folder")
	}
	found, err := os.ReadDir(s.Dir)
	if err != nil {
		return nil, err
	}
	var entries []Entry
	for _, e := range found {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if e.IsDir() || tempPattern.MatchString(e.Name()) {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) { // removed since the folder was read
			continue
		}
		if err != nil {
			return nil, err
		}
		entries = append(entries, Entry{e.Name(), info.Size()})
	}
	return entries, nil
}

// osFile is an open file with the size that it had.
type osFile struct {
	*os.File
	size int64
}

func (f osFile) Size() int64 { return f.size }

// Open refuses what is not a regular file: a folder would open as well, and a FIFO would wait for ever.
func (s *Folder) Open(_ context.Context, name string) (File, error) {
	file := s.Path(name)
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	if info, err = f.Stat(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return osFile{f, info.Size()}, nil
}

// Create writes a file that is not there; see Store.
func (s *Folder) Create(_ context.Context, name string, write func(io.Writer) error) error {
	return s.write(name, write, s.publish)
}

// Replace writes a file; see Store.
func (s *Folder) Replace(_ context.Context, name string, write func(io.Writer) error) error {
	return s.write(name, write, replace)
}

// maxAttempts bounds how often a file is written again after other writers removed its temporary file.
const maxAttempts = 1000

// write writes a temporary file and lets commit give it its final name. A writer that commits a cache removes all
// temporary files, also those of writers still at work. Their commit then fails with fs.ErrNotExist, and they write
// again: once for each other writer that commits meanwhile.
func (s *Folder) write(name string, write func(io.Writer) error, commit func(temp, file string) error) error {
	file := s.Path(name)
	if err := ensureDir(s.Dir); err != nil {
		return err
	}
	for attempt := 0; ; attempt++ {
		temp, err := s.writeTemp(file, write)
		if err != nil {
			return err
		}
		err = commit(temp, file)
		if errors.Is(err, fs.ErrNotExist) && attempt < maxAttempts {
			continue
		}
		if err != nil {
			return errors.Join(err, removeFile(temp))
		}
		return nil
	}
}

// Remove removes a file, which may be gone.
func (s *Folder) Remove(_ context.Context, name string) error { return removeFile(s.Path(name)) }

// Sweep removes temporary files of names that are ours.
func (s *Folder) Sweep(_ context.Context, ours func(string) bool) error {
	entries, err := os.ReadDir(s.Dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if m := tempPattern.FindStringSubmatch(e.Name()); m != nil && ours(m[1]) {
			errs = append(errs, removeFile(s.Path(e.Name())))
		}
	}
	return errors.Join(errs...)
}

// CreateFile creates a file that is not there.
func CreateFile(file string) (TempFile, error) {
	return os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
}

// writeTemp writes a new file beside file, under a name of its own, and syncs it. It returns that name. After an error
// nothing is left behind.
func (s *Folder) writeTemp(file string, write func(io.Writer) error) (temp string, err error) {
	temp = filepath.Join(filepath.Dir(file), "."+filepath.Base(file)+"."+rand.Text()+".tmp")
	f, err := s.CreateFile(temp)
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
		return "", errors.Join(err, removeFile(temp))
	}
	return temp, nil
}

// publish gives temp its final name if no file has it, else it returns fs.ErrExist. Of several writers exactly one
// succeeds. A hard link does that in one step; where the file system has none, an empty file of the final name is the
// claim and renaming over it the commit. A writer killed in between leaves the empty file, which is a broken one to the
// next run.
func (s *Folder) publish(temp, file string) error {
	linkErr := s.Link(temp, file)
	if linkErr == nil {
		return errors.Join(removeFile(temp), syncDir(filepath.Dir(file)))
	}
	if errors.Is(linkErr, fs.ErrExist) || errors.Is(linkErr, fs.ErrNotExist) {
		return linkErr
	}
	claim, err := CreateFile(file)
	if errors.Is(err, fs.ErrExist) {
		return err
	}
	if err != nil {
		return errors.Join(linkErr, err)
	}
	if err := claim.Close(); err != nil {
		return err
	}
	return replace(temp, file)
}

// replace gives temp its final name, over a file that has it.
func replace(temp, file string) error {
	if err := os.Rename(temp, file); err != nil {
		return err
	}
	return syncDir(filepath.Dir(file))
}

// removeFile removes a file that may be gone.
func removeFile(file string) error {
	if err := os.Remove(file); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// syncDir makes the names in a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// ensureDir makes dir a folder.
func ensureDir(dir string) error {
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return fmt.Errorf("making folder %q: it is a file, expected a folder", dir)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making folder %q: %w", dir, err)
	}
	return nil
}
