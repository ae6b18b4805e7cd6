package exchange

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
)

const dim = 3

// rows are two blocks of three rows.
func rows() Blocks {
	return func(yield func(*Block, error) bool) {
		for b := range 2 {
			block := &Block{}
			for i := range 3 {
				n := float32(10*b + i)
				block.IDs, block.Views = append(block.IDs, int64(10*b+i)), append(block.Views, int32(i%2))
				block.Labels, block.Classes = append(block.Labels, int32(b)), append(block.Classes, fmt.Sprint("c,", b))
				block.Paths = append(block.Paths, fmt.Sprintf("c%d/“%d”.png", b, i))
				block.Embeddings = append(block.Embeddings, n, -n/3, 1e-7*n)
				block.Logits = append(block.Logits, n, 0)
			}
			if !yield(block, nil) {
				return
			}
		}
	}
}

func flat() (values []float32, paths []string) {
	for b, err := range rows() {
		if err != nil {
			panic(err) // rows yields none
		}
		values, paths = append(values, b.Embeddings...), append(paths, b.Paths...)
	}
	return values, paths
}

// TestRoundTrip reads what is written, bit for bit, in each form.
func TestRoundTrip(t *testing.T) {
	for _, logits := range []int{0, 2} {
		shape := Shape{Rows: 6, Dim: dim, LogitsDim: logits}
		dir := t.TempDir()
		folder := filepath.Join(dir, "folder")
		if err := WriteFolder(folder, shape, rows()); err != nil {
			t.Fatal(err)
		}
		for name, write := range map[string]func(*bytes.Buffer) error{
			"t.csv":     func(b *bytes.Buffer) error { return WriteCSV(b, Shape{6, dim, 0}, rows()) },
			"t.parquet": func(b *bytes.Buffer) error { return WriteParquet(b, shape, rows()) },
		} {
			var b bytes.Buffer
			if err := errors.Join(write(&b), os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		values, paths := flat()
		for _, name := range []string{"folder", "t.csv", "t.parquet"} {
			s, err := Read(filepath.Join(dir, name), "")
			if err != nil {
				t.Fatal(err)
			}
			if s.Dim != dim || !slices.Equal(s.Values, values) || !slices.Equal(s.Paths, paths) {
				t.Errorf("%s: %d numbers of %v came back as %v of %v", name, dim, paths, s.Values, s.Paths)
			}
			if !slices.Equal(s.IDs, []int64{0, 1, 2, 10, 11, 12}) || !slices.Equal(s.Views, []int32{0, 1, 0, 0, 1, 0}) {
				t.Errorf("%s: ids %v, views %v", name, s.IDs, s.Views)
			}
		}
	}
}

// array is a NumPy file as numpy.save writes it.
func array(descr, shape string, values any) []byte {
	head := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': %s, }", descr, shape)
	head += strings.Repeat(" ", 63-(10+len(head))%64) + "\n"
	b := []byte("\x93NUMPY\x01\x00")
	b = binary.LittleEndian.AppendUint16(b, uint16(len(head)))
	b = append(b, head...)
	b, _ = binary.Append(b, binary.LittleEndian, values)
	return b
}

func TestReadNPZ(t *testing.T) {
	text := make([]uint32, 2*3)
	for i, c := range []rune("a/ü") {
		text[i] = uint32(c)
	}
	text[3] = 'b'
	for name, c := range map[string]struct {
		names []byte
		ids   []int64
		paths []string
	}{
		"ids":   {array("<i8", "(2,)", []int64{-7, 1 << 40}), []int64{-7, 1 << 40}, nil},
		"key":   {array("<i4", "(2,)", []int32{-7, 8}), []int64{-7, 8}, nil},
		"paths": {array("<U3", "(2,)", text), nil, []string{"a/ü", "b"}},
		"url":   {array("|S2", "(2,)", []byte("ab\x63\x00")), nil, []string{"ab", "c"}},
	} {
		file := filepath.Join(t.TempDir(), "v.npz")
		var b bytes.Buffer
		w := zip.NewWriter(&b)
		for entry, data := range map[string][]byte{
			name + ".npy": c.names, "embeddings.npy": array("<f4", "(2, 3)", []float32{1, 2, 3, 4, 5, 6}),
		} {
			f, err := w.Create(entry)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.Write(data); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(w.Close(), os.WriteFile(file, b.Bytes(), 0o644)); err != nil {
			t.Fatal(err)
		}
		s, err := Read(file, "")
		if err != nil {
			t.Fatal(err)
		}
		if s.Dim != 3 || !slices.Equal(s.IDs, c.ids) || !slices.Equal(s.Paths, c.paths) {
			t.Errorf("%s: %d numbers, ids %v, paths %v", name, s.Dim, s.IDs, s.Paths)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	for name, c := range map[string]struct{ file, text, says string }{
		"an empty table":      {"a.csv", "id,e0\n", "no vectors"},
		"no names":            {"a.csv", "e0,e1\n1,2\n", "neither ids nor paths"},
		"a word":              {"a.csv", "id,e0\n1,two\n", `line 2: "two"`},
		"a NaN":               {"a.csv", "id,e0\n1,NaN\n", "vector 0 holds NaN"},
		"an id of a word":     {"a.csv", "id,e0\nx,1\n", `id "x"`},
		"lists of two widths": {"a.csv", "id,embedding\n1,\"[1,2]\"\n2,[1]\n", "1 numbers, expected 2"},
		"no Parquet":          {"a.parquet", "PAR1 and more of that PAR1", "a.parquet"},
		"no archive":          {"a.npz", "PK", "a.npz"},
		"another extension":   {"a.txt", "1", ".txt"},
	} {
		file := filepath.Join(t.TempDir(), c.file)
		if err := os.WriteFile(file, []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(file, ""); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want an ErrFormat with %q", name, err, c.says)
		}
	}
	if _, err := Read(t.TempDir(), ""); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an empty folder: %v, want that nothing is there", err)
	}
}

// FuzzRead looks for bytes that end the program.
func FuzzRead(f *testing.F) {
	var b bytes.Buffer
	if err := WriteParquet(&b, Shape{6, dim, 2}, rows()); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes(), uint8(0))
	f.Add([]byte("id,e0\n1,2\n"), uint8(1))
	f.Add(array("<f4", "(2, 3)", []float32{1, 2, 3, 4, 5, 6}), uint8(2))
	extensions := []string{".parquet", ".csv", ".npy", ".npz"}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte, kind uint8) {
		file := filepath.Join(dir, "v"+extensions[int(kind)%len(extensions)])
		if err := os.WriteFile(file, data, 0o644); err != nil {
			t.Fatal(err)
		}
		s, err := Read(file, "")
		if err == nil && len(s.Values) != s.Len()*s.Dim {
			t.Errorf("%d values of %d", len(s.Values), s.Dim)
		}
	})
}

// A folder of clip-retrieval's inference holds matrices of float16 in parts, beside metadata as pandas writes them:
// columns that may be null, of which only the path is read. Its README describes it.
func TestReadClipRetrieval(t *testing.T) {
	type metadata struct {
		ImagePath *string `parquet:"image_path,optional"`
		Caption   *string `parquet:"caption,optional"`
	}
	dir := t.TempDir()
	var want []string
	for part := range 2 {
		half := []uint16{0x3c00, 0xc000, 0x3555, uint16(part), 0x7bff, 0x0400} // 1, −2, 0.33325195, …
		rows := []metadata{}
		for i := range 2 {
			path := fmt.Sprintf("/data/cats/%d-%d.jpg", part, i)
			rows, want = append(rows, metadata{ImagePath: &path}), append(want, path)
		}
		caption := "a cat"
		rows[0].Caption = &caption
		var b bytes.Buffer
		w := parquet.NewGenericWriter[metadata](&b)
		if _, err := w.Write(rows); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		for name, data := range map[string][]byte{
			fmt.Sprintf("img_emb/img_emb_%d.npy", part):       array("<f2", "(2, 3)", half),
			fmt.Sprintf("metadata/metadata_%d.parquet", part): b.Bytes(),
		} {
			file := filepath.Join(dir, filepath.FromSlash(name))
			if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, data, 0o644)); err != nil {
				t.Fatal(err)
			}
		}
	}
	s, err := Read(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	if s.Dim != 3 || !slices.Equal(s.Paths, want) || !slices.Equal(s.Values[:3], []float32{1, -2, 0.33325195}) ||
		s.Values[6] != 1 || s.Values[4] != 65504 {
		t.Errorf("it is read as %v of %v", s.Values, s.Paths)
	}
}
