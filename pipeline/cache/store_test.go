package cache

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

// raceRounds is the number of rounds of a race; test-crash runs more.
var raceRounds = 10

func put(text string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	}
}

func get(t testing.TB, s Store, name string) string {
	t.Helper()
	data, err := readFile(t.Context(), s, name, 1<<20)
	must(t, err)
	return string(data)
}

// testStore is what every store must do. open opens an empty one, the same one however often it is called in a test.
func testStore(t *testing.T, open func(t *testing.T) func() Store) {
	t.Run("a name is created once", func(t *testing.T) {
		s := open(t)()
		must(t, s.Create(t.Context(), ManifestName, put("first")))
		if err := s.Create(t.Context(), ManifestName, put("second")); !errors.Is(err, fs.ErrExist) {
			t.Errorf("second Create: %v, want fs.ErrExist", err)
		}
		if got := get(t, s, ManifestName); got != "first" {
			t.Errorf("holds %q, want what was there first", got)
		}
	})
	t.Run("replace", func(t *testing.T) {
		s := open(t)()
		must(t, s.Replace(t.Context(), ManifestName, put("first")))
		must(t, s.Replace(t.Context(), ManifestName, put("second")))
		if got := get(t, s, ManifestName); got != "second" {
			t.Errorf("holds %q", got)
		}
	})
	t.Run("what fails leaves nothing", func(t *testing.T) {
		s := open(t)()
		failure := errors.New("failure")
		fail := func(w io.Writer) error {
			_, err := w.Write(make([]byte, 100))
			return errors.Join(err, failure)
		}
		must(t, s.Create(t.Context(), PlanName, put("plan")))
		if err := s.Create(t.Context(), ManifestName, fail); !errors.Is(err, failure) {
			t.Errorf("Create: %v", err)
		}
		if err := s.Replace(t.Context(), PlanName, fail); !errors.Is(err, failure) {
			t.Errorf("Replace: %v", err)
		}
		if entries, err := s.List(t.Context()); err != nil || len(entries) != 1 || get(t, s, PlanName) != "plan" {
			t.Errorf("left %v, %v", entries, err)
		}
	})
	t.Run("list", func(t *testing.T) {
		s := open(t)()
		for i := range 5 {
			must(t, s.Create(t.Context(), shardName(1, 4-i, 5), put(fmt.Sprintf("%*d", 10+i, i))))
		}
		entries, err := s.List(t.Context())
		must(t, err)
		for i := range 5 {
			if want := (Entry{shardName(1, i, 5), int64(14 - i)}); i >= len(entries) || entries[i] != want {
				t.Fatalf("listed %v, want %v at %d", entries, want, i)
			}
		}
	})
	t.Run("ranges", func(t *testing.T) {
		s := open(t)()
		must(t, s.Create(t.Context(), ManifestName, put("0123456789")))
		f, err := s.Open(t.Context(), ManifestName)
		must(t, err)
		defer f.Close()
		buf := make([]byte, 4)
		if n, err := f.ReadAt(buf, 3); n != 4 || err != nil || string(buf) != "3456" || f.Size() != 10 {
			t.Errorf("%d bytes %q of %d, %v", n, buf, f.Size(), err)
		}
		if n, err := f.ReadAt(buf, 8); n != 2 || !errors.Is(err, io.EOF) || string(buf[:n]) != "89" {
			t.Errorf("at the end: %d bytes %q, %v", n, buf[:n], err)
		}
		if n, err := f.ReadAt(buf, 10); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("after the end: %d bytes, %v", n, err)
		}
	})
	t.Run("what is not there", func(t *testing.T) {
		s := open(t)()
		if _, err := s.Open(t.Context(), ManifestName); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Open: %v, want fs.ErrNotExist", err)
		}
		must(t, s.Remove(t.Context(), ManifestName))
		must(t, s.Create(t.Context(), ManifestName, put("x")))
		must(t, s.Remove(t.Context(), ManifestName))
		if _, err := s.Open(t.Context(), ManifestName); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Open after Remove: %v, want fs.ErrNotExist", err)
		}
		must(t, s.Sweep(t.Context()))
	})
	t.Run("eight writers race", func(t *testing.T) {
		open := open(t)
		for round := range raceRounds {
			name := shardName(1, round, raceRounds)
			var winners atomic.Int32
			var winner atomic.Value
			var group sync.WaitGroup
			for n := range 8 {
				s, text := open(), fmt.Sprintf("writer %d", n)
				group.Go(func() {
					switch err := s.Create(t.Context(), name, put(text)); {
					case err == nil:
						winners.Add(1)
						winner.Store(text)
					case !errors.Is(err, fs.ErrExist):
						t.Errorf("writer %d: %v", n, err)
					}
				})
			}
			group.Wait()
			if winners.Load() != 1 || get(t, open(), name) != winner.Load() {
				t.Fatalf("round %d: %d winners, the last %v, and %q is there", round, winners.Load(), winner.Load(),
					get(t, open(), name))
			}
		}
	})
}

func TestFileStore(t *testing.T) {
	for name, link := range map[string]func(string, string) error{
		"links":    os.Link,
		"no links": func(string, string) error { return errors.ErrUnsupported },
	} {
		t.Run(name, func(t *testing.T) {
			testStore(t, func(t *testing.T) func() Store {
				dir := filepath.Join(t.TempDir(), "made", "when it is needed")
				return func() Store { return &fileStore{dir: dir, create: createFile, link: link} }
			})
		})
	}
}

func TestFileStoreSweepsItsOwn(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{
		".manifest.json.ABCDEFGHIJKLMNOPQRSTUVWXYZ.tmp", "." + shardName(2, 1, 3) + ".ABCDEFGHIJKLMNOPQRSTUVWXYZ.tmp",
		".notes.txt.ABCDEFGHIJKLMNOPQRSTUVWXYZ.tmp", ".manifest.json.tmp", "notes.txt",
	} {
		must(t, os.WriteFile(filepath.Join(dir, name), nil, 0o644))
	}
	must(t, openStore(dir).Sweep(t.Context()))
	var left []string
	for name := range contents(t, dir) {
		left = append(left, name)
	}
	slices.Sort(left)
	want := []string{".manifest.json.tmp", ".notes.txt.ABCDEFGHIJKLMNOPQRSTUVWXYZ.tmp", "notes.txt"}
	if !slices.Equal(left, want) {
		t.Errorf("left %q, want %q", left, want)
	}
}

// A writer whose temporary file is swept up by who commits the cache writes it again.
func TestFileStoreSurvivesASweep(t *testing.T) {
	s := &fileStore{dir: t.TempDir(), create: createFile}
	swept := false
	s.link = func(from, to string) error {
		if !swept {
			swept = true
			must(t, s.Sweep(t.Context()))
		}
		return os.Link(from, to)
	}
	must(t, s.Create(t.Context(), PlanName, put("plan")))
	if get(t, s, PlanName) != "plan" {
		t.Error("the file is not what was written")
	}
}
