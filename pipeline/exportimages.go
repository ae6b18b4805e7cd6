package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"rkd/datasets"
	"rkd/models/onnx"
	"rkd/models/ort"
)

// imagesOpset is the first whose Resize antialiases.
const imagesOpset = 18

// FromImages is a second file of a student, which takes images of any size: preprocessing is part of it as far as ONNX
// can express it.
type FromImages struct {
	Model string `json:"model"`
	// Levels is the largest difference between its pixels, after resizing and cropping, and rkd's, of 255; Unequal the
	// share of pixels that differ at all; Cosine the smallest between its embedding and the student's graph's.
	Levels  int     `json:"largest_pixel_difference"`
	Unequal float64 `json:"unequal_pixels"`
	Cosine  float64 `json:"smallest_cosine"`
	Samples int     `json:"samples"`
}

func (f *FromImages) String() string {
	return fmt.Sprintf("%s takes images of any size: over %d samples its pixels differ from rkd's by at most %d levels "+
		"(%.2g %% of them at all), "+
		"its embeddings have a cosine of at least %.6f", f.Model, f.Samples, f.Levels, 100*f.Unequal, f.Cosine)
}

// imagesPath is where the model that takes images stands, beside the student's.
func imagesPath(student string) string {
	return strings.TrimSuffix(student, filepath.Ext(student)) + "_images" + filepath.Ext(student)
}

// errNotInONNX reports preprocessing that no standard operator computes.
var errNotInONNX = errors.New("ONNX has no operator for it")

// shapes reports whether preprocessing does anything to an image that has been decoded, before normalisation.
func shapes(p *datasets.Preprocess) bool {
	return len(p.Resize) > 0 || len(p.Crop) > 0 || p.Pad != "" || p.Color != ""
}

// bakeShaping adds all of p that comes before normalisation to b: from pixels uint8 (N,H,W,channels), of any height and
// width, to uint8 (N,C,height,width). Orientation, alpha and 16 bits belong to files, and have been settled by who
// decodes them.
func bakeShaping(b *onnx.Builder, pixels string, p *datasets.Preprocess, channels int) (string, error) {
	g := shaping{b: b, x: b.Node("Transpose", []string{pixels}, onnx.Ints("perm", 0, 3, 1, 2))}
	fill := uint8(0)
	if len(p.Fill) > 0 {
		fill = uint8(p.Fill[0])
		if (p.Pad != "" || len(p.Crop) > 0) && (p.Fill[1] != p.Fill[0] || p.Fill[2] != p.Fill[0]) {
			return "", fmt.Errorf("preprocess.fill %v is no gray: %w", []int(p.Fill), errNotInONNX)
		}
	}
	if p.Pad != "" {
		size := g.size()
		g.padTo(b.Node("ReduceMax", []string{size}, onnx.Int("keepdims", 1)), size, fill)
	}
	if len(p.Resize) > 0 {
		if err := g.resize(p); err != nil {
			return "", err
		}
	}
	if len(p.Crop) > 0 {
		height, width := p.Crop[0], p.Crop[len(p.Crop)-1]
		crop := g.int64s(int64(height), int64(width))
		if len(p.Fill) > 0 {
			g.padTo(crop, g.size(), fill)
		}
		g.crop(crop)
	}
	switch {
	case p.Color == "gray" && channels == 3:
		g.luma()
	case p.Color == "bgr" && channels == 3:
		g.x = b.Node("Gather", []string{g.x, g.int64s(2, 1, 0)}, onnx.Int("axis", 1))
	case (p.Color == "rgb" || p.Color == "bgr") && channels == 1:
		g.x = b.Node("Concat", []string{g.x, g.x, g.x}, onnx.Int("axis", 1))
	}
	return g.x, nil
}

// shaping builds the nodes of bakeShaping; x is the picture so far, uint8 (N,C,H,W).
type shaping struct {
	b *onnx.Builder
	x string
}

func (g *shaping) int64s(v ...int64) string {
	return g.b.Int64("preprocess.numbers", []int{len(v)}, v)
}

