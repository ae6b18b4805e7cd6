package datasets

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func encodePNG(t testing.TB, m image.Image) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := png.Encode(&buf, m); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func encodeJPEG(t testing.TB, m image.Image) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, m, nil); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// dot is a PNG of one gray pixel.
func dot(t testing.TB, value uint8) []byte {
	return encodePNG(t, &image.Gray{Pix: []uint8{value}, Stride: 1, Rect: image.Rect(0, 0, 1, 1)})
}

func TestFolderOrderAndClasses(t *testing.T) {
	dir := write(t, map[string][]byte{
		"val/zebra.png":       dot(t, 1),
		"val/cat/b.PNG":       dot(t, 2),
		"val/cat/a.Jpeg":      dot(t, 3), // told apart by content
		"val/cat/deep/x.jpg":  encodeJPEG(t, image.NewGray(image.Rect(0, 0, 3, 2))),
		"val/cat-house/y.png": dot(t, 5),
		"val/cat/.hidden.png": dot(t, 6),
		"val/.cache/z.png":    dot(t, 7),
		"val/cat/notes.txt":   []byte("no image"),
		"train/dog/n.png":     dot(t, 8),
	})
	if err := os.Symlink(filepath.Join(dir, "train/dog/n.png"), filepath.Join(dir, "val/cat/link.png")); err != nil {
		t.Fatal(err)
	}
	d, err := Open(t.Context(), Source{Kind: "folder", Dir: dir, Split: "val"}, Resources{})
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(dir, "val")
	if d.Name() != root {
		t.Errorf("name %q, expected %q", d.Name(), root)
	}
	if diff := cmp.Diff([]string{".", "cat", "cat-house", "cat/deep"}, d.Classes()); diff != "" {
		t.Errorf("classes (-want +got):\n%s", diff)
	}
	type sample struct {
		ID    int64
		Path  string
		Label int32
		First uint8
	}
	var got []sample
	for i := range d.Len() {
		img, err := imageOf(t, d, i)
		if err != nil {
			t.Fatal(err)
		}
		rel, err := filepath.Rel(root, d.Path(i))
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, sample{d.ID(i), filepath.ToSlash(rel), d.Label(i), img.Pixels[0]})
	}
	want := []sample{
		{0, "cat-house/y.png", 2, 5},
		{1, "cat/a.Jpeg", 1, 3},
		{2, "cat/b.PNG", 1, 2},
		{3, "cat/deep/x.jpg", 3, 0},
		{4, "cat/link.png", 1, 8},
		{5, "zebra.png", 0, 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("samples (-want +got):\n%s", diff)
	}
}

func TestFolderFollowsALinkToItsRoot(t *testing.T) {
	dir := write(t, map[string][]byte{"real/a/1.png": dot(t, 1)})
	link := filepath.Join(dir, "link")
	if err := os.Symlink(filepath.Join(dir, "real"), link); err != nil {
		t.Fatal(err)
	}
	d, err := Open(t.Context(), Source{Kind: "folder", Dir: link}, Resources{})
	if err != nil || d.Len() != 1 {
		t.Errorf("%v, expected one sample", err)
	}
}

func TestFolderRefuses(t *testing.T) {
	dir := write(t, map[string][]byte{
		"text/readme.md": []byte("x"), "loop/a/1.png": dot(t, 1), "broken/b/2.png": dot(t, 2), "file": []byte("x"),
	})
	for link, target := range map[string]string{"loop/a/again": "loop", "broken/b/gone.png": "nowhere"} {
		if err := os.Symlink(filepath.Join(dir, target), filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		split string
		is    error
		want  string
	}{
		{"missing", fs.ErrNotExist, "missing"},
		{"text", ErrFormat, "no image in it, expected files ending in .png, .jpg, .jpeg, .jpe, .jfif, .webp,"},
		{"loop", ErrFormat, `"a/again" is a link to a folder`},
		{"broken", fs.ErrNotExist, "b/gone.png"},
		{"file", ErrFormat, "it is no folder"},
	} {
		t.Run(tt.split, func(t *testing.T) {
			_, err := Open(t.Context(), Source{Kind: "folder", Dir: dir, Split: tt.split}, Resources{})
			if !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.want) ||
				!strings.Contains(err.Error(), filepath.Join(dir, tt.split)) {
				t.Errorf("%v, expected %v with %q and the folder", err, tt.is, tt.want)
			}
		})
	}
}

func TestFolderStopsWhenCancelled(t *testing.T) {
	dir := write(t, map[string][]byte{"a/1.png": dot(t, 1)})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, Source{Kind: "folder", Dir: dir}, Resources{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, expected context.Canceled", err)
	}
}

