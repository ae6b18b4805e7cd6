package datasets

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// everything is a policy of every option.
const everything = `{
  crop: {scale: [0.2, 0.9], size: [20, 24]}, shift: 2, flip: true,
  affine: {degrees: 20, translate: [0.1, 0.2], scale: [0.8, 1.2], shear: 10, interpolation: bilinear, fill: white},
  randaugment: {operations: 3, magnitude: 12},
  color_jitter: {brightness: 0.4, contrast: 0.3, saturation: 0.2, hue: 0.1},
  grayscale: 0.3, blur: {kernel: 5, sigma: [0.2, 3], probability: 0.6}, erasing: {fill: [1, 2, 3]}}`

func policy(t *testing.T, text string) Views {
	t.Helper()
	var v Views
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	if err := v.Validate(); err != nil {
		t.Fatal(err)
	}
	return v
}

// A view that was written down and read again is the view.
func TestViewReplaysFromJSON(t *testing.T) {
	v := policy(t, everything)
	for _, img := range []Image{noise(33, 41, 3), noise(17, 19, 1)} {
		for id := range int64(40) {
			drawn := v.Draw(img.Height, img.Width, 5, id, 3)
			text, err := json.Marshal(drawn)
			if err != nil {
				t.Fatal(err)
			}
			var again View
			if err := json.Unmarshal(text, &again); err != nil {
				t.Fatal(err)
			}
			want := v.Apply(img, 5, id, 3)
			if want.check() != nil || want.Height != 20 || want.Width != 24 {
				t.Fatalf("sample %d: %v", id, want.check())
			}
			if diff := cmp.Diff(want, again.Apply(img)); diff != "" {
				t.Fatalf("sample %d, %s: another image (-applied +replayed):\n%s", id, text, diff)
			}
		}
	}
}

// A view is of the picture as people see it, not as it is stored.
func TestViewsAreOfUprightImages(t *testing.T) {
	img := noise(6, 9, 3)
	img.Orientation = 6
	v := Views{Shift: 2}
	for id := range int64(20) {
		if diff := cmp.Diff(v.Apply(Preprocess{}.Develop(img), 1, id, 1), v.Apply(img, 1, id, 1)); diff != "" {
			t.Fatalf("sample %d (-developed +not developed):\n%s", id, diff)
		}
	}
}

// No option changes what another one draws.
func TestOptionsDrawOnTheirOwn(t *testing.T) {
	all := policy(t, everything).Draw(30, 40, 1, 2, 3)
	alone := policy(t, "{color_jitter: {brightness: 0.4, contrast: 0.3, saturation: 0.2, hue: 0.1}, shift: 2}").Draw(30,
		40, 1, 2, 3)
	if diff := cmp.Diff(all.Jitter, alone.Jitter); diff != "" || all.ShiftX != alone.ShiftX {
		t.Errorf("jitter or shift beside other options (-all +alone):\n%s", diff)
	}
}

func TestDrawsAreWithinBounds(t *testing.T) {
	const n = 4000
	v := policy(t, everything)
	var area, erased, gray, blurred float64
	for id := range int64(n) {
		w := v.Draw(60, 80, 9, id, 1)
		if w.Crop.Top < 0 || w.Crop.Left < 0 || w.Crop.Top+w.Crop.Height > 60 || w.Crop.Left+w.Crop.Width > 80 {
			t.Fatalf("crop %+v of 60 × 80", *w.Crop)
		}
		area += float64(w.Crop.Height*w.Crop.Width) / (60 * 80)
		if m := w.Affine; math.Abs(m.Degrees) > 20 || m.Right < -3 || m.Right > 3 || m.Down < -4 || m.Down > 4 ||
			m.Scale < 0.8 ||
			m.Scale > 1.2 || math.Abs(m.ShearX) > 10 {
			t.Fatalf("affine %+v", *m)
		}
		if len(w.Augment) != 3 || len(w.Jitter) != 4 {
			t.Fatalf("%d operations and %d changes of colour, expected 3 and 4", len(w.Augment), len(w.Jitter))
		}
		for _, o := range w.Jitter {
			by := map[string]float64{"brightness": 0.4, "contrast": 0.3, "saturation": 0.2, "hue": 0.1}[o.Name]
			if o.Name != "hue" {
				o.Value--
			}
			if math.Abs(o.Value) > by+1e-6 {
				t.Fatalf("%s by %v, expected ±%v", o.Name, o.Value, by)
			}
		}
		if w.Erase != nil {
			erased++
			if w.Erase.Top+w.Erase.Height > 20 || w.Erase.Left+w.Erase.Width > 24 {
				t.Fatalf("erasing %+v of 20 × 24", *w.Erase)
			}
		}
		if w.Gray {
			gray++
		}
		if w.BlurKernel > 0 {
			blurred++
		}
	}
	for what, share := range map[string][2]float64{
		"erased": {erased / n, 0.5}, "gray": {gray / n, 0.3}, "blurred": {blurred / n, 0.6}, "area cut out": {area / n, 0.5},
	} {
		if math.Abs(share[0]-share[1]) > 0.035 {
			t.Errorf("%s: a share of %.3f, expected about %v", what, share[0], share[1])
		}
	}
}