// size is height and width of x, int64 (2).
func (g *shaping) size() string { return g.b.Node("Shape", []string{g.x}, onnx.Int("start", 2)) }

// axes are those of height and width.
func (g *shaping) axes() string { return g.int64s(2, 3) }

// padTo surrounds x so that neither side is shorter than in want, int64 (2) or (1): half of what is missing, rounded
// down, before it.
func (g *shaping) padTo(want, size string, fill uint8) {
	missing := g.b.Node("Max", []string{g.b.Node("Sub", []string{want, size}), g.int64s(0, 0)})
	before := g.b.Node("Div", []string{missing, g.int64s(2)})
	after := g.b.Node("Sub", []string{missing, before})
	pads := g.b.Node("Concat", []string{before, after}, onnx.Int("axis", 0))
	g.x = g.b.Node("Pad", []string{g.x, pads, g.b.Uint8("preprocess.fill", nil, []uint8{fill}), g.axes()})
}

// resize scales x, with integer arithmetic for the sizes as Preprocess has it.
func (g *shaping) resize(p *datasets.Preprocess) error {
	var target string
	if len(p.Resize) == 2 {
		target = g.int64s(int64(p.Resize[0]), int64(p.Resize[1]))
	} else {
		size := g.size()
		scaled := g.b.Node("Mul", []string{size, g.int64s(int64(p.Resize[0]))})
		target = g.b.Node("Div", []string{scaled, g.b.Node("ReduceMin", []string{size}, onnx.Int("keepdims", 1))})
		if p.MaxSize > 0 {
			limit := g.int64s(int64(p.MaxSize))
			long := g.b.Node("ReduceMax", []string{target}, onnx.Int("keepdims", 1))
			bounded := g.b.Node("Div", []string{g.b.Node("Mul", []string{target, limit}), long})
			target = g.b.Node("Where", []string{g.b.Node("Greater", []string{long, limit}), bounded, target})
		}
	}
	target = g.b.Node("Max", []string{target, g.int64s(1, 1)}) // neither side below one pixel
	// All four dimensions, without the attribute axes: the runtime moves a transposition past Resize and gets axes wrong.
	target = g.b.Node("Concat", []string{g.b.Node("Shape", []string{g.x}, onnx.Int("end", 2)), target},
		onnx.Int("axis", 0))
	plain := p.Antialias != nil && !*p.Antialias
	// renormalised at the border, as Pillow's
	attributes := []onnx.Attr{onnx.Int("antialias", 1), onnx.Int("exclude_outside", 1)}
	cubic := float32(-0.5)
	if plain {
		attributes, cubic = nil, -0.75
		g.x = g.b.Node("Cast", []string{g.x}, onnx.Int("to", int64(onnx.Float32)))
	}
	switch p.Interpolation {
	case "", "bilinear":
		attributes = append(attributes, onnx.String("mode", "linear"))
	case "bicubic":
		attributes = append(attributes, onnx.String("mode", "cubic"), onnx.Float("cubic_coeff_a", cubic))
	case "nearest":
		attributes = append(attributes[:0], onnx.String("mode", "nearest"), onnx.String("nearest_mode", "round_prefer_ceil"))
	default:
		return fmt.Errorf("preprocess.interpolation %s: %w", p.Interpolation, errNotInONNX)
	}
	g.x = g.b.Node("Resize", []string{g.x, "", "", target}, attributes...)
	if plain {
		limits := []string{
			g.b.Float32("preprocess.black", nil, []float32{0}),
			g.b.Float32("preprocess.white", nil, []float32{255}),
		}
		g.x = g.b.Node("Clip", append([]string{g.b.Node("Round", []string{g.x})}, limits...))
		g.x = g.b.Node("Cast", []string{g.x}, onnx.Int("to", int64(onnx.Uint8)))
	}
	return nil
}

