package datasets

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestDraftEqualsPillows(t *testing.T) {
	data, err := os.ReadFile("testdata/draft_golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		File, Pixels string
		Resize       Size
		Crop         int
		Drafted      [2]int
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	reduced := 0
	for _, tt := range cases {
		p := Preprocess{Resize: tt.Resize, Crop: Size{tt.Crop}, Draft: true}
		file := jpegFile(t, tt.File)
		whole := sizeOfPicture(t, file)
		err := file.Reduced(t.Context(), p.reduction, func(img Image) error {
			if img.Height < whole.Height {
				reduced++
			}
			if got := [2]int{img.Height, img.Width}; got != tt.Drafted {
				t.Errorf("%s for %v is decoded at %v, Pillow's draft at %v", tt.File, tt.Resize, got, tt.Drafted)
			}
			out, err := p.Pixels(img)
			if sum := sha256.Sum256(out.Pixels); hex.EncodeToString(sum[:]) != tt.Pixels {
				t.Errorf("%s for %v: other pixels than Pillow's", tt.File, tt.Resize)
			}
			return err
		})
		if err != nil {
			t.Errorf("%s: %v", tt.File, err)
		}
	}
	if reduced < len(cases)/3 {
		t.Errorf("%d of %d pictures are reduced, expected more", reduced, len(cases))
	}
}

func jpegFile(t *testing.T, name string) imageFile {
	t.Helper()
	path := filepath.Join("internal/jpeg/testdata", name)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return imageFile{path: path, bytes: fileBlob(path), sum: contentSum(data), budget: NewBudget(Limits{})}
}

func sizeOfPicture(t *testing.T, p Picture) Image {
	t.Helper()
	size, err := Sample{Content: p}.Size(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return size
}

// An upright picture is what is resized: one that is turned is reduced by its turned size.
func TestReduction(t *testing.T) {
	for _, tt := range []struct {
		p             Preprocess
		height, width int
		orientation   Orientation
		want          int
	}{
		{Preprocess{Resize: Size{100}}, 800, 1000, 0, 8},
		{Preprocess{Resize: Size{100}}, 799, 1000, 0, 4},
		{Preprocess{Resize: Size{100}}, 199, 1000, 0, 1},
		{Preprocess{Resize: Size{100, 400}}, 800, 1600, 0, 4},
		{Preprocess{Resize: Size{100, 400}}, 800, 1600, 6, 2},
		{Preprocess{Resize: Size{100, 400}, Orientation: "ignore"}, 800, 1600, 6, 4},
		{Preprocess{Resize: Size{100}, Pad: "square"}, 100, 400, 0, 4},
		{Preprocess{Crop: Size{100}}, 800, 800, 0, 1},
		{Preprocess{}, 800, 800, 0, 1},
	} {
		size := Image{Height: tt.height, Width: tt.width, Channels: 3, Orientation: tt.orientation}
		if got := tt.p.reduction(size); got != tt.want {
			t.Errorf("%d × %d, orientation %d, resize %v: %d, want %d", tt.height, tt.width, tt.orientation, tt.p.Resize,
				got, tt.want)
		}
	}
}

// Draft changes the pixels of the transform of JPEGs that are large enough, but not of views, and what a cache's key
// says only where it is set.
func TestDraftIsForWholePictures(t *testing.T) {
	p := Preprocess{Resize: Size{11, 11}}
	file := jpegFile(t, "sampling_420.jpg")
	compact := func(p Preprocess, content Content, view int32) []byte {
		transform, err := NewPictures(p, Uint8, Image{Height: 45, Width: 61, Channels: 3})
		if err != nil {
			t.Fatal(err)
		}
		out := make([]byte, transform.CompactBytes())
		s := Sample{Content: content, Path: "a"}
		if err := transform.WithViews(Views{Flip: true}, 1, false).Compact(t.Context(), s, view, out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	drafted := p
	drafted.Draft = true
	if slices.Equal(compact(p, file, 0), compact(drafted, file, 0)) {
		t.Error("draft changes no pixel")
	}
	if !slices.Equal(compact(p, file, 1), compact(drafted, file, 1)) {
		t.Error("draft changes a view")
	}
	if !slices.Equal(compact(drafted, file, 0), compact(drafted, amongColor{file}, 0)) {
		t.Error("draft is another in a mixed data set")
	}
	img := Image{Height: 45, Width: 61, Channels: 3, Pixels: make([]byte, 45*61*3)}
	if !slices.Equal(compact(p, img, 0), compact(drafted, img, 0)) {
		t.Error("draft changes a picture that is no JPEG")
	}
	if got := drafted.Canonical(); got != p.Canonical()+" draft=true" {
		t.Errorf("the canonical form is %q", got)
	}
	if got := (Preprocess{Draft: true}).Canonical(); got != (Preprocess{}).Canonical() {
		t.Errorf("without a resize the canonical form is %q", got)
	}
}

// Files that are no JPEG, or a damaged one, are what they are without draft.
func TestReducedOfOtherFiles(t *testing.T) {
	half := func(Image) int { return 2 }
	for _, name := range []string{"", "no image", "\xff\xd8", "\xff\xd8\xff\xe0"} {
		_, err := decodeReduced([]byte(name), half)
		_, want := decode([]byte(name))
		if err == nil || err.Error() != want.Error() {
			t.Errorf("%q: %v, without draft %v", name, err, want)
		}
	}
	var _ reducible = imageFile{}
	err := amongColor{Image{Height: 1, Width: 1, Channels: 1, Pixels: []byte{7}}}.Reduced(context.Background(), half,
		func(img Image) error {
			if img.Height != 1 || !img.AmongColor {
				t.Errorf("%+v", img)
			}
			return nil
		})
	if err != nil {
		t.Error(err)
	}
}
