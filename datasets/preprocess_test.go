package datasets

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// golden is one case of testdata/preprocess_golden.json, made by the Python script beside it.
type golden struct {
	Name  string
	Image struct {
		Height, Width, Channels int
		Pixels                  string
	}
	Height, Width  int
	Pixels, Values string
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func readGolden(t *testing.T) map[string]golden {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "preprocess_golden.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []golden
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	byName := make(map[string]golden)
	for _, c := range cases {
		byName[c.Name] = c
	}
	return byName
}

func TestPreprocessAgreesWithTorchvision(t *testing.T) {
	mean, std := []float64{0.485, 0.456, 0.406}, []float64{0.229, 0.224, 0.225}
	cases := readGolden(t)
	for _, tt := range []struct {
		name string
		p    Preprocess
	}{
		{name: "rgb normalised by channel", p: Preprocess{Mean: mean, Std: std}},
		{name: "rgb to bgr", p: Preprocess{Color: "bgr", Mean: mean, Std: std}},
		{name: "rgb to gray", p: Preprocess{Color: "gray", Mean: []float64{0.5}}},
		{name: "gray to rgb", p: Preprocess{Color: "rgb", Mean: mean, Std: std}},
		{name: "centre crop with odd margins", p: Preprocess{Crop: Size{6, 7}}},
		{name: "centre crop with margins of three", p: Preprocess{Crop: Size{16, 10}}},
		{name: "shorter side down", p: Preprocess{Resize: Size{8}}},
		{name: "shorter side up", p: Preprocess{Resize: Size{24}}},
		{name: "shorter side down, gray", p: Preprocess{Resize: Size{5}}},
		{name: "exactly, down and up", p: Preprocess{Resize: Size{7, 20}}},
		{name: "exactly, down by more than two", p: Preprocess{Resize: Size{5, 4}}},
		{name: "shorter side up, then centre crop", p: Preprocess{Resize: Size{20}, Crop: Size{16}}},
		{name: "shorter side, bounded by max_size", p: Preprocess{Resize: Size{12}, MaxSize: 15}},
		{name: "max_size that does not bind", p: Preprocess{Resize: Size{12}, MaxSize: 30}},
		{name: "crop larger than both sides", p: Preprocess{Crop: Size{16, 17}, Fill: RGB{0, 0, 0}}},
		{name: "crop larger than the height", p: Preprocess{Crop: Size{14, 9}, Fill: RGB{0, 0, 0}}},
		{name: "crop larger than the width, gray", p: Preprocess{Crop: Size{5, 14}, Fill: RGB{0, 0, 0}}},
		{name: "padded to a square", p: Preprocess{Pad: "square", Fill: RGB{9, 200, 30}, Resize: Size{8}}},
		{name: "gray padded to a square", p: Preprocess{Pad: "square", Fill: RGB{128, 128, 128}, Resize: Size{8}}},
		{
			name: "shorter side by nearest, cropped",
			p:    Preprocess{Resize: Size{9}, Crop: Size{7, 8}, Interpolation: "nearest"},
		},
		{name: "shorter side by box, cropped", p: Preprocess{Resize: Size{9}, Crop: Size{7, 8}, Interpolation: "box"}},
		{
			name: "shorter side by hamming, cropped",
			p:    Preprocess{Resize: Size{9}, Crop: Size{7, 8}, Interpolation: "hamming"},
		},
		{
			name: "shorter side by bicubic, cropped",
			p:    Preprocess{Resize: Size{9}, Crop: Size{7, 8}, Interpolation: "bicubic"},
		},
		{
			name: "shorter side by lanczos, cropped",
			p:    Preprocess{Resize: Size{9}, Crop: Size{7, 8}, Interpolation: "lanczos"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, ok := cases[tt.name]
			if !ok {
				t.Fatal("no such case in the golden file")
			}
			delete(cases, tt.name)
			img := Image{
				Height: c.Image.Height, Width: c.Image.Width, Channels: c.Image.Channels,
				Pixels: unhex(t, c.Image.Pixels),
			}
			got, err := tt.p.Pixels(img)
			if err != nil {
				t.Fatal(err)
			}
			want := unhex(t, c.Pixels)
			if got.Height != c.Height || got.Width != c.Width {
				t.Fatalf("%d × %d, expected %d × %d", got.Height, got.Width, c.Height, c.Width)
			}
			for i, w := range want {
				if got.Pixels[i] != w {
					t.Fatalf("byte %d is %d, torchvision has %d", i, got.Pixels[i], w)
				}
			}
			if c.Values != "" {
				checkValues(t, tt.p, img, unhex(t, c.Values))
			}
		})
	}
	for name := range cases {
		t.Errorf("golden case %q is not tested", name)
	}
}

// checkValues wants the same bits in NCHW, and the same numbers in NHWC.
func checkValues(t *testing.T, p Preprocess, img Image, raw []byte) {
	t.Helper()
	want := make([]float32, len(raw)/4)
	for i := range want {
		want[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	got := apply(t, p, img)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("NCHW differs (-want +got):\n%s", diff)
	}
	shape, err := p.Shape(img)
	if err != nil {
		t.Fatal(err)
	}
	p.Layout = "NHWC"
	last := apply(t, p, img)
	channels, plane := shape[0], shape[1]*shape[2]
	for i, v := range last {
		if w := want[i%channels*plane+i/channels]; v != w {
			t.Fatalf("NHWC: number %d is %v, expected %v", i, v, w)
		}
	}
}

func apply(t *testing.T, p Preprocess, img Image) []float32 {
	t.Helper()
	shape, err := p.Shape(img)
	if err != nil {
		t.Fatal(err)
	}
	dst := make([]float32, shape[0]*shape[1]*shape[2])
	if err := p.Apply(img, dst); err != nil {
		t.Fatal(err)
	}
	return dst
}

func TestPreprocessByHand(t *testing.T) {
	// Two by two: red, green / blue, and (10,20,30).
	img := Image{Height: 2, Width: 2, Channels: 3, Pixels: []uint8{255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30}}
	gray := Image{Height: 1, Width: 3, Channels: 1, Pixels: []uint8{0, 51, 255}}
	for _, tt := range []struct {
		name  string
		p     Preprocess
		img   Image
		shape []int
		want  []float32
	}{
		{
			name: "default is a division by 255, channels first", p: Preprocess{}, img: gray,
			shape: []int{1, 1, 3}, want: []float32{0, 0.2, 1},
		},
		{
			name: "scale, mean and std", p: Preprocess{Scale: 2, Mean: []float64{2}, Std: []float64{4}}, img: gray,
			shape: []int{1, 1, 3}, want: []float32{-0.5, 25, 127},
		},
		{
			name: "channels first", p: Preprocess{Scale: 1}, img: img, shape: []int{3, 2, 2},
			want: []float32{255, 0, 0, 10, 0, 255, 0, 20, 0, 0, 255, 30},
		},
		{
			name: "channels last", p: Preprocess{Scale: 1, Layout: "NHWC"}, img: img, shape: []int{2, 2, 3},
			want: []float32{255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30},
		},
		{
			name: "mean in the order of the colour", img: img, shape: []int{2, 2, 3},
			p:    Preprocess{Scale: 1, Layout: "NHWC", Color: "bgr", Mean: []float64{1, 2, 3}},
			want: []float32{-1, -2, 252, -1, 253, -3, 254, -2, -3, 29, 18, 7},
		},
		{
			name: "luma", p: Preprocess{Scale: 1, Color: "gray"}, img: img, shape: []int{1, 2, 2},
			want: []float32{76, 150, 29, 18},
		},
		{
			name: "resize to the size it has", p: Preprocess{Scale: 1, Resize: Size{1}}, img: gray, shape: []int{1, 1, 3},
			want: []float32{0, 51, 255},
		},
		{
			name: "a mean of two by two pixels", shape: []int{1, 1, 1},
			p:   Preprocess{Scale: 1, Resize: Size{1, 1}},
			img: Image{Height: 2, Width: 2, Channels: 1, Pixels: []uint8{0, 100, 100, 200}}, want: []float32{100},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			shape, err := tt.p.Shape(tt.img)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.shape, shape); diff != "" {
				t.Fatalf("shape (-want +got):\n%s", diff)
			}
			got := apply(t, tt.p, tt.img)
			for i, w := range tt.want {
				if math.Abs(float64(got[i]-w)) > 1e-6 {
					t.Fatalf("%v, expected %v", got, tt.want)
				}
			}
		})
	}
}