// crop cuts out the centre; half the margin is rounded to even.
func (g *shaping) crop(want string) {
	margin := g.b.Node("Cast", []string{g.b.Node("Sub", []string{g.size(), want})}, onnx.Int("to", int64(onnx.Float32)))
	half := g.b.Node("Mul", []string{margin, g.b.Float32("preprocess.half", nil, []float32{0.5})})
	start := g.b.Node("Cast", []string{g.b.Node("Round", []string{half})}, onnx.Int("to", int64(onnx.Int64)))
	g.x = g.b.Node("Slice", []string{g.x, start, g.b.Node("Add", []string{start, want}), g.axes()})
}

// luma is (19595·R + 38470·G + 7471·B + 2¹⁵) / 2¹⁶.
func (g *shaping) luma() {
	const name = "preprocess.luma"
	x := g.b.Node("Cast", []string{g.x}, onnx.Int("to", int64(onnx.Float64)))
	x = g.b.Node("Mul", []string{x, g.b.Float64(name, []int{3, 1, 1}, []float64{19595, 38470, 7471})})
	x = g.b.Node("ReduceSum", []string{x, g.int64s(1)})
	x = g.b.Node("Add", []string{x, g.b.Float64(name+".half", nil, []float64{1 << 15})})
	x = g.b.Node("Floor", []string{g.b.Node("Div", []string{x, g.b.Float64(name+".unit", nil, []float64{1 << 16})})})
	g.x = g.b.Node("Cast", []string{x}, onnx.Int("to", int64(onnx.Uint8)))
}

// exportImages writes the model that takes images of any size and measures it on samples. It returns nil where
// preprocessing does nothing to an image, and where ONNX cannot express what it does, which it says.
func (r *Runner) exportImages(ctx context.Context, s *student, path, key string) (*FromImages, error) {
	p := s.config.Student.Preprocess
	b := onnx.NewBuilder(s.config.Name, imagesOpset)
	samples, err := r.verified(ctx)
	if err != nil {
		return nil, err
	}
	channels, err := s.imageChannels(ctx, samples)
	if err != nil {
		return nil, err
	}
	input := b.Input(imagesInput, onnx.Uint8, "N", "height", "width", channels)
	pixels, err := bakeShaping(b, input, p, channels)
	if errors.Is(err, errNotInONNX) {
		r.Progress.Say("export: no model that takes images of any size: %s", err)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	const shaped = "preprocessed"
	b.Rename(pixels, shaped)
	card := s.card(s.config.Export, r.Version)
	card.Input, card.Shape, card.Preprocess = imagesInput, []int{0, 0, channels}, p.DevelopOnly().Resolved()
	m, err := s.finish(b, s.bakeNormalization(b, shaped), card, s.config.Export, key)
	if err != nil {
		return nil, err
	}
	m.ReduceByInput()
	if err := m.Check(); err != nil {
		return nil, err
	}
	temporary := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+unverifiedSuffix)
	defer func() { _ = os.Remove(temporary) }() // gone already when it has its name
	if err := sealModel(m, temporary); err != nil {
		return nil, err
	}
	if err := m.Tap(shaped, embeddingOutput); err != nil {
		return nil, err
	}
	measured, err := r.measureImages(ctx, s, m, samples, channels)
	if err != nil {
		return nil, err
	}
	if err := os.Rename(temporary, path); err != nil {
		return nil, fmt.Errorf("exporting: %w", err)
	}
	measured.Model = path
	return measured, nil
}

// imageChannels is the number of channels of the pictures that the model takes: three where preprocessing chooses
// colours, and some pictures are gray and others are not.
func (s *student) imageChannels(ctx context.Context, samples []datasets.Sample) (int, error) {
	p, channels := s.config.Student.Preprocess, s.about.Pixels[2]
	if p.Color == "" {
		return channels, nil
	}
	for _, sample := range samples {
		size, err := sample.Size(ctx)
		if err != nil {
			return 0, err
		}
		if p.Developed(size).Channels != channels {
			return 3, nil
		}
	}
	return channels, nil
}

// exportedWith reports whether a model stands at path that was exported with this key.
func exportedWith(path, key string) bool {
	m, err := onnx.Load(path)
	return err == nil && m.Metadata()[metadataPrefix+"export_key"] == key
}

