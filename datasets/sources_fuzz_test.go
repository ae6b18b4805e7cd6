package datasets

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func FuzzTarIndex(f *testing.F) {
	f.Add([]byte("not a tar file"))
	data, err := os.ReadFile(filepath.Join(sourcesDir, "json.tar"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "x.tar")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		x := new(tarIndex)
		if err := x.add(t.Context(), path, "x.tar"); err != nil && !errors.Is(err, ErrFormat) {
			t.Errorf("%v, expected ErrFormat", err)
		}
	})
}

func FuzzParquetPictures(f *testing.F) {
	for _, name := range []string{"pandas.parquet", "vectors.parquet"} {
		data, err := os.ReadFile(filepath.Join(sourcesDir, name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "x.parquet")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, src := range []Source{
			{Kind: "parquet", Files: Patterns{path}, Columns: Columns{Image: "raw"}},
			{Kind: "vectors", Files: Patterns{path}},
		} {
			_, err := Open(t.Context(), src, Resources{})
			if err != nil && !errors.Is(err, ErrFormat) && !errors.Is(err, ErrSource) && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%v, expected ErrFormat", err)
			}
		}
	})
}

func FuzzNPYTexts(f *testing.F) {
	data, err := os.ReadFile(filepath.Join(sourcesDir, "labels.npy"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := parseNPYTexts(bytes.NewReader(data), int64(len(data))); err != nil && !errors.Is(err, ErrFormat) {
			t.Errorf("%v, expected ErrFormat", err)
		}
	})
}
