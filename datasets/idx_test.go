package datasets

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseIDX(t *testing.T) {
	data := []uint8{1, 2, 3, 4, 5, 6}
	plain := encodeIDX([]int{1, 2, 3}, data)
	for _, tt := range []struct {
		name string
		file []byte
	}{{"plain", plain}, {"gzip", compress(t, plain)}} {
		t.Run(tt.name, func(t *testing.T) {
			a, err := parseIDX(bytes.NewReader(tt.file))
			if err != nil {
				t.Fatal(err)
			}
			if !cmp.Equal(a.dims, []int{1, 2, 3}) || !bytes.Equal(a.data, data) {
				t.Errorf("%v %v", a.dims, a.data)
			}
		})
	}
}

func TestParseIDXRefuses(t *testing.T) {
	good := encodeIDX([]int{2, 3}, []uint8{1, 2, 3, 4, 5, 6})
	zipped := compress(t, good)
	flipped := bytes.Clone(zipped)
	flipped[len(flipped)-8] ^= 1 // in the checksum
	for _, tt := range []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "0 bytes, expected an IDX header"},
		{"three bytes", []byte{0, 0, 8}, "3 bytes, expected an IDX header"},
		{"text", []byte("label,pixel0\n"), `starts with bytes 6c 61 62 65 ("labe"), expected an IDX header 00 00 08`},
		{"floats", []byte{0, 0, 0x0d, 1, 0, 0, 0, 1, 0}, "starts with bytes 00 00 0d 01"},
		{"no dimension", []byte{0, 0, 8, 0}, "starts with bytes 00 00 08 00"},
		{"five dimensions", encodeIDX([]int{1, 1, 1, 1, 1}, []uint8{1}), "starts with bytes 00 00 08 05"},
		{"header cut short", good[:10], "cut short in an IDX header of 2 dimensions"},
		{"data cut short", good[:len(good)-1], "cut short, 5 bytes of data, expected 2 × 3 = 6"},
		{"no data", good[:12], "cut short, 0 bytes of data, expected 2 × 3 = 6"},
		{"one byte too many", append(bytes.Clone(good), 0), "more data than the 2 × 3 = 6 bytes of the header"},
		{"dimension of zero", encodeIDX([]int{2, 0}, nil), "dimension 1 of the IDX header is 0"},
		{
			"absurd dimensions", encodeIDX([]int{1 << 31, 1 << 31, 1 << 31, 1 << 31}, nil),
			"announces 2147483648 × 2147483648 bytes or more",
		},
		{"large claim, no data", encodeIDX([]int{1 << 30, 4}, []uint8{1}), "cut short, 1 bytes of data"},
		{"gzip header cut short", zipped[:5], "bad gzip header"},
		{"gzip cut short", zipped[:len(zipped)-12], "cut short"},
		{"gzip trailer cut short", zipped[:len(zipped)-3], "cut short in the gzip trailer"},
		{"gzip checksum wrong", flipped, "invalid checksum"},
		{"text in gzip", compress(t, []byte("hello world")), `starts with bytes 68 65 6c 6c ("hell")`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parseIDX(bytes.NewReader(tt.file))
			if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, expected ErrFormat with %q", err, tt.want)
			}
		})
	}
}

func FuzzParseIDX(f *testing.F) {
	good := encodeIDX([]int{2, 3}, []uint8{1, 2, 3, 4, 5, 6})
	for _, seed := range [][]byte{
		nil, []byte("text"), good, good[:9], compress(f, good),
		encodeIDX([]int{1 << 31, 4, 4}, nil),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		a, err := parseIDX(bytes.NewReader(file))
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Fatalf("error %v, expected ErrFormat", err)
			}
			return
		}
		size := 1
		for _, d := range a.dims {
			size *= d
		}
		if len(a.data) != size || size == 0 {
			t.Fatalf("%d bytes of data for dimensions %v", len(a.data), a.dims)
		}
		again, err := parseIDX(bytes.NewReader(encodeIDX(a.dims, a.data)))
		if err != nil || !cmp.Equal(again.dims, a.dims) || !bytes.Equal(again.data, a.data) {
			t.Fatalf("does not survive being written and read again: %v", err)
		}
	})
}

