package datasets

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// presets are what families of models document of their preprocessing.
var presets = map[string]Preprocess{
	// torchvision's ImageClassification preset of the models of 224 pixels.
	"imagenet": {Resize: Size{256}, Crop: Size{224}, Color: colorRGB, Mean: imagenetMean, Std: imagenetStd},
	// OpenAI's CLIP, clip.load, for the models of 224 pixels.
	"clip": {Resize: Size{224}, Interpolation: "bicubic", Crop: Size{224}, Color: colorRGB, Mean: clipMean, Std: clipStd},
	// open_clip's image_transform with its defaults: the shorter side, and CLIP's mean and std.
	"openclip": {
		Resize: Size{224}, Interpolation: "bicubic", Crop: Size{224}, Color: colorRGB,
		Mean: clipMean, Std: clipStd,
	},
	// Hugging Face's SiglipImageProcessor: squeezed into a square, whatever the aspect ratio.
	"siglip": {
		Resize: Size{224, 224}, Interpolation: "bicubic", Color: colorRGB, Mean: []float64{0.5},
		Std: []float64{0.5},
	},
	// DINOv2's evaluation transform, and the image processor of facebook/dinov2.
	"dinov2": {
		Resize: Size{256}, Interpolation: "bicubic", Crop: Size{224}, Color: colorRGB, Mean: imagenetMean,
		Std: imagenetStd,
	},
	// The image processor of google/mobilenet: −1 to 1, as TensorFlow's.
	"mobilenet-tf": {Resize: Size{256}, Crop: Size{224}, Color: colorRGB, Mean: []float64{0.5}, Std: []float64{0.5}},
	// InsightFace's recognition models: aligned faces of 112 pixels, (x − 127.5) / 127.5.
	"arcface": {Resize: Size{112, 112}, Color: colorRGB, Mean: []float64{0.5}, Std: []float64{0.5}},
}

var (
	imagenetMean, imagenetStd = []float64{0.485, 0.456, 0.406}, []float64{0.229, 0.224, 0.225}
	clipMean                  = []float64{0.48145466, 0.4578275, 0.40821073}
	clipStd                   = []float64{0.26862954, 0.26130258, 0.27577711}
)

// UsePreset sets every field to what the named family documents: imagenet, clip, openclip, siglip, dinov2, mobilenet-tf
// or arcface. What a configuration says beside the name is set afterwards, over it. Its errors wrap ErrPreprocess.
func (p *Preprocess) UsePreset(name string) error {
	preset, ok := presets[name]
	if !ok {
		return fmt.Errorf("%w: preset is %q, expected one of %s", ErrPreprocess, name,
			strings.Join(slices.Sorted(maps.Keys(presets)), ", "))
	}
	*p = preset
	p.Preset = name
	p.Mean, p.Std, p.Resize, p.Crop = slices.Clone(p.Mean), slices.Clone(p.Std), slices.Clone(p.Resize),
		slices.Clone(p.Crop)
	return nil
}

// Shorthand is the key that a lone word stands for: `preprocess: clip` is `preprocess: {preset: clip}`.
func (Preprocess) Shorthand() string { return "preset" }

// MarshalYAML writes the values that a preset stands for and not its name, which would fill in again what was cleared.
func (p Preprocess) MarshalYAML() (any, error) {
	type values Preprocess
	p.Preset = ""
	return values(p), nil
}
