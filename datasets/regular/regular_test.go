package regular_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"rkd/datasets/regular"
)

func TestOnlyRegularFilesAreOpened(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(path("file"), []byte("content"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(syscall.Mkfifo(path("pipe"), 0o644), os.Symlink("pipe", path("link-to-pipe")),
		os.Symlink("file", path("link")), os.Symlink("/dev/zero", path("zero"))); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", path("socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	for _, tt := range []struct {
		name string
		want string // empty: it opens
	}{
		{"file", ""},
		{"link", ""},
		{".", "is a folder"},
		{"pipe", "is a named pipe"},
		{"link-to-pipe", "is a named pipe"},
		{"socket", "is a socket"},
		{"zero", "is a device"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			data, err := regular.ReadFile(path(tt.name))
			through, errFS := fs.ReadFile(regular.DirFS(dir), tt.name)
			if tt.want == "" {
				if err != nil || errFS != nil || string(data) != "content" || string(through) != "content" {
					t.Errorf("read %q (%v) and %q (%v), expected the content twice", data, err, through, errFS)
				}
				return
			}
			for _, err := range []error{err, errFS} {
				if !errors.Is(err, regular.ErrNotRegular) || !strings.Contains(err.Error(), tt.want) ||
					!strings.Contains(err.Error(), dir) {
					t.Errorf("%v, expected ErrNotRegular with the path and %q", err, tt.want)
				}
			}
		})
	}
	if _, err := regular.Open(path("missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, expected fs.ErrNotExist", err)
	}
}
