package datasets

import (
	"image"
	"image/color"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestChannelsOfIsWhatDecodingGives(t *testing.T) {
	files, err := filepath.Glob("testdata/formats/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		img, err := decode(data)
		if err != nil {
			t.Fatal(err)
		}
		if got := channelsOf(data); got != img.Channels {
			t.Errorf("%s: %d channels by its header, %d decoded", file, got, img.Channels)
		}
	}
	for _, text := range []string{"", "no image", "\xff\xd8", "\x89PNG\r\n\x1a\n", "BM"} {
		if got := channelsOf([]byte(text)); got != 0 {
			t.Errorf("%q: %d channels, expected 0", text, got)
		}
	}
}

// A gray picture becomes colour where others are, and stays gray where none is.
func TestGrayAmongColour(t *testing.T) {
	rgb := image.NewRGBA(image.Rect(0, 0, 1, 1))
	rgb.Set(0, 0, color.RGBA{1, 2, 3, 255})
	for name, tt := range map[string]struct {
		files map[string][]byte
		mixed bool
	}{
		"mixed":          {map[string][]byte{"a/1.png": dot(t, 9), "a/2.png": encodePNG(t, rgb)}, true},
		"all gray":       {map[string][]byte{"a/1.png": dot(t, 9), "a/2.png": dot(t, 8)}, false},
		"gray and noise": {map[string][]byte{"a/1.png": dot(t, 9), "a/2.png": []byte("noise")}, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, tt.files)
			d, err := Open(t.Context(), Source{Kind: "folder", Dir: dir}, Resources{})
			if err != nil {
				t.Fatal(err)
			}
			want := 1
			if tt.mixed {
				want = 3
			}
			if d.Mixed() != tt.mixed {
				t.Errorf("the data set is mixed: %v, expected %v", d.Mixed(), tt.mixed)
			}
			expectChannels(t, d, Preprocess{}, want)
			expectChannels(t, d, Preprocess{Color: "gray"}, 1)

			// A task of a plan does not look at all files, and is told.
			sums := map[string][32]byte{d.Rel(0): d.Sum(0)}
			d, err = Open(t.Context(), Source{Kind: "folder", Dir: dir}, Resources{Sums: sums, Mixed: d.Mixed()})
			if err != nil || d.Len() != 1 {
				t.Fatal(err)
			}
			expectChannels(t, d, Preprocess{}, want)
		})
	}
}

// Two sources, one gray and one in colour, are mixed, and so are the parts of what is divided.
func TestSourcesTogetherAreMixed(t *testing.T) {
	rgb := image.NewRGBA(image.Rect(0, 0, 1, 1))
	gray := write(t, map[string][]byte{"a/1.png": dot(t, 9), "a/2.png": dot(t, 8)})
	colour := write(t, map[string][]byte{"a/1.png": encodePNG(t, rgb)})
	sources := Sources{{Kind: "folder", Dir: gray}, {Kind: "folder", Dir: colour}}
	d, err := OpenAll(t.Context(), sources, Resources{})
	if err != nil || !d.Mixed() {
		t.Fatalf("mixed: %v (%v)", d.Mixed(), err)
	}
	expectChannels(t, d, Preprocess{}, 3)
	train, test, err := Divide(t.Context(), sources, Division{Test: 0.4}, Resources{})
	if err != nil || !train.Mixed() || !test.Mixed() {
		t.Fatalf("parts mixed: %v, %v (%v)", train.Mixed(), test.Mixed(), err)
	}
	expectChannels(t, test, Preprocess{}, 3)
}

// expectChannels says how many channels the first sample has after preprocessing, by its size and by its pixels.
func expectChannels(t *testing.T, d Dataset, p Preprocess, want int) {
	t.Helper()
	_, size, err := First(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	shape, err := p.Shape(size)
	if err != nil || shape[0] != want {
		t.Errorf("shape %v (%v), expected %d channels", shape, err, want)
	}
	err = d.Sample(0).Content.(Picture).Image(t.Context(), func(img Image) error {
		out, err := p.Pixels(img)
		if err == nil && (out.Channels != want || len(out.Pixels) != want) {
			t.Errorf("%d channels, %v, expected %d", out.Channels, out.Pixels, want)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// What a cache's key says of data that are not mixed never changes.
func TestCanonicalOfMixedData(t *testing.T) {
	for _, tt := range []struct {
		p     Preprocess
		mixed bool
		want  string
	}{
		{Preprocess{}, false, "resize=keep crop=keep color=keep layout=NCHW scale=0.003921569 mean=0 std=1"},
		{Preprocess{}, true, "resize=keep crop=keep color=mixed layout=NCHW scale=0.003921569 mean=0 std=1"},
		{Preprocess{Color: "rgb"}, true, "resize=keep crop=keep color=rgb layout=NCHW scale=0.003921569 mean=0 std=1"},
	} {
		if got := tt.p.CanonicalOf(tt.mixed); got != tt.want {
			t.Errorf("%q, expected %q", got, tt.want)
		}
	}
}

func TestWarningOfANarrowRange(t *testing.T) {
	picture := func(values ...uint16) Image {
		img := Image{Height: 1, Width: len(values), Channels: 1, Deep: values}
		for _, v := range values {
			img.Pixels = append(img.Pixels, uint8(v>>8))
		}
		return img
	}
	for name, tt := range map[string]struct {
		p      Preprocess
		images []Image
		want   string
	}{
		"12 bits": {
			Preprocess{},
			[]Image{picture(5, 4000), picture(9, 4095)},
			"the 2 images of 16 bits use 5 to 4095 of 0 to 65535, of which 8 bits keep 16 levels: preprocess.range: [5, 4095]",
		},
		"with a range":   {Preprocess{Range: []int{0, 4095}}, []Image{picture(0, 4095)}, ""},
		"one uses more":  {Preprocess{}, []Image{picture(5, 100), picture(5, 60000)}, ""},
		"only 8 bits":    {Preprocess{}, []Image{{Height: 1, Width: 2, Channels: 1, Pixels: []uint8{1, 2}}}, ""},
		"a narrow high":  {Preprocess{}, []Image{picture(60000, 61000)}, "use 60000 to 61000"},
		"nothing at all": {Preprocess{}, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			transform, err := NewPictures(tt.p, Uint8, Image{Height: 1, Width: 2, Channels: 1})
			if err != nil {
				t.Fatal(err)
			}
			for i, img := range tt.images {
				sample := Sample{ID: int64(i), Content: img}
				err := transform.WithViews(Views{}, 1, false).Compact(t.Context(), sample, 0, make([]byte, 2))
				if err != nil {
					t.Fatal(err)
				}
			}
			got := transform.Warning()
			if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
				t.Errorf("%q, expected %q", got, tt.want)
			}
		})
	}
}