// A model with normalisation baked in takes Pixels and normalises itself: that must give the bits of Apply.
func TestApplyIsNormalisedPixels(t *testing.T) {
	img := noise(37, 53, 3)
	for _, p := range []Preprocess{
		{},
		{Resize: Size{20}, Crop: Size{16}, Color: "bgr", Mean: []float64{0.1, 0.2, 0.3}, Std: []float64{0.4, 0.5, 0.6}},
		{Crop: Size{30, 41}, Color: "gray", Scale: 0.01, Mean: []float64{1}},
		{Resize: Size{60, 40}, Color: "rgb", Mean: []float64{0.5}},
	} {
		p.Layout = "NHWC"
		pixels, err := p.Pixels(img)
		if err != nil {
			t.Fatal(err)
		}
		rest := Preprocess{Layout: "NHWC", Scale: p.Scale, Mean: p.Mean, Std: p.Std}
		if diff := cmp.Diff(apply(t, rest, pixels), apply(t, p, img)); diff != "" {
			t.Errorf("%s (-pixels +apply):\n%s", p.Canonical(), diff)
		}
	}
}

// noise is an image of pseudo-random bytes.
func noise(height, width, channels int) Image {
	img := Image{Height: height, Width: width, Channels: channels, Pixels: make([]uint8, height*width*channels)}
	state := uint32(1)
	for i := range img.Pixels {
		state = state*1664525 + 1013904223
		img.Pixels[i] = uint8(state >> 24)
	}
	return img
}

