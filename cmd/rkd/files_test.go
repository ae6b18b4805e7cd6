package main

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/jpeg"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"rkd/models/onnx"
)

func shard(t *testing.T, dir string, i int) string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "runs/sample/cache/shard-*.parquet"))
	if err != nil || len(paths) <= i {
		t.Fatalf("shards are %v (%v), expected more than %d", paths, err, i)
	}
	return paths[i]
}

// listing names every file below dir with its size.
func listing(t *testing.T, dir string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "find", dir, "-type", "f", "-exec", "wc", "-c", "{}", ";").Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// idx is an IDX file of bytes: count entries of the given dimensions, where the header says claimed.
func idx(t *testing.T, claimed, count int, dims ...int) []byte {
	t.Helper()
	b := []byte{0, 0, 8, byte(1 + len(dims))}
	b = binary.BigEndian.AppendUint32(b, uint32(claimed))
	size := count
	for _, d := range dims {
		b = binary.BigEndian.AppendUint32(b, uint32(d))
		size *= d
	}
	for i := range size {
		b = append(b, byte(i%2))
	}
	return b
}

// photographs makes a folder of two classes with six images and a broken one.
func photographs(t *testing.T, dir string) {
	t.Helper()
	for _, class := range []string{"cats/tabby", "dogs"} {
		folder := filepath.Join(dir, "photographs", class)
		mkdir(t, folder)
		for _, name := range []string{"a.jpg", "b.JPEG", "c.jpg"} {
			var b bytes.Buffer
			img := image.NewGray(image.Rect(0, 0, 40, 30))
			for i := range img.Pix {
				img.Pix[i] = byte(i * len(class))
			}
			if err := jpeg.Encode(&b, img, nil); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(folder, name), b.Bytes())
		}
	}
	write(t, filepath.Join(dir, "photographs", "dogs", "broken.jpg"), []byte("\xff\xd8\xff\xe0 and then nothing"))
}

// nanTeacher makes a model whose embedding of a mostly dark image is no number: the logarithm of the pixels' sum.
func nanTeacher(t *testing.T, dir string) {
	t.Helper()
	b := onnx.NewBuilder("nan", 17)
	x := b.Input("input", onnx.Float32, "N", 1, 28, 28)
	sum := b.Node("ReduceSum", []string{b.Node("Flatten", []string{x}), b.Int64("axes", []int{1}, []int64{1})})
	b.NodeTo("embedding", "Log", []string{sum})
	b.Output("embedding", onnx.Float32, "N", 1)
	m, err := b.Model("test", "1")
	if err == nil {
		err = m.Save(filepath.Join(dir, "nan.onnx"))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func mkdir(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
}

func pipe(t *testing.T, path string) {
	t.Helper()
	if err := syscall.Mkfifo(path, 0o644); err != nil {
		t.Fatal(err)
	}
}

// photograph writes a gray PNG of side × side pixels.
func photograph(t *testing.T, path string, side int) {
	t.Helper()
	var b bytes.Buffer
	err := png.Encode(&b, image.NewGray(image.Rect(0, 0, side, side)))
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, b.Bytes())
}
