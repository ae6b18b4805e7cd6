package datasets

import (
	"context"

	"rkd/datasets/internal/jpeg"
)

// reducible is a picture that can be decoded at a fraction of its size.
type reducible interface {
	// Reduced is Image with a picture of 1/by(size) of the height and width, rounded up, where its format allows that. by
	// gets the size without pixels and returns 1, 2, 4 or 8.
	Reduced(ctx context.Context, by func(size Image) int, use func(Image) error) error
}

// Reduced decodes a JPEG at a fraction of its size, and all others whole.
func (f imageFile) Reduced(ctx context.Context, by func(size Image) int, use func(Image) error) error {
	return f.image(ctx, func(data []byte) (Image, error) { return decodeReduced(data, by) }, use)
}

// Reduced passes on.
func (c amongColor) Reduced(ctx context.Context, by func(size Image) int, use func(Image) error) error {
	among := func(img Image) error {
		img.AmongColor = true
		return use(img)
	}
	if r, ok := c.Picture.(reducible); ok {
		return r.Reduced(ctx, by, among)
	}
	return c.Picture.Image(ctx, among)
}

// decodeReduced is decode of a JPEG at 1/by of its size.
func decodeReduced(data []byte, by func(size Image) int) (Image, error) {
	c, err := jpeg.DecodeConfig(data)
	if f, formatErr := formatOf(data); err != nil || formatErr != nil || f.name != "JPEG" {
		return decode(data)
	}
	size := Image{Height: c.Height, Width: c.Width, Channels: c.Channels, Orientation: exifOrientation(c.EXIF)}
	if err := size.checkShape(); err != nil {
		return Image{}, err
	}
	m, err := jpeg.Decode(data, jpeg.Options{Scale: by(size)})
	if err != nil {
		return Image{}, err
	}
	size.Height, size.Width, size.Pixels = m.Height, m.Width, m.Pixels
	return size, nil
}

// reduction is by how much Draft reduces an image of the given size: by the largest of 8, 4 and 2 that leaves it no
// smaller than it is resized to, else not at all. Like Image.draft of Pillow, it divides whole pixels and rounds down.
func (p Preprocess) reduction(size Image) int {
	size = p.developed(size)
	g, err := p.plan(size)
	if err != nil || len(p.Resize) == 0 {
		return 1
	}
	if g.square > 0 {
		size.Height, size.Width = g.square, g.square
	}
	for _, by := range []int{8, 4, 2} {
		if min(size.Height/g.height, size.Width/g.width) >= by {
			return by
		}
	}
	return 1
}
