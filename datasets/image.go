package datasets

import "fmt"

// Image is one decoded picture: 8-bit pixels, height × width × channels interleaved, rows from the top. Channels is 1
// (gray) or 3 (colour; red, green, blue unless Preprocess.Pixels was asked for another order).
//
// The other fields hold what a file carries beside them; Preprocess says what becomes of it (see Preprocess.Develop).
//
// Images that a Picture gives may share memory with it and with each other: read them, do not write to them.
type Image struct {
	Height, Width, Channels int
	Pixels                  []uint8 // (Height,Width,Channels); of 16-bit channels the upper 8

	Alpha       []uint8     // (Height,Width) opacity, 255 is opaque; nil where the file has none
	Deep        []uint16    // (Height,Width,Channels) of a file with 16-bit channels; nil otherwise
	Orientation Orientation // how the file wants its pixels turned
	AmongColor  bool        // some pictures of the data set have colour, and some do not
}

// maxPixels bounds Height × Width of a decoded or resized image, so that a header of a few bytes cannot claim all
// memory.
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
	if n := len(m.Alpha); n != 0 && n != m.Height*m.Width {
		return fmt.Errorf("image of %d × %d with %d values of alpha, expected %d", m.Height, m.Width, n, m.Height*m.Width)
	}
	if n := len(m.Deep); n != 0 && n != len(m.Pixels) {
		return fmt.Errorf("image of %d bytes with %d values of 16 bits, expected as many", len(m.Pixels), n)
	}
	return nil
}

// plain reports whether there is nothing to an image but its 8-bit pixels.
func (m Image) plain() bool {
	return m.Alpha == nil && m.Deep == nil && !m.Orientation.turns() && !m.AmongColor
}

// colored is m with three channels.
func (m Image) colored() Image {
	if m.Channels == 3 {
		return m
	}
	m.Channels = 3
	m.Pixels = triple(m.Pixels)
	if m.Deep != nil {
		m.Deep = triple(m.Deep)
	}
	return m
}

// triple repeats every value three times.
func triple[T any](gray []T) []T {
	out := make([]T, 0, 3*len(gray))
	for _, v := range gray {
		out = append(out, v, v, v)
	}
	return out
}
