package datasets

import (
	"context"
	"errors"
	"fmt"
)

// Sample is one sample of a data set. Its content is not read yet.
type Sample struct {
	ID      int64
	Label   int32  // NoLabel without
	Class   string // empty without
	Path    string // names the sample in messages
	Draw    int64  // by which its views are drawn: of its content, so that a sample keeps them wherever it lies
	Content Content
}

// Content is what a sample consists of. What kind it is decides which transformations take it; Picture is one.
type Content interface {
	// Kind names the kind in messages: "an image".
	Kind() string
}

// Picture is the content of samples that are images.
type Picture interface {
	Content
	// Image reads and decodes the picture and calls use with it, within the budget of the data set: use must not keep the
	// image. An error of decoding wraps ErrDecode, where the content is bad; it names the file, as do the file system's.
	// The error of use is returned as it is.
	Image(ctx context.Context, use func(Image) error) error
}

// Kind is "an image".
func (Image) Kind() string { return "an image" }

// Image calls use with the image itself.
func (m Image) Image(_ context.Context, use func(Image) error) error { return use(m) }

// amongColor is a picture of a data set that is mixed, see Dataset.Mixed.
type amongColor struct{ Picture }

// Image calls use with the picture, which knows that others have colour.
func (c amongColor) Image(ctx context.Context, use func(Image) error) error {
	return c.Picture.Image(ctx, func(img Image) error {
		img.AmongColor = true
		return use(img)
	})
}

// picture returns a sample's content as a picture. Its error wraps ErrShape.
func (s Sample) picture() (Picture, error) {
	p, ok := s.Content.(Picture)
	if !ok {
		return nil, fmt.Errorf("%s: %w: it is %s, expected an image", s.Path, ErrShape, s.Content.Kind())
	}
	return p, nil
}

// Size decodes the sample's image and returns it without pixels, for NewTransform. That of a vector is VectorSize.
func (s Sample) Size(ctx context.Context) (size Image, err error) {
	if v, ok := s.Content.(Vector); ok {
		return VectorSize(len(v)), nil
	}
	p, err := s.picture()
	if err != nil {
		return size, err
	}
	err = p.Image(ctx, func(img Image) error {
		size = Image{
			Height: img.Height, Width: img.Width, Channels: img.Channels, Orientation: img.Orientation,
			AmongColor: img.AmongColor,
		}
		if img.Alpha != nil {
			size.Alpha = []uint8{}
		}
		return nil
	})
	return size, err
}

// First returns the first sample of d that can be read, and its dimensions. Others are passed over where d.Skips says
// so.
func First(ctx context.Context, d Dataset) (Sample, Image, error) {
	for i := range d.Len() {
		s := d.Sample(i)
		size, err := s.Size(ctx)
		if err == nil || !d.Skips(i, err) {
			return s, size, err
		}
	}
	return Sample{}, Image{}, noneDecodes(d, d.Len())
}

// Spread returns up to n samples from all over d that can be read. Others are passed over where d.Skips says so.
func Spread(ctx context.Context, d Dataset, n int) ([]Sample, error) {
	n = min(n, d.Len())
	var samples []Sample
	for i := range n {
		at := i * d.Len() / n
		s := d.Sample(at)
		_, err := s.Size(ctx)
		switch {
		case err == nil:
			samples = append(samples, s)
		case !d.Skips(at, err):
			return nil, err
		}
	}
	if len(samples) == 0 {
		return nil, noneDecodes(d, n)
	}
	return samples, nil
}

func noneDecodes(d Dataset, n int) error {
	return fmt.Errorf("%w: none of %d samples of %s decodes", ErrDecode, n, d.Name())
}

// Skipped is a sample that was left out, and why.
type Skipped struct {
	ID     int64
	Path   string
	Reason error // names the path, too
}

// skips is the rule of on_error: whether a sample that fails with err is left out. Only bad content is: what cannot be
// read at all, or has changed, ends the stage.
func (s Source) skips(err error) bool { return s.OnError == onErrorSkip && errors.Is(err, ErrDecode) }
