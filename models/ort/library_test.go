package ort

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// touch makes an empty file and the folders above it.
func touch(t *testing.T, elem ...string) string {
	t.Helper()
	path := filepath.Join(elem...)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFindLooksInOrder(t *testing.T) {
	dir := t.TempDir()
	name := libraryNames()[0]
	explicit, env := touch(t, dir, "explicit.so"), touch(t, dir, "env.so")
	cache, system := filepath.Join(dir, "cache"), filepath.Join(dir, "system")
	cached := touch(t, cache, "onnxruntime-"+Version, name)
	installed := touch(t, system, name)
	folders := []string{filepath.Join(dir, "empty"), system}
	for _, test := range []struct {
		name, explicit, env, cache, want string
	}{
		{"the flag wins", explicit, env, cache, explicit},
		{"then the variable", "", env, cache, env},
		{"then the cache folder", "", "", cache, cached},
		{"then the system", "", "", filepath.Join(dir, "no cache"), installed},
	} {
		got, err := find(test.explicit, test.env, test.cache, folders)
		if err != nil || got != test.want {
			t.Errorf("%s: got %q (error %v), want %q", test.name, got, err, test.want)
		}
	}
}

func TestFindDoesNotFallThroughWhatWasNamed(t *testing.T) {
	dir := t.TempDir()
	touch(t, dir, "onnxruntime-"+Version, libraryNames()[0])
	missing := filepath.Join(dir, "missing.so")
	for name, get := range map[string]func() (string, error){
		"--onnxruntime-lib": func() (string, error) { return find(missing, "", dir, nil) },
		"$ONNXRUNTIME_LIB":  func() (string, error) { return find("", missing, dir, nil) },
	} {
		path, err := get()
		if !errors.Is(err, ErrLibraryMissing) || !strings.Contains(err.Error(), name+" is \""+missing) {
			t.Errorf("%s: got %q and error %v, want ErrLibraryMissing with the name and the path", name, path, err)
		}
	}
}

func TestFindSaysHowToGetTheLibrary(t *testing.T) {
	_, err := find("", "", t.TempDir(), nil)
	if !errors.Is(err, ErrLibraryMissing) {
		t.Fatalf("got error %v, want ErrLibraryMissing", err)
	}
	for _, want := range []string{"make setup", "--onnxruntime-lib", "$ONNXRUNTIME_LIB"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %s", err, want)
		}
	}
}

func TestLoaderFoldersReadTheConfiguration(t *testing.T) {
	dir := t.TempDir()
	text := "# comment\n/opt/lib\n\n  /usr/lib/multi  \nrelative\n"
	if err := os.WriteFile(filepath.Join(dir, "a.conf"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, want := loaderFolders(dir), []string{"/opt/lib", "/usr/lib/multi"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// compile makes a shared library of testdata/stub.c.
func compile(t *testing.T, flags ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "libstub.so")
	args := append([]string{"-shared", "-fPIC", "-o", path, filepath.Join("testdata", "stub.c")}, flags...)
	if out, err := exec.CommandContext(t.Context(), "cc", args...).CombinedOutput(); err != nil {
		t.Fatalf("compiling the stub: %v\n%s", err, out)
	}
	return path
}

func TestLoadRefusesOtherLibraries(t *testing.T) {
	text := filepath.Join(t.TempDir(), "library.so")
	if err := os.WriteFile(text, []byte("no library at all\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	version := func(v string) string { return `-DVERSION="` + v + `"` }
	for name, test := range map[string]struct {
		path string
		want error
		text string
	}{
		"no file":            {filepath.Join(t.TempDir(), "missing.so"), ErrLibraryMissing, "is no file"},
		"a folder":           {t.TempDir(), ErrLibraryMissing, "is no file"},
		"a text file":        {text, ErrLibraryMissing, text},
		"another library":    {compile(t), ErrLibraryMissing, "OrtGetApiBase"},
		"an old version":     {compile(t, version("1.17.1")), ErrLibraryTooOld, "has version 1.17.1, expected 1.24 or newer"},
		"the one before":     {compile(t, version("1.23.2")), ErrLibraryTooOld, "has version 1.23.2"},
		"a nonsense version": {compile(t, version("unknown")), ErrLibraryMissing, `its version is "unknown"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(test.path)
			if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.text) {
				t.Errorf("got error %v, want %v with %q", err, test.want, test.text)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q has more than one line", err)
			}
		})
	}
}
