package datasets

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
)

// Vector is the content of samples that are numbers: of tables, or embeddings that somebody computed.
type Vector []float32

// Kind is "a vector".
func (Vector) Kind() string { return "a vector" }

// VectorSize stands for samples that are vectors of a length where an Image without pixels stands for pictures: it has
// no channels.
func VectorSize(length int) Image { return Image{Height: 1, Width: length} }

// IsVector says that m stands for vectors, see VectorSize.
func (m Image) IsVector() bool { return m.Channels == 0 && m.Height == 1 && m.Width > 0 }

// vector returns a sample's content as a vector. Its error wraps ErrShape.
func (s Sample) vector() (Vector, error) {
	v, ok := s.Content.(Vector)
	if !ok {
		return nil, fmt.Errorf("%s: %w: it is %s, expected a vector", s.Path, ErrShape, s.Content.Kind())
	}
	return v, nil
}

// Numbers is the Transform of vectors: they are what they are. There are no views.
type Numbers struct{ shape []int }

// NewTransform returns the Transform of samples like the one of the given size: NewPictures, or NewNumbers for vectors,
// to which no preprocessing applies. Errors wrap ErrPreprocess.
func NewTransform(p Preprocess, e Elem, size Image) (Transform, error) {
	if !size.IsVector() {
		return NewPictures(p, e, size)
	}
	plain := Preprocess{Layout: p.Layout}
	if p.Canonical() != plain.Canonical() {
		return nil, fmt.Errorf("%w: it is %s, but the samples are vectors, which are taken as they are: remove it",
			ErrPreprocess, p.Canonical())
	}
	if e != Float32 {
		return nil, fmt.Errorf("%w: the samples are vectors of float32, but pixels of uint8 are asked for", ErrPreprocess)
	}
	return NewNumbers(size.Width), nil
}

// NewNumbers returns the Transform of vectors of a length.
func NewNumbers(length int) *Numbers { return &Numbers{shape: []int{length}} }

// Shape is (D).
func (t *Numbers) Shape() []int { return t.shape }

// Elem is Float32.
func (t *Numbers) Elem() Elem { return Float32 }

// CompactBytes is 4·D.
func (t *Numbers) CompactBytes() int { return 4 * t.shape[0] }

// Compact writes the numbers' bits.
func (t *Numbers) Compact(_ context.Context, s Sample, view int32, dst []byte) error {
	v, err := s.vector()
	if err != nil {
		return err
	}
	if len(v) != t.shape[0] || view != 0 {
		return fmt.Errorf("%s: %w: view %d has %d numbers, expected view 0 of %d", s.Path, ErrShape, view, len(v), t.shape[0])
	}
	for i, x := range v {
		binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(x))
	}
	return nil
}

// Expand reads them.
func (t *Numbers) Expand(dst Values, compact []byte) {
	for i := range dst.Float32 {
		dst.Float32[i] = math.Float32frombits(binary.LittleEndian.Uint32(compact[4*i:]))
	}
}
