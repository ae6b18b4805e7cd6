package datasets

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestViewsApply(t *testing.T) {
	gray := Image{Height: 3, Width: 3, Channels: 1, Pixels: []uint8{1, 2, 3, 4, 5, 6, 7, 8, 9}}
	color := Image{Height: 1, Width: 2, Channels: 3, Pixels: []uint8{1, 2, 3, 4, 5, 6}}
	// What the draws of a (seed, id, view) are is settled by the golden file; here each possible one must be right.
	for name, tt := range map[string]struct {
		img  Image
		v    Views
		want map[string]bool // all images that may come out
	}{
		"flip": {
			color,
			Views{Flip: true},
			map[string]bool{"\x01\x02\x03\x04\x05\x06": true, "\x04\x05\x06\x01\x02\x03": true},
		},
		"shift": {gray, Views{Shift: 1}, map[string]bool{
			"\x05\x06\x00\x08\x09\x00\x00\x00\x00": true, "\x04\x05\x06\x07\x08\x09\x00\x00\x00": true,
			"\x00\x04\x05\x00\x07\x08\x00\x00\x00": true, "\x02\x03\x00\x05\x06\x00\x08\x09\x00": true,
			"\x01\x02\x03\x04\x05\x06\x07\x08\x09": true, "\x00\x01\x02\x00\x04\x05\x00\x07\x08": true,
			"\x00\x00\x00\x02\x03\x00\x05\x06\x00": true, "\x00\x00\x00\x01\x02\x03\x04\x05\x06": true,
			"\x00\x00\x00\x00\x01\x02\x00\x04\x05": true,
		}},
		"shift and flip": {
			Image{Height: 1, Width: 2, Channels: 1, Pixels: []uint8{1, 2}},
			Views{Flip: true, Shift: 1},
			map[string]bool{
				"\x01\x02": true, "\x02\x01": true, "\x00\x01": true, "\x01\x00": true, "\x02\x00": true,
				"\x00\x02": true, "\x00\x00": true,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			seen := make(map[string]bool)
			before := string(tt.img.Pixels)
			for id := range int64(300) {
				got := tt.v.Apply(tt.img, 7, id, 1)
				if got.Height != tt.img.Height || got.Width != tt.img.Width || got.Channels != tt.img.Channels {
					t.Fatalf("the shape became %d × %d × %d", got.Height, got.Width, got.Channels)
				}
				seen[string(got.Pixels)] = true
			}
			if diff := cmp.Diff(tt.want, seen); diff != "" {
				t.Errorf("images that came out (-want +got):\n%s", diff)
			}
			if string(tt.img.Pixels) != before {
				t.Error("the image itself was changed")
			}
		})
	}
}

func TestViewZeroIsTheImage(t *testing.T) {
	img := noise(5, 4, 3)
	for id := range int64(50) {
		if got := (Views{Flip: true, Shift: 3}).Apply(img, 1, id, 0); !cmp.Equal(img, got) {
			t.Fatalf("view 0 of sample %d differs from the image", id)
		}
		if got := (Views{}).Apply(img, 1, id, 9); !cmp.Equal(img, got) {
			t.Fatalf("view 9 of sample %d without any change differs from the image", id)
		}
	}
}

func TestViewShiftedOutIsEmpty(t *testing.T) {
	img := Image{Height: 1, Width: 1, Channels: 1, Pixels: []uint8{9}}
	empty := 0
	for id := range int64(20) {
		if (Views{Shift: 1000, Flip: true}).Apply(img, 1, id, 1).Pixels[0] == 0 {
			empty++
		}
	}
	if empty != 20 {
		t.Errorf("%d of 20 images were shifted out, expected all", empty)
	}
}