func TestBrokenImages(t *testing.T) {
	photo := encodeJPEG(t, image.NewYCbCr(image.Rect(0, 0, 40, 40), image.YCbCrSubsampleRatio420))
	huge := bytes.Clone(dot(t, 1))
	// width and height of the header, whose checksum is now wrong too
	copy(huge[16:24], []byte{0x40, 0, 0, 0, 0x40, 0, 0, 0})
	dir := write(t, map[string][]byte{
		"a/cut.jpg":   photo[:len(photo)/2],
		"a/cut.png":   dot(t, 1)[:40],
		"a/empty.png": nil,
		"a/gif.png":   []byte("GIF89a, not a PNG"),
		"a/huge.png":  huge,
		"a/ok.jpg":    photo,
	})
	d, err := Open(t.Context(), Source{Kind: "folder", Dir: dir, OnError: "skip"}, Resources{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range d.Len() {
		_, err := imageOf(t, d, i)
		if filepath.Base(d.Path(i)) == "ok.jpg" {
			if err != nil {
				t.Errorf("%s: %v", d.Path(i), err)
			}
			continue
		}
		if !errors.Is(err, ErrDecode) || !strings.Contains(err.Error(), d.Path(i)) {
			t.Errorf("%s: %v, expected ErrDecode and the file's name", d.Path(i), err)
		}
	}
	if err := os.Remove(d.Path(0)); err != nil {
		t.Fatal(err)
	}
	if _, err := imageOf(t, d, 0); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrDecode) {
		t.Errorf("a file that is gone: %v, expected fs.ErrNotExist and not ErrDecode", err)
	}
}

// The header alone, checksummed, so that nothing but the limit can refuse it.
func TestDecodeRefusesAnImageThatIsTooLarge(t *testing.T) {
	data := dot(t, 1)
	header := data[12:29] // type and content of the first chunk
	binary.BigEndian.PutUint32(header[4:], 1<<14)
	binary.BigEndian.PutUint32(header[8:], 1<<14)
	binary.BigEndian.PutUint32(data[29:], crc32.ChecksumIEEE(header))
	_, err := decode(data)
	if err == nil || !strings.Contains(err.Error(), "image of 16384 × 16384 pixels, expected 1 to 134217728") {
		t.Errorf("%v, expected the size and the limit", err)
	}
}

func TestDecodeColours(t *testing.T) {
	rect := image.Rect(0, 0, 1, 1)
	one := func(m interface {
		image.Image
		Set(x, y int, c color.Color)
	}, c color.Color,
	) image.Image {
		m.Set(0, 0, c)
		return m
	}
	for _, tt := range []struct {
		name string
		m    image.Image
		want Image
	}{
		{"gray", one(image.NewGray(rect), color.Gray{77}), Image{Pixels: []uint8{77}}},
		{
			"gray of 16 bits", one(image.NewGray16(rect), color.Gray16{0x12ff}),
			Image{Pixels: []uint8{0x12}, Deep: []uint16{0x12ff}},
		},
		{"colour", one(image.NewRGBA(rect), color.RGBA{1, 2, 3, 255}), Image{Pixels: []uint8{1, 2, 3}}},
		{
			"colour of 16 bits", one(image.NewRGBA64(rect), color.RGBA64{0x1ff, 0x2ff, 0xffff, 0xffff}),
			Image{Pixels: []uint8{1, 2, 255}, Deep: []uint16{0x1ff, 0x2ff, 0xffff}},
		},
		{
			"half transparent", one(image.NewNRGBA(rect), color.NRGBA{200, 100, 0, 128}),
			Image{Pixels: []uint8{200, 100, 0}, Alpha: []uint8{128}},
		},
		{
			"transparent keeps its colour", one(image.NewNRGBA(rect), color.NRGBA{200, 100, 50, 0}),
			Image{Pixels: []uint8{200, 100, 50}, Alpha: []uint8{0}},
		},
		{"palette", image.NewPaletted(rect, color.Palette{color.RGBA{9, 8, 7, 255}}), Image{Pixels: []uint8{9, 8, 7}}},
		{
			"palette of grays is colour", image.NewPaletted(rect, color.Palette{color.Gray{5}}),
			Image{Pixels: []uint8{5, 5, 5}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := decode(encodePNG(t, tt.m))
			if err != nil {
				t.Fatal(err)
			}
			tt.want.Height, tt.want.Width, tt.want.Channels = 1, 1, len(tt.want.Pixels)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecodeJPEGKeepsGray(t *testing.T) {
	for name, tt := range map[string]struct {
		m    image.Image
		want int
	}{
		"gray":   {image.NewGray(image.Rect(0, 0, 5, 7)), 1},
		"colour": {image.NewRGBA(image.Rect(0, 0, 5, 7)), 3},
	} {
		img, err := decode(encodeJPEG(t, tt.m))
		if err != nil || img.Channels != tt.want || img.Height != 7 || img.Width != 5 || img.check() != nil {
			t.Errorf("%s: %d × %d × %d (%v), expected 7 × 5 × %d", name, img.Height, img.Width, img.Channels, err, tt.want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(dot(f, 9))
	f.Add(encodeJPEG(f, image.NewYCbCr(image.Rect(0, 0, 3, 5), image.YCbCrSubsampleRatio420)))
	f.Add([]byte("GIF89a"))
	files, err := filepath.Glob("testdata/formats/*")
	if err != nil || len(files) == 0 {
		f.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		img, err := decode(data)
		if err == nil && img.check() != nil {
			t.Fatalf("decoded into a bad image: %v", img.check())
		}
		if err == nil {
			developed := Preprocess{Alpha: Alpha{1, 2, 3}, Range: []int{0, 9}}.Develop(img)
			if developed.check() != nil || !developed.plain() {
				t.Fatalf("developed into a bad image: %v", developed.check())
			}
		}
	})
}