// A part that fits in no way is the largest one in the middle whose ratio is allowed.
func TestCropOfAnExtremeImage(t *testing.T) {
	for _, tt := range []struct {
		height, width int
		want          Box
	}{
		{4, 400, Box{Top: 0, Left: 197, Height: 4, Width: 5}},
		{400, 3, Box{Top: 198, Left: 0, Height: 4, Width: 3}},
	} {
		w := Views{Crop: &Crop{Scale: []float64{1, 1}}}.Draw(tt.height, tt.width, 1, 1, 1)
		if *w.Crop != tt.want {
			t.Errorf("%d × %d: %+v, expected %+v", tt.height, tt.width, *w.Crop, tt.want)
		}
	}
}

func TestViewsCanonicalOfEveryOption(t *testing.T) {
	const want = "flip=true shift=2 crop=0.2:0.9,0.75:1.3333333333333333,20x24 " +
		"affine=20,0.1:0.2,0.8:1.2,10,bilinear,[255 255 255] " +
		"randaugment=3,12,[0 0 0] color_jitter=0.4:0.3:0.2:0.1:1 grayscale=0.3 blur=5,0.2:3,0.6 " +
		"erasing=0.02:0.33,0.3:3.3,[1 2 3],0.5"
	if got := policy(t, everything).Canonical(); got != want {
		t.Errorf("%s\nexpected\n%s", got, want)
	}
	spelt := "{crop: {scale: [0.08, 1]}, blur: {kernel: 9, probability: 1}, erasing: {probability: 0.5, fill: black}, " +
		"randaugment: {operations: 2, magnitude: 9}, affine: {interpolation: nearest, scale: [1, 1]}}"
	if a, b := policy(t, spelt).Canonical(),
		policy(t, "{crop: {}, blur: {}, erasing: {}, randaugment: {}, affine: {}}").Canonical(); a != b {
		t.Errorf("defaults spelt out are\n%s\nleft out\n%s", a, b)
	}
}

func TestViewsRefuse(t *testing.T) {
	for text, want := range map[string]string{
		"{shift: -1}":                               "shift is -1, expected 0 to 16384",
		"{crop: {scale: [0.5]}}":                    "crop.scale is [0.5], expected [low, high]",
		"{crop: {scale: [0.5, 2]}}":                 "crop.scale is [0.5 2], expected",
		"{crop: {ratio: [2, 1]}}":                   "crop.ratio is [2 1], expected",
		"{crop: {size: -3}}":                        "crop.size is -3, expected 1 to 16384 pixels",
		"{affine: {degrees: 200}}":                  "affine.degrees is 200, expected 0 to 180",
		"{affine: {translate: [0.1]}}":              "affine.translate has 1 numbers, expected shares of width and height",
		"{affine: {translate: [0.1, 3]}}":           "affine.translate is 3, expected 0 to 1",
		"{affine: {interpolation: cubic}}":          `affine.interpolation is "cubic", expected nearest or bilinear`,
		"{affine: {fill: [1, 2, 300]}}":             "affine.fill is 300, expected 0 to 255",
		"{randaugment: {magnitude: 31}}":            "randaugment.magnitude is 31, expected 0 to 30",
		"{color_jitter: {hue: 0.6}}":                "color_jitter.hue is 0.6, expected 0 to 0.5",
		"{color_jitter: {brightness: .nan}}":        "color_jitter.brightness is NaN",
		"{grayscale: 1.5}":                          "grayscale is 1.5, expected 0 to 1",
		"{blur: {kernel: 4}}":                       "blur.kernel is 4, expected an odd number",
		"{blur: {sigma: [0, 1]}}":                   "blur.sigma is [0 1], expected",
		"{erasing: {probability: 2}}":               "erasing.probability is 2, expected 0 to 1",
		"{erasing: {scale: [0.1, 0.2, 0.3]}}":       "erasing.scale is [0.1 0.2 0.3], expected",
		"{randaugment: {operations: 1000}}":         "randaugment.operations is 1000",
		"{blur: {probability: -0.1}, grayscale: 1}": "blur.probability is -0.1",
	} {
		var v Views
		if err := yaml.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		if err := v.Validate(); !errors.Is(err, ErrViews) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, expected %q", text, err, want)
		}
	}
}