// Chances of 1 in 2 and of 1 in 5, within four standard deviations.
func TestViewsAreUniform(t *testing.T) {
	const n = 20000
	v := Views{Flip: true, Shift: 2}
	var mirrored float64
	dxs, dys := make(map[int]float64), make(map[int]float64)
	for id := range int64(n) {
		drawn := v.Draw(5, 5, 3, id, 1)
		dxs[drawn.ShiftX]++
		dys[drawn.ShiftY]++
		if drawn.Mirror {
			mirrored++
		}
	}
	within := func(what string, got, p float64) {
		t.Helper()
		if math.Abs(got-n*p) > 4*math.Sqrt(n*p*(1-p)) {
			t.Errorf("%s: %v of %d, expected about %v", what, got, n, n*p)
		}
	}
	within("mirrored", mirrored, 0.5)
	for s := -2; s <= 2; s++ {
		within("dx", dxs[s], 0.2)
		within("dy", dys[s], 0.2)
	}
	if len(dxs) != 5 || len(dys) != 5 {
		t.Errorf("shifts %v and %v, expected −2 to 2", dxs, dys)
	}
}

// Cached embeddings belong to views: what a (seed, id, view) gives must never change. -update renews the file.
func TestViewsGolden(t *testing.T) {
	type draw struct {
		Seed   uint64 `json:"seed"`
		ID     int64  `json:"id"`
		View   int32  `json:"view"`
		DX     int    `json:"dx"`
		DY     int    `json:"dy"`
		Mirror bool   `json:"mirror"`
	}
	var got []draw
	v := Views{Flip: true, Shift: 4}
	for _, seed := range []uint64{0, 1, math.MaxUint64} {
		for _, id := range []int64{0, 1, 59999, math.MaxInt64} {
			for _, view := range []int32{1, 2, math.MaxInt32} {
				d := draw{Seed: seed, ID: id, View: view}
				drawn := v.Draw(28, 28, seed, id, view)
				d.DX, d.DY, d.Mirror = drawn.ShiftX, drawn.ShiftY, drawn.Mirror
				got = append(got, d)
			}
		}
	}
	file := filepath.Join("testdata", "views.golden.json")
	if *update {
		var lines []string
		for _, d := range got {
			line, err := json.Marshal(d)
			if err != nil {
				t.Fatal(err)
			}
			lines = append(lines, string(line))
		}
		if err := os.WriteFile(file, []byte("[\n"+strings.Join(lines, ",\n")+"\n]\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var want []draw
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-golden +got):\n%s", diff)
	}
}

func TestFlipDoesNotChangeShifts(t *testing.T) {
	for id := range int64(100) {
		a := Views{Shift: 5}.Draw(9, 9, 1, id, 1)
		b := Views{Shift: 5, Flip: true}.Draw(9, 9, 1, id, 1)
		if a.ShiftX != b.ShiftX || a.ShiftY != b.ShiftY {
			t.Fatalf("sample %d moves by (%d, %d) and, with flip, by (%d, %d)", id, a.ShiftX, a.ShiftY, b.ShiftX, b.ShiftY)
		}
	}
}

func TestViewsValidate(t *testing.T) {
	if err := (Views{Flip: true, Shift: 3}).Validate(); err != nil {
		t.Error(err)
	}
	for _, shift := range []int{-1, 1 << 30} {
		v := Views{Shift: shift}
		if err := v.Validate(); !errors.Is(err, ErrViews) {
			t.Errorf("shift %d: %v, expected ErrViews", shift, err)
		}
	}
	if got := (Views{Flip: true, Shift: 3}).Canonical(); got != "flip=true shift=3" {
		t.Errorf("canonical %q", got)
	}
	negative := Views{Shift: -1}
	if img := noise(2, 2, 1); !cmp.Equal(img, negative.Apply(img, 0, 0, 1)) {
		t.Error("a negative shift moved the image")
	}
}

func BenchmarkViews(b *testing.B) {
	img, v := noise(28, 28, 1), Views{Flip: true, Shift: 2}
	var id int64
	for b.Loop() {
		v.Apply(img, 1, id, 1)
		id++
	}
}
