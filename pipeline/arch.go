package pipeline

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	"rkd/datasets"
	"rkd/pipeline/config"
	"rkd/student/arch"
)

// Architecture is the student of one or several variants: those that do not change it.
type Architecture struct {
	Variants     []string       `json:"variants"`
	Input        []int          `json:"input"` // shape of one sample, as the network takes it
	Layers       []arch.Summary `json:"layers"`
	Parameters   int64          `json:"parameters"`
	MultiplyAdds int64          `json:"multiply_adds"` // for one sample
}

// Architectures describes the students of tasks, in their order. It needs neither teacher nor cache, but for drop-in
// students, and no data where student.preprocess alone decides what a sample's shape is: by crop, or by height and
// width in resize, and by color.
func (r *Runner) Architectures(ctx context.Context, tasks []Task) ([]Architecture, error) {
	var all []Architecture
	for _, t := range tasks {
		a, err := r.architecture(ctx, t.Config)
		if err != nil {
			return nil, fmt.Errorf("variant %q: %w", t.Variant, err)
		}
		same := slices.IndexFunc(all, func(other Architecture) bool {
			return slices.Equal(a.Input, other.Input) && reflect.DeepEqual(a.Layers, other.Layers)
		})
		if same < 0 {
			same = len(all)
			all = append(all, a)
		}
		if variants := &all[same].Variants; !slices.Contains(*variants, t.Variant) {
			*variants = append(*variants, t.Variant)
		}
	}
	return all, nil
}

func (r *Runner) architecture(ctx context.Context, c *config.Config) (a Architecture, err error) {
	img, ok := standIn(*c.Student.Preprocess)
	if !ok || c.Data.Train.Vectors() {
		data, err := r.dataset(ctx, "train")
		if err == nil {
			_, img, err = datasets.First(ctx, data)
		}
		if err != nil {
			return a, fmt.Errorf("looking for the shape of a sample, which student.preprocess leaves open "+
				"(crop, or two numbers in resize, and color would decide it): %w", err)
		}
	}
	if a.Input, err = studentInput(c, img); err != nil {
		return a, err
	}
	width, err := r.widthFor(ctx, c)
	if err != nil {
		return a, err
	}
	network, _, err := newNetwork(c, a.Input, width)
	if err != nil {
		return a, err
	}
	a.Layers = network.Summaries()
	for _, l := range a.Layers {
		a.Parameters += l.Parameters
		a.MultiplyAdds += l.MultiplyAdds
	}
	return a, nil
}

// studentInput is the shape of a student's sample made from img, (C,H,W), or (D) of vectors.
func studentInput(c *config.Config, img datasets.Image) ([]int, error) {
	if c.Student.Preprocess.Layout == "NHWC" {
		return nil, fmt.Errorf("%w: student.preprocess.layout is \"NHWC\", expected NCHW: the student's operators take "+
			"(N,C,H,W)",
			config.ErrConfig)
	}
	transform, err := datasets.NewTransform(*c.Student.Preprocess, datasets.Float32, img)
	if err != nil {
		return nil, fmt.Errorf("student.preprocess: %w", err)
	}
	return transform.Shape(), nil
}

// standIn is an image without pixels whose shape after preprocessing is that of every image; false where that depends
// on the image.
func standIn(p datasets.Preprocess) (datasets.Image, bool) {
	img := datasets.Image{Height: 1, Width: 1, Channels: 1}
	switch {
	case p.Color == "":
		return img, false
	case len(p.Resize) == 2:
		return img, true
	case len(p.Crop) == 0:
		return img, false
	case len(p.Resize) == 0:
		img.Height, img.Width = p.Crop[0], p.Crop[len(p.Crop)-1]
		return img, true
	}
	// A shorter side of this length is all that is known of a resized image.
	img.Height, img.Width = p.Resize[0], p.Resize[0]
	return img, slices.Max(p.Crop) <= p.Resize[0]
}
