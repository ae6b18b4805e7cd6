package datasets

import "fmt"

// Image is one decoded sample: 8-bit pixels, height × width × channels interleaved, rows from the top. Channels is 1
// (gray) or 3 (colour; red, green, blue unless Preprocess.Pixels was asked for another order).
//
// Images that a Dataset returns may share memory with it and with each other: read them, do not write to them.
type Image struct {
	Height, Width, Channels int
	Pixels                  []uint8 // (Height,Width,Channels)
}

// maxPixels bounds Height × Width of a decoded or resized image, so that a header of a few bytes cannot claim all memory.
const maxPixels = 1 << 27

// checkShape tells what is wrong with the dimensions, if anything.
func (m Image) checkShape() error {
	if m.Height < 1 || m.Width < 1 || m.Height > maxPixels/m.Width {
		return fmt.Errorf("image of %d × %d pixels, expected 1 to %d", m.Height, m.Width, maxPixels)
	}
	if m.Channels != 1 && m.Channels != 3 {
		return fmt.Errorf("image of %d channels, expected 1 or 3", m.Channels)
	}
	return nil
}

// check tells what is wrong with the dimensions or with the number of pixels, if anything.
func (m Image) check() error {
	if err := m.checkShape(); err != nil {
		return err
	}
	if want := m.Height * m.Width * m.Channels; len(m.Pixels) != want {
		return fmt.Errorf("image of %d × %d × %d with %d bytes, expected %d",
			m.Height, m.Width, m.Channels, len(m.Pixels), want)
	}
	return nil
}
