package datasets

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"
)

func TestOpenFilesKeepsTheirOrder(t *testing.T) {
	found, err := filepath.Glob("testdata/formats/*.png")
	if err != nil || len(found) < 2 {
		t.Fatalf("pictures are %v (%v)", found, err)
	}
	slices.Reverse(found)
	d, err := OpenFiles(context.Background(), found, Resources{})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range found {
		if d.Path(i) != want || d.ID(i) != int64(i) || d.Label(i) != 0 {
			t.Errorf("sample %d is %q, id %d, label %d", i, d.Path(i), d.ID(i), d.Label(i))
		}
	}
	for _, paths := range [][]string{nil, {"x.txt"}} {
		if _, err := OpenFiles(context.Background(), paths, Resources{}); !errors.Is(err, ErrSource) {
			t.Errorf("%v: %v", paths, err)
		}
	}
}

func TestWriteNPYIsReadBack(t *testing.T) {
	for _, shape := range [][2]int{{1, 1}, {3, 5}, {70000, 2}} {
		m := Matrix{Rows: shape[0], Cols: shape[1], Values: make([]float32, shape[0]*shape[1])}
		for i := range m.Values {
			m.Values[i] = float32(i) / 3
		}
		var b bytes.Buffer
		if err := WriteNPY(&b, m); err != nil {
			t.Fatal(err)
		}
		if (b.Len()-4*len(m.Values))%64 != 0 {
			t.Errorf("values of %v begin at byte %d", shape, b.Len()-4*len(m.Values))
		}
		got, err := parseNPY(&b, int64(b.Len()))
		if err != nil || got.Rows != m.Rows || got.Cols != m.Cols || !slices.Equal(got.Values, m.Values) {
			t.Errorf("%v reads back as %d×%d: %v", shape, got.Rows, got.Cols, err)
		}
	}
}