// What Normalization returns must be what Apply does, to the bit.
func TestNormalizationIsThatOfApply(t *testing.T) {
	img := noise(3, 4, 3)
	for _, p := range []Preprocess{
		{},
		{Mean: []float64{0.5}, Std: []float64{0.25}},
		{Scale: 0.01, Mean: []float64{0.485, 0.456, 0.406}, Std: []float64{0.229, 0.224, 0.225}},
	} {
		p.Layout = "NHWC"
		scale, mean, std := p.Normalization(3)
		want := make([]float32, len(img.Pixels))
		for i, v := range img.Pixels {
			want[i] = (float32(float32(v)*scale) - mean[i%3]) / std[i%3]
		}
		if diff := cmp.Diff(want, apply(t, p, img)); diff != "" {
			t.Errorf("%s (-normalization +apply):\n%s", p.Canonical(), diff)
		}
	}
}

func TestApplyDoesNotAllocateWithoutResizing(t *testing.T) {
	img, dst := noise(28, 28, 1), make([]float32, 784)
	p := Preprocess{Mean: []float64{0.5}, Std: []float64{1}}
	if n := testing.AllocsPerRun(10, func() {
		if err := p.Apply(img, dst); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations, expected none", n)
	}
}

func BenchmarkApply(b *testing.B) {
	imagenet := Preprocess{
		Resize: Size{256}, Crop: Size{224}, Color: "rgb",
		Mean: []float64{0.485, 0.456, 0.406}, Std: []float64{0.229, 0.224, 0.225},
	}
	for _, bb := range []struct {
		name string
		p    Preprocess
		img  Image
	}{
		{"mnist", Preprocess{Mean: []float64{0.5}}, noise(28, 28, 1)},
		{"224, no resize", Preprocess{Mean: imagenet.Mean, Std: imagenet.Std}, noise(224, 224, 3)},
		{"from 64", imagenet, noise(64, 64, 3)},
		{"from 375x500", imagenet, noise(375, 500, 3)},
	} {
		b.Run(bb.name, func(b *testing.B) {
			shape, err := bb.p.Shape(bb.img)
			if err != nil {
				b.Fatal(err)
			}
			dst := make([]float32, shape[0]*shape[1]*shape[2])
			b.ReportAllocs()
			for b.Loop() {
				if err := bb.p.Apply(bb.img, dst); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func ExamplePreprocess() {
	p := Preprocess{Crop: Size{2}, Color: "rgb", Mean: []float64{0.5}, Std: []float64{0.5}}
	img := Image{Height: 2, Width: 4, Channels: 1, Pixels: []uint8{9, 0, 255, 9, 9, 51, 204, 9}}
	shape, err := p.Shape(img)
	if err != nil {
		fmt.Println(err)
		return
	}
	dst := make([]float32, shape[0]*shape[1]*shape[2])
	if err := p.Apply(img, dst); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%v %.1f\n", shape, dst)
	// Output: [3 2 2] [-1.0 1.0 -0.6 0.6 -1.0 1.0 -0.6 0.6 -1.0 1.0 -0.6 0.6]
}
