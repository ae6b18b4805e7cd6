package datasets

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFormatsEqualPillow(t *testing.T) {
	data, err := os.ReadFile("testdata/formats_golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		File                string
		Height, Width       int
		RGB, White, Upright string
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) < 60 {
		t.Fatalf("%d files, expected at least 60", len(cases))
	}
	digest := func(img Image) string {
		sum := sha256.Sum256(img.colored().Pixels)
		return hex.EncodeToString(sum[:])
	}
	for _, c := range cases {
		t.Run(c.File, func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join("testdata", "formats", c.File))
			if err != nil {
				t.Fatal(err)
			}
			if !isImageName(c.File) {
				t.Error("a folder does not take the file for an image")
			}
			img, err := decode(data)
			if err != nil {
				t.Fatal(err)
			}
			if err := img.check(); err != nil {
				t.Fatal(err)
			}
			if img.Height != c.Height || img.Width != c.Width {
				t.Fatalf("%d × %d, expected %d × %d", img.Height, img.Width, c.Height, c.Width)
			}
			gray := strings.HasPrefix(c.File, "gray") && c.File != "gray.bmp" || c.File == "bits1.tiff"
			if gray != (img.Channels == 1) {
				t.Errorf("%d channels", img.Channels)
			}
			if digest(img) != c.RGB {
				t.Errorf("the pixels are not Pillow's")
			}
			if digest(Preprocess{}.Develop(img)) != c.Upright {
				t.Errorf("upright, the pixels are not Pillow's")
			}
			if digest(Preprocess{Alpha: Alpha{255, 255, 255}}.Develop(img)) != c.White {
				t.Errorf("over white, the pixels are not Pillow's")
			}
		})
	}
}
