package resample

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
)

// noise is the picture of testdata/pillow.py.
func noise(height, width, channels int) Image {
	img := Image{height, width, channels, make([]uint8, height*width*channels)}
	state := uint32(1)
	for i := range img.Pixels {
		state = state*1664525 + 1013904223
		img.Pixels[i] = uint8(state >> 24)
	}
	return img
}

func whole(height, width int) Window { return Window{Height: height, Width: width} }

func TestResizeEqualsPillow(t *testing.T) {
	data, err := os.ReadFile("testdata/pillow.golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Source, Result [2]int
		Channels       int
		Filter         Filter
		SHA256         string
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) < 100 {
		t.Fatalf("%d cases, expected at least 100", len(cases))
	}
	for _, c := range cases {
		t.Run(fmt.Sprint(c.Source, c.Result, c.Channels, c.Filter), func(t *testing.T) {
			out := Resize(noise(c.Source[0], c.Source[1], c.Channels), c.Result[0], c.Result[1],
				whole(c.Result[0], c.Result[1]), c.Filter)
			sum := sha256.Sum256(out.Pixels)
			if hex.EncodeToString(sum[:]) != c.SHA256 {
				t.Errorf("the pixels are not Pillow's")
			}
		})
	}
}

// A window must be what cutting it out of the whole gives.
func TestWindowIsACropOfTheWhole(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	filters := []Filter{Nearest, Box, Bilinear, Hamming, Bicubic, Lanczos}
	for range 300 {
		src := noise(1+rng.IntN(60), 1+rng.IntN(60), 1+2*rng.IntN(2))
		h, w := 1+rng.IntN(60), 1+rng.IntN(60)
		if rng.IntN(4) == 0 {
			h = src.Height
		}
		if rng.IntN(4) == 0 {
			w = src.Width
		}
		win := Window{Top: rng.IntN(h), Left: rng.IntN(w)}
		win.Height, win.Width = 1+rng.IntN(h-win.Top), 1+rng.IntN(w-win.Left)
		f := filters[rng.IntN(len(filters))]
		got, all := Resize(src, h, w, win, f), Resize(src, h, w, whole(h, w), f)
		if !bytes.Equal(got.Pixels, crop(all, win)) {
			t.Fatalf("%d × %d × %d to %d × %d with %s, window %+v: not the crop of the whole", src.Height,
				src.Width, src.Channels,
				h, w, f, win)
		}
	}
}

func crop(m Image, w Window) []uint8 {
	var out []uint8
	for y := range w.Height {
		at := ((w.Top+y)*m.Width + w.Left) * m.Channels
		out = append(out, m.Pixels[at:at+w.Width*m.Channels]...)
	}
	return out
}

// The fast passes must give the bits of the portable ones, whatever the sizes.
func TestFastPassesEqualPortable(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		src := noise(1+rng.IntN(80), 1+rng.IntN(80), 3)
		for i := range src.Pixels { // long runs of extremes reach the largest sums
			if rng.IntN(3) == 0 {
				src.Pixels[i] = uint8(255 * rng.IntN(2))
			}
		}
		n := 1 + rng.IntN(90)
		f := []Filter{Box, Bilinear, Hamming, Bicubic, Lanczos}[rng.IntN(5)]
		fast := axis{src.Width, n, 0, n, f}.compute()
		portable := *fast
		portable.pairs = nil
		in := plane{src.Pixels, 3 * src.Width, 3 * src.Width}
		for _, spare := range []int{0, 1} {
			stride := 3*n + spare
			a := plane{make([]uint8, stride*src.Height), stride, 3 * n}
			b := plane{make([]uint8, stride*src.Height), stride, 3 * n}
			horizontal(a, in, src.Height, 3, 0, fast)
			horizontal(b, in, src.Height, 3, 0, &portable)
			for y := range src.Height {
				if !bytes.Equal(a.pixels[y*stride:y*stride+3*n], b.pixels[y*stride:y*stride+3*n]) {
					t.Fatalf("horizontal, %d to %d with %s: row %d differs", src.Width, n, f, y)
				}
			}
		}
		fast = axis{src.Height, n, 0, n, f}.compute()
		portable = *fast
		portable.pairs = nil
		for y := range n {
			a, b := make([]uint8, 3*src.Width), make([]uint8, 3*src.Width)
			verticalRow(a, src.Pixels[int(fast.starts[y])*in.stride:], in.stride, fast, y)
			verticalRow(b, src.Pixels[int(fast.starts[y])*in.stride:], in.stride, &portable, y)
			if !bytes.Equal(a, b) {
				t.Fatalf("vertical, %d to %d with %s: row %d differs", src.Height, n, f, y)
			}
		}
	}
}

func BenchmarkResize(b *testing.B) {
	src := noise(375, 500, 3)
	for _, f := range []Filter{Nearest, Box, Bilinear, Hamming, Bicubic, Lanczos} {
		for name, w := range map[string]Window{"whole": whole(256, 341), "centre of 224": {16, 58, 224, 224}} {
			b.Run(string(f)+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					Resize(src, 256, 341, w, f)
				}
			})
		}
	}
}
