// Package storagetest is what every store must do, as tests.
package storagetest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"sync/atomic"
	"testing"

	"rkd/pipeline/storage"
)

const (
	manifest = "manifest.json"
	plan     = "PLAN.json"
)

func shard(i int) string { return fmt.Sprintf("shard-%05d.parquet", i) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(text string) func(io.Writer) error { return storage.Bytes([]byte(text)) }

func get(t testing.TB, s storage.Store, name string) string {
	t.Helper()
	data, err := storage.ReadFile(t.Context(), s, name, 1<<30)
	must(t, err)
	return string(data)
}

// Run tests a store. open makes an empty one and returns what opens it, as often as one likes; rounds is the number of
// rounds of its races.
func Run(t *testing.T, rounds int, open func(t *testing.T) func() storage.Store) {
	t.Run("a name is created once", func(t *testing.T) {
		s := open(t)()
		must(t, s.Create(t.Context(), manifest, put("first")))
		if err := s.Create(t.Context(), manifest, put("second")); !errors.Is(err, fs.ErrExist) {
			t.Errorf("second Create: %v, want fs.ErrExist", err)
		}
		if got := get(t, s, manifest); got != "first" {
			t.Errorf("holds %q, want what was there first", got)
		}
	})
	t.Run("replace", func(t *testing.T) {
		s := open(t)()
		must(t, s.Replace(t.Context(), manifest, put("first")))
		must(t, s.Replace(t.Context(), manifest, put("second")))
		if got := get(t, s, manifest); got != "second" {
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
		must(t, s.Create(t.Context(), plan, put("plan")))
		if err := s.Create(t.Context(), manifest, fail); !errors.Is(err, failure) {
			t.Errorf("Create: %v", err)
		}
		if err := s.Replace(t.Context(), plan, fail); !errors.Is(err, failure) {
			t.Errorf("Replace: %v", err)
		}
		if entries, err := s.List(t.Context()); err != nil || len(entries) != 1 || get(t, s, plan) != "plan" {
			t.Errorf("left %v, %v", entries, err)
		}
	})
	t.Run("list", func(t *testing.T) {
		s := open(t)()
		for i := range 5 {
			must(t, s.Create(t.Context(), shard(4-i), put(fmt.Sprintf("%*d", 10+i, i))))
		}
		entries, err := s.List(t.Context())
		must(t, err)
		for i := range 5 {
			if want := (storage.Entry{Name: shard(i), Bytes: int64(14 - i)}); i >= len(entries) || entries[i] != want {
				t.Fatalf("listed %v, want %v at %d", entries, want, i)
			}
		}
	})
	t.Run("ranges", func(t *testing.T) {
		s := open(t)()
		must(t, s.Create(t.Context(), manifest, put("0123456789")))
		f, err := s.Open(t.Context(), manifest)
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
		if _, err := s.Open(t.Context(), manifest); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Open: %v, want fs.ErrNotExist", err)
		}
		must(t, s.Remove(t.Context(), manifest))
		must(t, s.Create(t.Context(), manifest, put("x")))
		must(t, s.Remove(t.Context(), manifest))
		if _, err := s.Open(t.Context(), manifest); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Open after Remove: %v, want fs.ErrNotExist", err)
		}
		must(t, s.Sweep(t.Context(), func(string) bool { return true }))
	})
	t.Run("eight writers race", func(t *testing.T) {
		open := open(t)
		for round := range rounds {
			name := shard(round)
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
