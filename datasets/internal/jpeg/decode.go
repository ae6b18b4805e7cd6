package jpeg

import (
	"errors"
	"fmt"
	"sync"
)

// Version names the pixels that this package gives: it changes whenever one pixel of one picture does.
const Version = "libjpeg-turbo-3.2-islow"

var (
	// ErrTruncated reports data that end before the picture does.
	ErrTruncated = errors.New("truncated JPEG")
	// ErrFormat reports data that break the format in a way that libjpeg does not forgive.
	ErrFormat = errors.New("damaged JPEG")
	// ErrUnsupported reports a kind of JPEG that this package does not decode.
	ErrUnsupported = errors.New("unsupported JPEG")
)

// Config is what the headers of a picture say.
type Config struct {
	Width, Height int    // of the whole picture
	Channels      int    // of the decoded picture: 1 (gray) or 3 (RGB)
	Progressive   bool   // or of several scans: the coefficients of the whole picture are kept while it is decoded
	EXIF          []byte // the TIFF file of the first EXIF segment, part of the data; nil without one
	Memory        int64  // bytes that decoding it whole takes, the pixels among them
}

// Options says how a picture is decoded. The zero value decodes it whole.
type Options struct {
	// Scale is 1 (or 0), 2, 4 or 8: the picture is decoded at a Scale-th of its width and height, rounded up, by inverse
	// DCTs of fewer points, as libjpeg does for scale_denom.
	Scale int
	// Pixels is memory for the result, used if its capacity suffices.
	Pixels []uint8
}

// Image is a decoded picture: rows from the top, channels interleaved.
type Image struct {
	Height, Width, Channels int
	Pixels                  []uint8 // (Height,Width,Channels)
}

// DecodeConfig reads the headers of a picture up to its first scan, and allocates next to nothing. Its errors are those
// of Decode.
func DecodeConfig(data []byte) (Config, error) {
	d := newDecoder(data)
	defer d.release()
	if err := d.readHeader(); err != nil {
		return Config{}, err
	}
	if err := d.plan(1); err != nil {
		return Config{}, err
	}
	return Config{
		Width: d.width, Height: d.height, Channels: d.channels(), Progressive: d.wholePicture(),
		EXIF: d.exif, Memory: d.memory(),
	}, nil
}

// Decode decodes a picture. Gray pictures have one channel, all others are RGB; CMYK becomes RGB as by Pillow's
// convert,
//
//	R = K' − (255 − C')·K'/255 rounded, of the inverted inks C' and K' that Adobe's programs store.
//
// What it allocates grows with Config.Memory, which a caller reads beforehand to hold it against a budget. It is safe
// for concurrent use.
//
// Errors wrap ErrTruncated, ErrFormat or ErrUnsupported. Damage within the entropy-coded data is no error where libjpeg
// warns and goes on: the damaged blocks then have libjpeg's pixels.
func Decode(data []byte, o Options) (Image, error) {
	d := newDecoder(data)
	defer d.release()
	return d.image(o)
}

// image decodes the picture whose data have been set.
func (d *decoder) image(o Options) (Image, error) {
	switch o.Scale {
	case 0:
		o.Scale = 1
	case 1, 2, 4, 8:
	default:
		return Image{}, fmt.Errorf("scale is %d, expected 1, 2, 4 or 8", o.Scale)
	}
	if err := d.readHeader(); err != nil {
		return Image{}, err
	}
	if err := d.plan(o.Scale); err != nil {
		return Image{}, err
	}
	n := d.outWidth * d.outHeight * d.channels()
	if d.out = o.Pixels[:0]; cap(d.out) < n {
		d.out = make([]uint8, n)
	}
	d.out = d.out[:n]
	d.allocate()
	if err := d.decode(); err != nil {
		return Image{}, err
	}
	return Image{Height: d.outHeight, Width: d.outWidth, Channels: d.channels(), Pixels: d.out}, nil
}

// decoder holds one picture while it is decoded. Its memory is used again for the next one.
type decoder struct {
	src source
	header
	frame
	scan
	progress
	out []uint8
}

var decoders = sync.Pool{New: func() any { return new(decoder) }}

func newDecoder(data []byte) *decoder {
	d := decoders.Get().(*decoder)
	d.src.reset(data)
	d.header = newHeader()
	d.scan = scan{tables: d.tables, arith: d.arith}
	return d
}

// release returns the decoder to the pool, without references to the caller's memory.
func (d *decoder) release() {
	d.src.reset(nil)
	d.out = nil
	d.trim()
	decoders.Put(d)
}

// decode reads the scans, the first of which has been announced, and writes the pixels.
func (d *decoder) decode() error {
	if !d.wholePicture() {
		return d.decodeStrips()
	}
	return d.decodeScans()
}

func truncated(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrTruncated, fmt.Sprintf(format, args...))
}

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrFormat, fmt.Sprintf(format, args...))
}

func unsupported(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrUnsupported, fmt.Sprintf(format, args...))
}
