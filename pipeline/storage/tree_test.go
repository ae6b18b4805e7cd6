package storage_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"rkd/pipeline/storage"
)

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte(text), 0o644))
}

// files are the files of a folder, by their names.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	must(t, storage.Walk(t.Context(), dir, func(name string) error {
		data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if !strings.HasPrefix(name, ".rkd-tree") {
			found[name] = string(data)
		}
		return err
	}))
	return found
}

func TestTree(t *testing.T) {
	for _, noMD5 := range []bool{false, true} {
		m, url := newBucket()
		m.NoMD5 = noMD5
		var order []string
		m.Before = func(request, key string) error {
			if request == "Write" || request == "Remove" {
				order = append(order, request+" "+strings.TrimPrefix(key, "a/folder/"))
			}
			return nil
		}
		here, there := t.TempDir(), filepath.Join(t.TempDir(), "new")
		only := func(name string) bool { return !strings.HasPrefix(name, "cache/") }
		a := storage.Tree{Location: url, Dir: here, Only: only}
		b := storage.Tree{Location: url, Dir: there, Only: only}
		write(t, here, "seed-1/checkpoint.json", "step 1")
		write(t, here, "seed-1/last-1", "weights 1")
		write(t, here, "cache/shard", "of no concern")
		write(t, here, ".hidden", "of no concern")
		earlier := time.Now().Add(-time.Hour)
		must(t, os.Chtimes(filepath.Join(here, "seed-1", "last-1"), earlier, earlier))
		must(t, a.Push(t.Context()))
		must(t, b.Pull(t.Context()))
		want := map[string]string{"seed-1/checkpoint.json": "step 1", "seed-1/last-1": "weights 1"}
		if got := files(t, there); len(got) != 2 || got["seed-1/last-1"] != "weights 1" {
			t.Errorf("pulled %q, want %q", got, want)
		}

		write(t, here, "seed-1/checkpoint.json", "step 2")
		write(t, here, "seed-1/last-2", "weights 2")
		must(t, os.Remove(filepath.Join(here, "seed-1", "last-1")))
		must(t, os.Chtimes(filepath.Join(here, "seed-1", "last-2"), earlier, earlier))
		order = nil
		must(t, a.Push(t.Context()))
		if want := []string{"Write seed-1/last-2", "Write seed-1/checkpoint.json", "Remove seed-1/last-1"}; !noMD5 &&
			!slices.Equal(order, want) {
			t.Errorf("pushed %q, want %q", order, want)
		}
		write(t, there, "seed-1/last-9", "that was never pushed")
		must(t, b.Pull(t.Context()))
		if got := files(t, there); len(got) != 2 || got["seed-1/checkpoint.json"] != "step 2" ||
			got["seed-1/last-2"] != "weights 2" {
			t.Errorf("pulled %q", got)
		}
		reads := 0
		m.Before = func(request, _ string) error {
			if request == "Read" || request == "Write" {
				reads++
			}
			return nil
		}
		must(t, b.Pull(t.Context()))
		must(t, b.Push(t.Context()))
		if reads != 0 {
			t.Errorf("%d reads and writes of what has not changed", reads)
		}
	}
}

func TestTreeRefusesNamesThatLeaveTheFolder(t *testing.T) {
	for _, key := range []string{"a/folder/x/../../y", "a/folder//y", `a/folder/x\y`} {
		m, url := newBucket()
		m.Put(key, "data")
		tree := storage.Tree{Location: url, Dir: filepath.Join(t.TempDir(), "x")}
		if err := tree.Pull(t.Context()); !errors.Is(err, storage.ErrLocation) && len(files(t, filepath.Dir(tree.Dir))) > 0 {
			t.Errorf("%q: %v", key, err)
		}
	}
}

func TestMirror(t *testing.T) {
	storage.Keep(t.TempDir(), 1000)
	defer storage.NoCopies()
	m, url := newBucket()
	m.Put("a/folder/models/m.onnx", "a model")
	m.Put("a/folder/models/m.data", "its data")
	m.Put("a/folder/images/cat/1.png", "a cat")
	m.Put("a/folder/images/dog/1.png", "a dog")

	model, err := storage.Mirror(t.Context(), storage.Join(url, "models/m.onnx"))
	must(t, err)
	data, err := storage.Mirror(t.Context(), storage.Join(url, "models/m.data"))
	must(t, err)
	if filepath.Base(model) != "m.onnx" || filepath.Dir(model) != filepath.Dir(data) {
		t.Errorf("%q and %q, want files side by side", model, data)
	}
	images := storage.Join(url, "images")
	dir, err := storage.Mirror(t.Context(), images)
	must(t, err)
	if got := files(t, dir); len(got) != 2 || got["dog/1.png"] != "a dog" {
		t.Errorf("%q", got)
	}
	must(t, m.Remove(t.Context(), "a/folder/images/cat/1.png"))
	m.Put("a/folder/images/dog/1.png", "a DOG")
	storage.Forget(images)
	_, err = storage.Mirror(t.Context(), images)
	must(t, err)
	if got := files(t, dir); len(got) != 1 || got["dog/1.png"] != "a DOG" {
		t.Errorf("after a change: %q", got)
	}

	if _, err := storage.Mirror(t.Context(), storage.Join(url, "nothing")); !errors.Is(err, fs.ErrNotExist) ||
		!strings.Contains(err.Error(), "nothing") {
		t.Errorf("%v, want fs.ErrNotExist with the location", err)
	}
	m.Put("a/folder/big/file", strings.Repeat("x", 1001))
	if _, err := storage.Mirror(t.Context(), storage.Join(url, "big")); err == nil ||
		!strings.Contains(err.Error(), "RKD_COPIES_LIMIT") {
		t.Errorf("%v, want the limit", err)
	}
	if path, err := storage.Mirror(t.Context(), "file:///some/where"); err != nil || path != "/some/where" {
		t.Errorf("%q, %v", path, err)
	}
}
