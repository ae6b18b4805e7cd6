package storage_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"rkd/pipeline/storage"
	"rkd/pipeline/storage/storagetest"
)

// raceRounds is the number of rounds of a race; test-crash runs more.
var raceRounds = 10

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestFolder(t *testing.T) {
	for name, link := range map[string]func(string, string) error{
		"links":    os.Link,
		"no links": func(string, string) error { return errors.ErrUnsupported },
	} {
		t.Run(name, func(t *testing.T) {
			storagetest.Run(t, raceRounds, func(t *testing.T) func() storage.Store {
				dir := filepath.Join(t.TempDir(), "made", "when it is needed")
				return func() storage.Store {
					f := storage.NewFolder(dir)
					f.Link = link
					return f
				}
			})
		})
	}
}

func TestFolderSweepsWhatIsOurs(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{
		".manifest.json.ABCDEFGHIJKLMNOPQRSTUVWXYZ.tmp", ".notes.txt.ABCDEFGHIJKLMNOPQRSTUVWXYZ.tmp", ".manifest.json.tmp",
		"notes.txt",
	} {
		must(t, os.WriteFile(filepath.Join(dir, name), nil, 0o644))
	}
	must(t, storage.At(dir).Sweep(t.Context(), func(name string) bool { return name == "manifest.json" }))
	entries, err := os.ReadDir(dir)
	must(t, err)
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
	}
	want := []string{".manifest.json.tmp", ".notes.txt.ABCDEFGHIJKLMNOPQRSTUVWXYZ.tmp", "notes.txt"}
	if !slices.Equal(left, want) {
		t.Errorf("left %q, want %q", left, want)
	}
}

// A writer whose temporary file is swept up by another one writes it again.
func TestFolderSurvivesASweep(t *testing.T) {
	s := storage.NewFolder(t.TempDir())
	swept := false
	s.Link = func(from, to string) error {
		if !swept {
			swept = true
			must(t, s.Sweep(t.Context(), func(string) bool { return true }))
		}
		return os.Link(from, to)
	}
	must(t, s.Create(t.Context(), "plan", storage.Bytes([]byte("plan"))))
	if data, err := storage.ReadFile(t.Context(), s, "plan", 100); err != nil || string(data) != "plan" {
		t.Errorf("holds %q, %v", data, err)
	}
}
