package pipeline

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"testing"

	"rkd/datasets"
	"rkd/pipeline/cache"
)

// A cache of another version of the decoder is not one of changed files.
func TestOtherDecoder(t *testing.T) {
	dir := t.TempDir()
	data, err := os.ReadFile("../datasets/internal/jpeg/testdata/gray.jpg")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "a.jpg"), data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	d, err := datasets.Open(t.Context(), datasets.Source{Kind: "folder", Dir: dir}, datasets.Resources{})
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		before [32]byte
		want   bool
	}{"decoder": {sha256.Sum256(data), true}, "content": {sha256.Sum256(nil), false}} {
		changes := &cache.Changes{Changed: []string{"a.jpg"}, Before: map[string][32]byte{"a.jpg": tt.before}}
		if was, now, ok := otherDecoder(changes, d); ok != tt.want {
			t.Errorf("%s: %q and %q (%v), expected %v", name, was, now, ok, tt.want)
		}
	}
	if _, _, ok := otherDecoder(nil, d); ok {
		t.Error("a cache that knows no samples has another decoder")
	}
}
