package datasets

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math"
	"testing"
)

func TestViewOperationsEqualTorchvision(t *testing.T) {
	var golden struct {
		Sources map[string]Image
		Cases   []struct {
			Name, Source  string
			View          View
			Height, Width int
			SHA256        string
			Pixels        []byte // of a blur, instead
		}
	}
	if err := json.Unmarshal(read(t, "testdata/view_operations_golden.json"), &golden); err != nil {
		t.Fatal(err)
	}
	if len(golden.Cases) < 150 {
		t.Fatalf("%d cases, expected at least 150", len(golden.Cases))
	}
	for _, c := range golden.Cases {
		t.Run(c.Name, func(t *testing.T) {
			got := c.View.Apply(golden.Sources[c.Source])
			if got.Height != c.Height || got.Width != c.Width {
				t.Fatalf("%d × %d, expected %d × %d", got.Height, got.Width, c.Height, c.Width)
			}
			if c.SHA256 != "" {
				if sum := sha256.Sum256(got.Pixels); hex.EncodeToString(sum[:]) != c.SHA256 {
					t.Error("the pixels are not torchvision's")
				}
				return
			}
			// PyTorch blurs in single precision: a value close to a half may round the other way.
			different := 0
			for i, want := range c.Pixels {
				if d := int(got.Pixels[i]) - int(want); d != 0 {
					different++
					if d < -1 || d > 1 {
						t.Fatalf("byte %d is %d, torchvision has %d", i, got.Pixels[i], want)
					}
				}
			}
			if different*1000 > len(got.Pixels) {
				t.Errorf("%d of %d bytes differ", different, len(got.Pixels))
			}
		})
	}
}

// The magnitudes of RandAugment are those of torchvision's space.
func TestRandAugmentMagnitudes(t *testing.T) {
	for name, want := range map[string][]float64{ // at 9 and 30, on an image of 331 × 662
		"identity": {0, 0}, "shear_x": {0.09, 0.3}, "shear_y": {0.09, 0.3}, "translate_x": {90, 300},
		"translate_y": {45, 150},
		"rotate": {
			9, 30,
		}, "brightness": {0.27, 0.9}, "color": {0.27, 0.9}, "contrast": {0.27, 0.9}, "sharpness": {
			0.27, 0.9,
		},
		"posterize": {7, 4}, "solarize": {178.5, 0}, "autocontrast": {0, 0}, "equalize": {0, 0},
	} {
		found := false
		for _, m := range magnitudes {
			if m.name != name {
				continue
			}
			found = true
			for i, at := range []float64{9, 30} {
				if got := m.at(at, 331, 662); math.Abs(got-want[i]) > 1e-9 {
					t.Errorf("%s at %v is %v, expected %v", name, at, got, want[i])
				}
			}
		}
		if !found || len(magnitudes) != 14 {
			t.Errorf("%s is missing, or there are others: %d", name, len(magnitudes))
		}
	}
}
