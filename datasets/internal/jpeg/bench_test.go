package jpeg

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"testing"
)

// photograph makes a file of 500 × 375 pixels with about as many coefficients as a photograph has.
func photograph(b *testing.B) []byte {
	m := image.NewRGBA(image.Rect(0, 0, 500, 375))
	noise := uint32(1)
	for y := range 375 {
		for x := range 500 {
			noise = noise*1664525 + 1013904223
			at := func(k float64) uint8 {
				v := 128 + 70*math.Sin(float64(x)*k/40+float64(y)/60) + float64(noise>>24)/6 - 21
				return uint8(max(0, min(255, v)))
			}
			m.SetRGBA(x, y, color.RGBA{at(1), at(1.3), at(0.6), 255})
		}
	}
	var file bytes.Buffer
	if err := jpeg.Encode(&file, m, &jpeg.Options{Quality: 90}); err != nil {
		b.Fatal(err)
	}
	return file.Bytes()
}

func BenchmarkDecode(b *testing.B) {
	file := photograph(b)
	for _, bench := range []struct {
		name  string
		scale int
	}{{"whole", 1}, {"half", 2}, {"quarter", 4}, {"eighth", 8}} {
		b.Run(bench.name, func(b *testing.B) {
			b.SetBytes(int64(len(file)))
			var pixels []uint8
			for b.Loop() {
				img, err := Decode(file, Options{Scale: bench.scale, Pixels: pixels})
				if err != nil {
					b.Fatal(err)
				}
				pixels = img.Pixels
			}
			b.ReportAllocs()
		})
	}
	b.Run("image-jpeg", func(b *testing.B) { // the standard library, which leaves out the conversion to RGB
		b.SetBytes(int64(len(file)))
		for b.Loop() {
			if _, err := jpeg.Decode(bytes.NewReader(file)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
