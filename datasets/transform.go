package datasets

import (
	"context"
	"errors"
	"fmt"

	"rkd/datasets/memory"
)

// ErrShape reports a sample that does not become a tensor of the shape that all have.
var ErrShape = errors.New("samples of different shapes")

// Elem is the type of a tensor's elements.
type Elem int

// Types of elements.
const (
	Float32 Elem = iota
	Uint8
)

// Values are the elements of a tensor; the slice of their type is set.
type Values struct {
	Float32 []float32
	Uint8   []uint8
}

// NewValues returns n elements.
func NewValues(e Elem, n int) Values {
	if e == Uint8 {
		return Values{Uint8: memory.Make[uint8](n)}
	}
	return Values{Float32: memory.Make[float32](n)}
}

// row is the i-th of consecutive tensors of the given size.
func (v Values) row(i, size int) Values {
	if v.Uint8 != nil {
		return Values{Uint8: v.Uint8[i*size : (i+1)*size]}
	}
	return Values{Float32: v.Float32[i*size : (i+1)*size]}
}

// copyRow overwrites row to with row from.
func (v Values) copyRow(to, from, size int) {
	dst, src := v.row(to, size), v.row(from, size)
	copy(dst.Uint8, src.Uint8)
	copy(dst.Float32, src.Float32)
}

// Transform turns a sample into a tensor in two steps: Compact reads the sample and brings it to a compact form of a
// fixed size, which can be kept; Expand, which is cheap, makes the tensor from it. Both are pure functions, safe for
// concurrent use.
type Transform interface {
	// Shape is that of one sample's tensor. It must not be written to.
	Shape() []int
	Elem() Elem
	// CompactBytes is the size of the compact form.
	CompactBytes() int
	// Compact writes the compact form of a view of s to dst. Its error names the sample.
	Compact(ctx context.Context, s Sample, view int32, dst []byte) error
	// Expand writes the tensor of a compact form to dst.
	Expand(dst Values, compact []byte)
}

// Pictures is the Transform of images: a view of each (see Views), then Preprocess. Its compact form is the 8-bit
// pixels of Preprocess.Pixels, in the order of the tensor.
type Pictures struct {
	preprocess              Preprocess
	views                   Views
	seed                    uint64
	byID                    bool
	elem                    Elem
	shape                   []int
	height, width, channels int
	tables                  [][256]float32 // of a channel: its value for each of a pixel; nil for Uint8
	depth                   *depth         // of all copies with other views
}

// Developed is the size of Develop's result, without pixels; those of size are not read.
func (p Preprocess) Developed(size Image) Image { return p.developed(size) }

// NewPictures returns the Transform that makes tensors of type e. size stands for all images: only its dimensions are
// read, and an image that comes out in another shape is ErrShape. A tensor of Uint8 has pixels that are not normalised.
// Errors wrap ErrPreprocess.
func NewPictures(p Preprocess, e Elem, size Image) (*Pictures, error) {
	shape, err := p.Shape(size)
	if err != nil {
		return nil, err
	}
	t := &Pictures{
		preprocess: p, elem: e, shape: shape, channels: shape[0], height: shape[1], width: shape[2], depth: new(depth),
	}
	if p.Layout == layoutNHWC {
		t.height, t.width, t.channels = shape[0], shape[1], shape[2]
	}
	if e == Uint8 {
		return t, nil
	}
	scale, mean, std := p.Normalization(t.channels)
	t.tables = make([][256]float32, t.channels)
	for k := range t.tables {
		for v := range t.tables[k] {
			// The conversion keeps the compiler from fusing two roundings into one.
			t.tables[k][v] = (float32(float32(v)*scale) - mean[k]) / std[k]
		}
	}
	return t, nil
}

// WithViews returns the transform with other views than the image itself: see Views.Apply. They are drawn by the
// sample's content or, byID, by its id, which is how they were drawn once.
func (t *Pictures) WithViews(v Views, seed uint64, byID bool) *Pictures {
	with := *t
	with.views, with.seed, with.byID = v, seed, byID
	return &with
}

// Shape is (C,H,W), or (H,W,C) where the layout is NHWC.
func (t *Pictures) Shape() []int { return t.shape }

// Elem is the type of the tensor's elements.
func (t *Pictures) Elem() Elem { return t.elem }

// CompactBytes is C·H·W.
func (t *Pictures) CompactBytes() int { return t.height * t.width * t.channels }

// Compact decodes and develops the image and applies the view and all of preprocessing but normalisation.
func (t *Pictures) Compact(ctx context.Context, s Sample, view int32, dst []byte) error {
	picture, err := s.picture()
	if err != nil {
		return err
	}
	draw := s.Draw
	if t.byID {
		draw = s.ID
	}
	read := picture.Image
	if reducible, ok := picture.(reducible); ok && t.preprocess.Draft && (view == 0 || t.views == Views{}) {
		read = func(ctx context.Context, use func(Image) error) error {
			return reducible.Reduced(ctx, t.preprocess.reduction, use)
		}
	}
	return read(ctx, func(img Image) error {
		t.depth.see(img)
		img, err := t.preprocess.Pixels(t.views.Apply(t.preprocess.Develop(img), t.seed, draw, view))
		if err != nil {
			return fmt.Errorf("%s: %w", s.Path, err)
		}
		if img.Height != t.height || img.Width != t.width || img.Channels != t.channels {
			return fmt.Errorf("%s: %w: it is %d × %d × %d after preprocessing, the first one %d × %d × %d: "+
				"set preprocess.resize, preprocess.crop or preprocess.color", s.Path, ErrShape,
				img.Height, img.Width, img.Channels, t.height, t.width, t.channels)
		}
		t.arrange(dst, img.Pixels)
		return nil
	})
}

// arrange copies interleaved pixels to the order of the tensor.
func (t *Pictures) arrange(dst, pixels []uint8) {
	if t.channels == 1 || t.preprocess.Layout == layoutNHWC {
		copy(dst, pixels)
		return
	}
	plane := t.height * t.width
	for k := range t.channels {
		to := dst[k*plane : (k+1)*plane]
		for i := range to {
			to[i] = pixels[i*t.channels+k]
		}
	}
}

// Expand normalises.
func (t *Pictures) Expand(dst Values, compact []byte) {
	if t.elem == Uint8 {
		copy(dst.Uint8, compact)
		return
	}
	if t.channels > 1 && t.preprocess.Layout == layoutNHWC {
		for i := 0; i < len(compact); i += t.channels {
			for k := range t.channels {
				dst.Float32[i+k] = t.tables[k][compact[i+k]]
			}
		}
		return
	}
	plane := t.height * t.width
	for k := range t.channels {
		table, from := &t.tables[k], compact[k*plane:(k+1)*plane]
		to := dst.Float32[k*plane:][:len(from)]
		for i, v := range from {
			to[i] = table[v]
		}
	}
}

// sizeOf is the number of elements of a shape.
func sizeOf(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}
