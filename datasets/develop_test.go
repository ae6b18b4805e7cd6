package datasets

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rkd/datasets/internal/jpeg"
)

func TestDevelopTurnsUpright(t *testing.T) {
	// What is stored, and how people see it: EXIF says where the first row and column belong.
	stored := []uint8{1, 2, 3, 4, 5, 6}
	for orientation, want := range map[Orientation]Image{
		0: {Height: 2, Width: 3, Pixels: []uint8{1, 2, 3, 4, 5, 6}},
		1: {Height: 2, Width: 3, Pixels: []uint8{1, 2, 3, 4, 5, 6}},
		2: {Height: 2, Width: 3, Pixels: []uint8{3, 2, 1, 6, 5, 4}},
		3: {Height: 2, Width: 3, Pixels: []uint8{6, 5, 4, 3, 2, 1}},
		4: {Height: 2, Width: 3, Pixels: []uint8{4, 5, 6, 1, 2, 3}},
		5: {Height: 3, Width: 2, Pixels: []uint8{1, 4, 2, 5, 3, 6}},
		6: {Height: 3, Width: 2, Pixels: []uint8{4, 1, 5, 2, 6, 3}},
		7: {Height: 3, Width: 2, Pixels: []uint8{6, 3, 5, 2, 4, 1}},
		8: {Height: 3, Width: 2, Pixels: []uint8{3, 6, 2, 5, 1, 4}},
	} {
		img := Image{Height: 2, Width: 3, Channels: 1, Pixels: stored, Orientation: orientation}
		want.Channels = 1
		got := Preprocess{}.Develop(img)
		got.Orientation = 0
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("orientation %d (-want +got):\n%s", orientation, diff)
		}
		shape, err := Preprocess{}.Shape(img)
		if diff := cmp.Diff([]int{1, want.Height, want.Width}, shape); diff != "" || err != nil {
			t.Errorf("orientation %d: shape (-want +got):\n%s%v", orientation, diff, err)
		}
		ignored := Preprocess{Orientation: "ignore"}.Develop(img)
		if ignored.Height != 2 || cmp.Diff(stored, ignored.Pixels) != "" {
			t.Errorf("orientation %d ignored: %v", orientation, ignored)
		}
	}
}

func TestDevelop(t *testing.T) {
	for _, tt := range []struct {
		name      string
		p         Preprocess
		img, want Image
	}{
		{
			"the upper 8 bits",
			Preprocess{},
			Image{Channels: 1, Pixels: []uint8{0, 1, 255}, Deep: []uint16{0xff, 0x1ff, 0xffff}},
			Image{Channels: 1, Pixels: []uint8{0, 1, 255}},
		},
		{
			"a range of 12 bits, clipped",
			Preprocess{Range: []int{95, 4095}},
			Image{Channels: 1, Pixels: make([]uint8, 5), Deep: []uint16{0, 95, 2095, 4095, 9000}},
			Image{Channels: 1, Pixels: []uint8{0, 0, 128, 255, 255}}, // 127.5 rounds up
		},
		{
			"a range leaves 8 bits alone",
			Preprocess{Range: []int{0, 100}},
			Image{Channels: 1, Pixels: []uint8{0, 50, 255}},
			Image{Channels: 1, Pixels: []uint8{0, 50, 255}},
		},
		{
			"alpha is dropped",
			Preprocess{},
			Image{Channels: 3, Pixels: []uint8{9, 8, 7}, Alpha: []uint8{0}},
			Image{Channels: 3, Pixels: []uint8{9, 8, 7}},
		},
		{
			"alpha over a colour",
			Preprocess{Alpha: Alpha{100, 200, 0}},
			Image{Channels: 3, Pixels: []uint8{200, 0, 0, 7, 7, 7}, Alpha: []uint8{51, 0}},
			Image{Channels: 3, Pixels: []uint8{120, 160, 0, 100, 200, 0}},
		},
		{
			"gray over a colour takes its luma",
			Preprocess{Alpha: Alpha{255, 0, 0}},
			Image{Channels: 1, Pixels: []uint8{9, 9}, Alpha: []uint8{0, 255}},
			Image{Channels: 1, Pixels: []uint8{76, 9}},
		},
		{
			"gray that becomes colour takes the colour",
			Preprocess{Alpha: Alpha{255, 0, 0}, Color: "rgb"},
			Image{Channels: 1, Pixels: []uint8{9, 9}, Alpha: []uint8{0, 255}},
			Image{Channels: 3, Pixels: []uint8{255, 0, 0, 9, 9, 9}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.img.Height, tt.img.Width = 1, len(tt.img.Pixels)/tt.img.Channels
			tt.want.Height, tt.want.Width = 1, tt.img.Width
			if diff := cmp.Diff(tt.want, tt.p.Develop(tt.img)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Content whose pixels have never changed keeps its fingerprint, and so its caches.
func TestPixelsVersion(t *testing.T) {
	for file, want := range map[string]string{
		"gray8.png": "", "rgb8.png": "", "palette8.png": "", "rgb.bmp": "", "lossless.webp": "",
		"rgba8.png": "png 2", "gray8_transparent.png": "png 2", "palette_alpha.png": "png 2", "orientation6.png": "png 2",
		"gray.jfif": jpeg.Version,
	} {
		if got := pixelsVersion(read(t, "testdata/formats/"+file)); got != want {
			t.Errorf("%s has version %q, expected %q", file, got, want)
		}
	}
	for _, data := range []string{"", "x", "\x89PNG\r\n\x1a\n"} {
		if got := pixelsVersion([]byte(data)); got != "" {
			t.Errorf("%q has version %q", data, got)
		}
	}
}

func TestDecodeTruncated(t *testing.T) {
	for _, file := range []string{
		"rgb8.png", "rgba16.png", "gray4_interlaced.png", "lossy_32x48.webp", "lossless.webp", "lossy_alpha.webp",
		"plain.gif", "rgb.bmp",
		"rgb_raw.tif", "gray.jfif",
	} {
		data := read(t, "testdata/formats/"+file)
		for _, part := range []int{len(data) / 2, len(data) * 3 / 4} {
			if _, err := decode(data[:part]); err == nil || !strings.Contains(err.Error(), "truncated") {
				t.Errorf("%s, %d of %d bytes: %v, expected the word truncated", file, part, len(data), err)
			}
		}
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