// bakeNormalization adds (x·scale − mean)/std of pixels uint8 (N,C,H,W).
func (s *student) bakeNormalization(b *onnx.Builder, pixels string) string {
	c := s.about.Input[0]
	scale, mean, std := s.config.Student.Preprocess.Normalization(c)
	x := b.Node("Cast", []string{pixels}, onnx.Int("to", int64(onnx.Float32)))
	x = b.Node("Mul", []string{x, b.Float32("preprocess.scale", []int{1}, []float32{scale})})
	x = b.Node("Sub", []string{x, b.Float32("preprocess.mean", []int{c, 1, 1}, mean)})
	return b.Node("Div", []string{x, b.Float32("preprocess.std", []int{c, 1, 1}, std)})
}

// measureImages says how far m, whose outputs are preprocessed pixels and embedding, is from rkd's own preprocessing on
// samples of the training data.
func (r *Runner) measureImages(ctx context.Context, s *student, m *onnx.Model, samples []datasets.Sample,
	channels int,
) (*FromImages, error) {
	want, err := s.embed(ctx, samples)
	if err != nil {
		return nil, err
	}
	if err := r.runtime(); err != nil {
		return nil, err
	}
	session, err := ort.NewSession(m, ort.Options{})
	if err != nil {
		return nil, err
	}
	defer session.Close()
	f := &FromImages{Cosine: 1, Samples: len(samples)}
	unequal, all := 0, 0
	for i, sample := range samples {
		picture, ok := sample.Content.(datasets.Picture)
		if !ok {
			return nil, fmt.Errorf("%s is %s, expected an image", sample.Path, sample.Content.Kind())
		}
		err := picture.Image(ctx, func(img datasets.Image) error {
			img = s.config.Student.Preprocess.Develop(img)
			if img.Channels != channels { // gray among coloured ones: as who decodes makes it
				var err error
				if img, err = (datasets.Preprocess{Color: "rgb"}).Pixels(img); err != nil {
					return err
				}
			}
			got, embedding, err := runImages(ctx, session, img)
			if err != nil {
				return err
			}
			ours, err := s.config.Student.Preprocess.Pixels(img)
			if err != nil {
				return err
			}
			if len(got) != len(ours.Pixels) {
				return fmt.Errorf("%w: %d pixels of an image, expected %d", ErrVerify, len(got), len(ours.Pixels))
			}
			plane := ours.Height * ours.Width
			for j, v := range ours.Pixels {
				if d := int(v) - int(got[j%ours.Channels*plane+j/ours.Channels]); d != 0 {
					unequal++
					f.Levels = max(f.Levels, d, -d)
				}
			}
			all += len(ours.Pixels)
			f.Cosine = min(f.Cosine, cosine(embedding, want[i*s.network.Dim:(i+1)*s.network.Dim]))
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	f.Unequal = float64(unequal) / float64(all)
	return f, nil
}

// runImages gives the preprocessed pixels (C,H,W) and the embedding of one image.
func runImages(ctx context.Context, session *ort.Session, img datasets.Image) (pixels []uint8,
	embedding []float32, err error,
) {
	input, err := ort.NewTensor([]int{1, img.Height, img.Width, img.Channels}, img.Pixels)
	if err != nil {
		return nil, nil, err
	}
	defer input.Close()
	outputs := make([]ort.Value, len(session.Outputs()))
	if err := session.Run(ctx, []ort.Value{input}, outputs); err != nil {
		return nil, nil, err
	}
	for _, out := range outputs {
		defer out.Close()
		switch t := out.(type) {
		case *ort.Tensor[uint8]:
			pixels = append(pixels, t.Data()...)
		case *ort.Tensor[float32]:
			embedding = append(embedding, t.Data()...)
		}
	}
	return pixels, embedding, nil
}

// cosine of two vectors; 1 where both are zero.
func cosine(a, b []float32) float64 {
	var dot, aa, bb float64
	for i, x := range a {
		dot, aa, bb = dot+float64(x)*float64(b[i]), aa+float64(x)*float64(x), bb+float64(b[i])*float64(b[i])
	}
	if aa == 0 && bb == 0 {
		return 1
	}
	return dot / math.Sqrt(aa*bb)
}
