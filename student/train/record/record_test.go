package record

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
)

type document struct {
	Step  int            `json:"step"`
	Words []string       `json:"words"`
	Map   map[string]any `json:"map,omitempty"`
}

var example = document{Step: 3, Words: []string{"a", `", "checksum": "`}, Map: map[string]any{"x": 1.5}}

func TestADocumentComesBack(t *testing.T) {
	data, err := Marshal(example)
	if err != nil {
		t.Fatal(err)
	}
	var got document
	if sealed, err := Unmarshal(data, &got); err != nil || !sealed || !reflect.DeepEqual(got, example) {
		t.Errorf("got %+v, sealed %t, error %v", got, sealed, err)
	}
}

func TestEveryFlippedBitIsFound(t *testing.T) {
	data, err := Marshal(example)
	if err != nil {
		t.Fatal(err)
	}
	for i := range data {
		for bit := range 8 {
			damaged := bytes.Clone(data)
			damaged[i] ^= 1 << bit
			var got document
			if sealed, err := Unmarshal(damaged, &got); err == nil && sealed {
				t.Errorf("byte %d, bit %d: the damage is not seen: %q", i, bit, damaged[i])
			}
		}
	}
	edited := bytes.Replace(data, []byte(`"step": 3`), []byte(`"step": 4`), 1)
	if _, err := Unmarshal(edited, new(document)); !errors.Is(err, ErrChecksum) {
		t.Errorf("an edited number: got %v, want ErrChecksum", err)
	}
}

func TestDocumentsOfEarlierVersionsHaveNoChecksum(t *testing.T) {
	var got document
	sealed, err := Unmarshal([]byte(`{"step": 3}`), &got)
	if err != nil || sealed || got.Step != 3 {
		t.Errorf("got %+v, sealed %t, error %v", got, sealed, err)
	}
	if _, err := Unmarshal([]byte(`{"step": 3`), &got); err == nil {
		t.Error("got no error for half a document")
	}
}

func TestSweepTakesLeftoversOnly(t *testing.T) {
	dir := t.TempDir()
	kept := []string{".results.json", ".last-notes1", "results.json", ".results.json1x", "results.json17", ".other.json12"}
	for _, name := range append(slices.Clone(kept), ".results.json8151", ".last-00000007.safetensors99") {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := Sweep(dir, `results\.json`, `last-\d{8}\.safetensors`); err != nil {
		t.Fatal(err)
	}
	var names []string
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	slices.Sort(kept)
	if !slices.Equal(names, kept) {
		t.Errorf("left %q, want %q", names, kept)
	}
}

func FuzzUnmarshal(f *testing.F) {
	data, err := Marshal(example)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var got document
		sealed, err := Unmarshal(data, &got)
		if sealed && err != nil {
			t.Errorf("sealed in spite of %v", err)
		}
	})
}
