package pipeline

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Results of format 1 say `variants` for `models`, name no format, and have no checksum where they are older still.
func TestResultsOfEveryFormatAreRead(t *testing.T) {
	want := &Results{
		Format: resultsFormat, Name: "a", Models: map[string]VariantResult{"plain": {Seeds: []uint64{1}}},
		Order: []string{"plain"}, Key: "k",
	}
	written := t.TempDir()
	if err := want.write(written); err != nil {
		t.Fatal(err)
	}
	now, err := os.ReadFile(filepath.Join(written, ResultsFile))
	if err != nil {
		t.Fatal(err)
	}
	const format1 = `{"name": "a", "variants": {"plain": {"seeds": [1]}}, "order": ["plain"], "key": "k"}`
	unsealed := strings.Replace(format1, `{"name"`, `{"format": 2, "name"`, 1)
	for _, tt := range []struct {
		name, text string
		want       *Results
	}{
		{"of today", string(now), want},
		{"of format 1", format1, want},
		{"edited", strings.Replace(string(now), `"key": "k"`, `"key": "l"`, 1), nil},
		{"of format 2 without a checksum", unsealed, nil},
		{"cut short", format1[:40], nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, ResultsFile), []byte(tt.text), 0o644); err != nil {
				t.Fatal(err)
			}
			got, err := readResults(dir)
			if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
				t.Errorf("(-expected +read) %s, error %v", diff, err)
			}
		})
	}
	newer := *want
	newer.Format = resultsFormat + 1
	if err := newer.write(written); err != nil {
		t.Fatal(err)
	}
	if _, err := readResults(written); !errors.Is(err, ErrMismatch) {
		t.Errorf("error %v for results of a later version, expected %v", err, ErrMismatch)
	}
}