// write puts files into a new folder.
func write(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const (
	trainImages = "train-images-idx3-ubyte"
	trainLabels = "train-labels-idx1-ubyte"
)

func TestIDXRefuses(t *testing.T) {
	images := encodeIDX([]int{2, 1, 2}, []uint8{1, 2, 3, 4})
	labels := encodeIDX([]int{2}, []uint8{1, 0})
	for _, tt := range []struct {
		name  string
		files map[string][]byte
		is    error
		want  string
	}{
		{"no files", nil, fs.ErrNotExist, trainLabels},
		{"no images", map[string][]byte{trainLabels: labels}, fs.ErrNotExist, trainImages},
		{
			"fewer labels than images",
			map[string][]byte{trainImages: images, trainLabels: encodeIDX([]int{1}, []uint8{1})},
			ErrFormat, "2 images and 1 labels in",
		},
		{
			"labels in place of images",
			map[string][]byte{trainImages: labels, trainLabels: labels},
			ErrFormat, "shape 2, expected samples × height × width",
		},
		{
			"images in place of labels",
			map[string][]byte{trainImages: images, trainLabels: images},
			ErrFormat, "shape 2 × 1 × 2, expected one dimension of labels",
		},
		{
			"two channels",
			map[string][]byte{trainImages: encodeIDX([]int{2, 1, 1, 2}, []uint8{1, 2, 3, 4}), trainLabels: labels},
			ErrFormat, "shape 2 × 1 × 1 × 2, expected samples × height × width",
		},
		{
			"text",
			map[string][]byte{trainImages: []byte("hello world"), trainLabels: labels},
			ErrFormat, trainImages,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := write(t, tt.files)
			_, err := Open(t.Context(), Source{Kind: "idx", Split: "train", Dir: dir}, Resources{})
			if !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), dir) {
				t.Errorf("%v, expected %v with %q and the folder", err, tt.is, tt.want)
			}
		})
	}
}

func TestMNISTRefuses(t *testing.T) {
	_, err := Open(t.Context(), Source{Kind: "mnist", Split: "train"}, Resources{CacheDir: t.TempDir()})
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "make setup") {
		t.Errorf("without files: %v, expected fs.ErrNotExist and the way to get them", err)
	}
	cache := write(t, map[string][]byte{
		"mnist/" + trainImages: encodeIDX([]int{1, 1, 1}, []uint8{1}),
		"mnist/" + trainLabels: encodeIDX([]int{1}, []uint8{10}),
	})
	_, err = Open(t.Context(), Source{Kind: "mnist", Split: "train"}, Resources{CacheDir: cache})
	if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "label 10 of sample 0, expected 0 to 9") {
		t.Errorf("with a label that is no digit: %v, expected ErrFormat", err)
	}
}

func TestIDXSet(t *testing.T) {
	images := encodeIDX([]int{2, 1, 2, 3}, []uint8{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})
	dir := write(t, map[string][]byte{
		trainImages + ".gz": compress(t, images),
		trainLabels:         encodeIDX([]int{2}, []uint8{2, 0}),
	})
	byDir, err := Open(t.Context(), Source{Kind: "idx", Split: "train", Dir: dir}, Resources{})
	if err != nil {
		t.Fatal(err)
	}
	byFile, err := Open(t.Context(), Source{
		Kind: "idx", Images: filepath.Join(dir, trainImages+".gz"), Labels: filepath.Join(dir, trainLabels),
	}, Resources{})
	if err != nil {
		t.Fatal(err)
	}
	if byDir.Name() != filepath.Join(dir, "train") || byFile.Name() != filepath.Join(dir, trainImages+".gz") {
		t.Errorf("names %q and %q", byDir.Name(), byFile.Name())
	}
	if byDir.Fingerprint() != byFile.Fingerprint() {
		t.Error("the same files named in two ways have two fingerprints")
	}
	if diff := cmp.Diff([]string{"0", "1", "2"}, byDir.Classes()); diff != "" {
		t.Errorf("classes (-want +got):\n%s", diff)
	}
	got, err := imageOf(t, byDir, 1)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Image{Height: 1, Width: 2, Channels: 3, Pixels: []uint8{7, 8, 9, 10, 11, 12}}, got); diff != "" {
		t.Errorf("image (-want +got):\n%s", diff)
	}
	if want := filepath.Join(dir, trainImages+".gz#1"); byDir.Path(1) != want {
		t.Errorf("path %q, expected %q", byDir.Path(1), want)
	}
}
