//go:build readers

package cache

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestReaders reads caches of each type with the libraries that people use. $PYTHON has them.
func TestReaders(t *testing.T) {
	for _, dtype := range DTypes {
		t.Run(dtype, func(t *testing.T) { readElsewhere(t, dtype) })
	}
}

func readElsewhere(t *testing.T, dtype string) {
	plan := reduced(testPlan(20, 2, 15, 6, 3), dtype, false)
	dir := build(t, plan, 12)
	want := expected(plan, 12)
	want.Embeddings = Quantize(dtype, want.Embeddings, 6)
	cmd := exec.CommandContext(t.Context(), os.Getenv("PYTHON"), "testdata/readers.py", dir)
	cmd.Env = append(os.Environ(), "HF_HUB_OFFLINE=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	must(t, err)
	libraries := 0
	for line := range bytes.Lines(out) {
		var got struct {
			Library        string
			IDs            []int64
			Paths, Classes []string
			Embeddings     [][]float32
			Metadata       map[string]string
		}
		must(t, json.Unmarshal(line, &got))
		libraries++
		sameValues(t, got.Library+": ids", got.IDs, want.IDs)
		var paths, classes []string
		for _, a := range want.About {
			paths, classes = append(paths, a.Path), append(classes, a.Class)
		}
		sameValues(t, got.Library+": paths", got.Paths, paths)
		sameValues(t, got.Library+": classes", got.Classes, classes)
		for i, e := range got.Embeddings {
			sameValues(t, got.Library+": embedding", e, want.Embeddings[i*6:(i+1)*6])
		}
		if n, ok := got.Metadata["normalize"]; ok && n != "l2" {
			t.Errorf("%s: normalize is %q", got.Library, n)
		}
		if name, ok := got.Metadata["class"]; ok && name != want.About[0].Class {
			t.Errorf("%s: the first label is %q, want %q", got.Library, name, want.About[0].Class)
		}
		if f, ok := got.Metadata["features"]; ok && !strings.Contains(f, "length=6") {
			t.Errorf("%s: features are %s, want embeddings of length 6", got.Library, f)
		}
		t.Log(got.Library, got.Metadata)
	}
	if libraries != 4 {
		t.Errorf("%d libraries, expected 4", libraries)
	}
}
