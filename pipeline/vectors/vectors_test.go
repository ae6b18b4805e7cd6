package vectors

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func example(n, d int) *Set {
	s := &Set{
		About: About{Model: "student.onnx", Hash: "ab", Metric: "euclidean", Normalize: "l2", Source: "photographs"},
		Dim:   d, Values: make([]float32, n*d),
	}
	for i := range n {
		s.Paths = append(s.Paths, filepath.Join("photographs", string(rune('a'+i%26)), "x, \"y\"\n.jpg"))
		s.Classes = append(s.Classes, string(rune('a'+i%26)))
	}
	for i := range s.Values {
		s.Values[i] = float32(i) / 7
	}
	return s
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	for _, name := range []string{"v.parquet", "v.npy", "deep/er/v.parquet"} {
		for _, n := range []int{1, 3, 2050} {
			path := filepath.Join(t.TempDir(), name)
			want := example(n, 5)
			if err := Write(path, want); err != nil {
				t.Fatal(err)
			}
			got, err := Read(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s of %d rows (-want +got):\n%s", name, n, diff)
			}
		}
	}
}

func TestAMatrixAloneHasNumbersForPaths(t *testing.T) {
	path := filepath.Join(t.TempDir(), "v.npy")
	if err := Write(path, example(2, 3)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(Beside(path)); err != nil {
		t.Fatal(err)
	}
	if s, err := Read(path); err != nil || s.Paths[1] != "#1" || s.Dim != 3 {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestBadFilesAreRefused(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good.parquet")
	if err := Write(good, example(40, 3)); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	notFinite := example(2, 3)
	notFinite.Values[4] = float32(math.NaN())
	var b bytes.Buffer
	if err := encodeParquet(&b, notFinite); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"empty": nil, "text": []byte("hello, this is text"), "cut": data[:len(data)-9], "not finite": b.Bytes(),
		"a footer beyond the file": append(bytes.Clone(data[:len(data)-8]), 0xff, 0xff, 0xff, 0x7f, 'P', 'A', 'R', '1'),
	} {
		path := filepath.Join(dir, "bad.parquet")
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(path); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v, expected ErrFormat", name, err)
		}
	}
	if _, err := Read(filepath.Join(dir, "x.csv")); !errors.Is(err, ErrFormat) {
		t.Errorf("another name: %v", err)
	}
	if _, err := Read(filepath.Join(dir, "none.parquet")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	// Other people's files: fewer paths than rows beside a matrix.
	npy := filepath.Join(dir, "v.npy")
	if err := Write(npy, example(3, 2)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(Beside(npy), []byte(`{"paths": ["a"]}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(npy); !errors.Is(err, ErrFormat) {
		t.Errorf("too few paths: %v", err)
	}
}

func FuzzParquet(f *testing.F) {
	var b bytes.Buffer
	if err := encodeParquet(&b, example(3, 2)); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(dir, "v.parquet")
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		if s, err := Read(path); err == nil && len(s.Values) != s.Len()*s.Dim {
			t.Errorf("%d rows of %d hold %d numbers", s.Len(), s.Dim, len(s.Values))
		}
	})
}
