//go:build snippets

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

// `make test-snippets` runs this: PYTHON has numpy, onnxruntime and Pillow, NODE_WORKPLACE the packages
// onnxruntime-node and sharp.
func TestSnippetInPython(t *testing.T) {
	checkSnippets(t, "python", "embed.py", snippetCases, func(t *testing.T, program, picture string) []byte {
		return printed(t, exec.CommandContext(t.Context(), os.Getenv("PYTHON"), program, picture))
	})
}

func TestSnippetForNode(t *testing.T) {
	place := os.Getenv("NODE_WORKPLACE")
	checkSnippets(t, "node", "embed.mjs", snippetCases, func(t *testing.T, program, picture string) []byte {
		// Node looks for packages beside the program.
		beside, err := os.CreateTemp(place, "*.mjs")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Remove(beside.Name()) })
		if _, err := beside.Write(read(t, program)); err != nil {
			t.Fatal(err)
		}
		if err := beside.Close(); err != nil {
			t.Fatal(err)
		}
		return printed(t, exec.CommandContext(t.Context(), "node", filepath.Clean(beside.Name()), picture))
	})
}

// The programs in docs/use.md read what its commands have written: PYTHON has duckdb, faiss-cpu and hnswlib, too.
func TestSnippetInPythonOfThePage(t *testing.T) {
	dir := workplace(t)
	runDocument(t, dir, "docs/use.md", 6)
	var nearest []string
	for _, match := range block.FindAllStringSubmatch(string(read(t, filepath.Join("..", "..", "docs/use.md"))), -1) {
		if match[1] == "python" {
			c := exec.CommandContext(t.Context(), os.Getenv("PYTHON"), "-c", match[2])
			c.Dir = dir
			found := regexp.MustCompile(`ubyte\.gz#\d+`).FindAllString(string(printed(t, c)), -1)
			if len(found) != 5 || nearest != nil && !slices.Equal(found, nearest) {
				t.Errorf("%s\nfinds %v, expected %v", match[2], found, nearest)
			}
			nearest = found
		}
	}
	if nearest == nil {
		t.Error("there is no program")
	}
}
