//go:build torch

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The README's program exports a ResNet whose embedding `rkd init` finds. Its weights are not fetched.
// `make test-torch` runs this: PYTHON has torch, torchvision and, for a torch of 2.5 or newer, onnxscript.
func TestReadmeExportsAResNet(t *testing.T) {
	dir := workplace(t)
	drawings(t, filepath.Join(dir, "photographs"), 1)
	for _, match := range block.FindAllStringSubmatch(string(read(t, filepath.Join("..", "..", "README.md"))), -1) {
		if match[1] == "python" {
			program := strings.Replace(match[2], `weights="DEFAULT"`, "weights=None", 1)
			c := exec.CommandContext(t.Context(), os.Getenv("PYTHON"), "-c", program)
			c.Dir = dir
			if out, err := c.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		}
	}
	must(t, dir, "init", "photographs", "--model", "resnet18.onnx")
	text := string(read(t, filepath.Join(dir, "rkd.yaml")))
	for _, part := range []string{"output: embedding", "crop: 224", "recipe: photographs"} {
		if !strings.Contains(text, part) {
			t.Errorf("the configuration lacks %q:\n%s", part, text)
		}
	}
}
