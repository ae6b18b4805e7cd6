package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Store is a folder of files. Writing is atomic: under a name there is a whole file or none.
type Store interface {
	// Path names a file, or with an empty name the store itself, in messages.
	Path(name string) string
	// List returns the files of the store by ascending name. A folder that does not exist is fs.ErrNotExist; a store
	// without folders is empty instead.
	List(ctx context.Context) ([]Entry, error)
	// Open opens a file to read, or returns fs.ErrNotExist.
	Open(ctx context.Context, name string) (File, error)
	// Create writes a file under a new name, or returns fs.ErrExist. Of several that create a name at once exactly one
	// succeeds. It may call write again where the first attempt was lost.
	Create(ctx context.Context, name string, write func(io.Writer) error) error
	// Replace writes a file and replaces one that has its name.
	Replace(ctx context.Context, name string, write func(io.Writer) error) error
	// Remove removes a file, which may be gone.
	Remove(ctx context.Context, name string) error
	// Sweep removes what interrupted writers left of files whose names are ours.
	Sweep(ctx context.Context, ours func(name string) bool) error
}

// File is an open file of a store.
type File interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// Entry is a file of a store's folder.
type Entry struct {
	Name  string
	Bytes int64
}

// At returns the store of a location. It opens nothing: what is wrong with the location, operations say.
func At(location string) Store {
	clean, err := Clean(location)
	if err == nil && !IsRemote(clean) {
		return NewFolder(clean)
	}
	return newBucket(location)
}

// ReadFile reads a whole file of at most limit bytes.
func ReadFile(ctx context.Context, s Store, name string, limit int64) (data []byte, err error) {
	f, err := s.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if f.Size() > limit {
		return nil, fmt.Errorf("%d bytes, expected at most %d", f.Size(), limit)
	}
	return io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
}

// Bytes is what Create and Replace write where the content is in memory.
func Bytes(data []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	}
}
