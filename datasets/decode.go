package datasets

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"io"
	"path"
	"slices"
	"strings"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"

	"rkd/datasets/internal/jpeg"
)

// ErrDecode reports a sample that is no readable image. Only the content is at fault: a file that cannot be opened or
// read is reported with the error of the file system instead, so that skipping bad images never hides a failing disk.
var ErrDecode = errors.New("decoding image")

// imageExtensions are those of the files that a folder takes for images. What a file is, its content says.
var imageExtensions = []string{
	".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff",
}

// isImageName reports whether a folder takes the file for an image, by its extension in any case.
func isImageName(name string) bool {
	return slices.Contains(imageExtensions, strings.ToLower(path.Ext(name)))
}

// format is a kind of image file.
type format struct {
	name string
	// is tells the format by the first bytes of a file, twelve of them if it has as many.
	is func(start []byte) bool
	// config reads the dimensions out of the start of a file.
	config func(data []byte) (image.Config, error)
	read   func(data []byte) (Image, error)
	// memory bounds what read takes, the picture that it returns among it, by the start of a file that config reads.
	memory func(c image.Config, data []byte) int64
	// version names the pixels that reading a file gives, where they are others than when caches were first made; caches
	// name it. It is empty where they have never changed.
	version func(data []byte) string
	// former are earlier versions, in the order of version's results; "" is the first.
	former []string
}

func prefix(magic ...string) func([]byte) bool {
	return func(start []byte) bool {
		return slices.ContainsFunc(magic, func(m string) bool { return bytes.HasPrefix(start, []byte(m)) })
	}
}

// reading adapts a function of an io.Reader to bytes.
func reading(config func(io.Reader) (image.Config, error)) func([]byte) (image.Config, error) {
	return func(data []byte) (image.Config, error) { return config(bytes.NewReader(data)) }
}

// perPixel is the memory of a decoder by the pixels of the picture. Of WebP, the planes or a canvas, and the
// interpolated rows; of GIF, the picture of Go's decoder and ours.
func perPixel(bytes int64) func(image.Config, []byte) int64 {
	return func(c image.Config, _ []byte) int64 { return bytes * int64(c.Height) * int64(c.Width) }
}

// goMemory is Go's picture and ours: for each pixel 4 bytes and 4, or of 16-bit channels 8 and 12.
func goMemory(c image.Config, _ []byte) int64 {
	switch c.ColorModel {
	case color.Gray16Model, color.RGBA64Model, color.NRGBA64Model:
		return perPixel(20)(c, nil)
	}
	return perPixel(8)(c, nil)
}

// pngMemory is goMemory and, of an interlaced file, its passes.
func pngMemory(c image.Config, data []byte) int64 {
	const interlace = 28 // where the header, which comes first, has it
	bytes := goMemory(c, nil)
	if len(data) > interlace && data[interlace] != 0 {
		bytes += bytes / 2
	}
	return bytes
}

// jpegMemory is what the decoder says: of a progressive picture, the coefficients of all of it.
func jpegMemory(c image.Config, data []byte) int64 {
	said, err := jpeg.DecodeConfig(data)
	if err != nil {
		return perPixel(24)(c, nil)
	}
	return said.Memory
}

func always(version string) func([]byte) string { return func([]byte) string { return version } }

var formats = []format{
	{"PNG", prefix("\x89PNG\r\n\x1a\n"), reading(png.DecodeConfig), readPNG, pngMemory, versionPNG, []string{""}},
	{"JPEG", prefix("\xff\xd8"), configJPEG, readJPEG, jpegMemory, always(jpeg.Version), []string{""}},
	{
		"WebP", func(b []byte) bool { return len(b) >= 12 && string(b[:4]) == "RIFF" && string(b[8:12]) == "WEBP" },
		reading(webp.DecodeConfig), readWebP, perPixel(16), always(""), nil,
	},
	{"GIF", prefix("GIF87a", "GIF89a"), reading(gif.DecodeConfig), readGIF, perPixel(8), always(""), nil},
	{"BMP", prefix("BM"), reading(bmp.DecodeConfig), readBMP, goMemory, always(""), nil},
	{"TIFF", prefix("II*\x00", "MM\x00*"), reading(tiff.DecodeConfig), readTIFF, goMemory, always(""), nil},
}

// formatOf tells the format of a file by its first bytes. The error says what they are.
func formatOf(start []byte) (format, error) {
	for _, f := range formats {
		if f.is(start) {
			return f, nil
		}
	}
	if len(start) == 0 {
		return format{}, errors.New("empty file, expected an image")
	}
	return format{}, fmt.Errorf("content starts with %q, expected PNG, JPEG, WebP, GIF, BMP or TIFF",
		start[:min(8, len(start))])
}

// decode reads an image, its format told by content. Of a file with several pictures it is the first.
//
// Gray files, of any depth, give one channel, with alpha beside it or not; everything else gives three, palettes of
// grays included. The pixels are those of PIL.Image.convert("RGB"), or its gray: transparency is dropped, but kept
// beside them (see Preprocess.Develop), as are 16-bit values and the orientation. Colour profiles are ignored.
func decode(data []byte) (Image, error) {
	f, err := formatOf(data)
	if err != nil {
		return Image{}, err
	}
	c, err := f.config(data)
	if err != nil {
		return Image{}, f.explain(err)
	}
	// Before the decoder allocates what the header claims.
	if err := (Image{Height: c.Height, Width: c.Width, Channels: 1}).checkShape(); err != nil {
		return Image{}, err
	}
	img, err := f.read(data)
	if err != nil {
		return Image{}, f.explain(err)
	}
	return img, nil
}

// channelsOf is the number of channels, 1 or 3, that decoding a file will give; 0 where its header does not say.
func channelsOf(data []byte) int {
	f, err := formatOf(data)
	if err != nil {
		return 0
	}
	switch f.name {
	case "PNG":
		if len(data) <= pngColorType {
			return 0
		}
		if kind := data[pngColorType]; kind == pngGray || kind == pngGrayAlpha {
			return 1
		}
	case "JPEG":
		c, err := jpeg.DecodeConfig(data)
		if err != nil {
			return 0
		}
		return c.Channels
	default:
		c, err := f.config(data)
		if err != nil {
			return 0
		}
		if c.ColorModel == color.GrayModel || c.ColorModel == color.Gray16Model {
			return 1
		}
	}
	return 3
}

// header reads the dimensions of an image, and what its decoder takes, out of the start of its file, as much of it as
// that takes.
func header(r io.Reader) (c image.Config, decoder int64, err error) {
	var data []byte
	for size := 1 << 16; ; size *= 2 {
		more := make([]byte, size-len(data))
		n, end := io.ReadFull(r, more)
		data = append(data, more[:n]...)
		f, err := formatOf(data)
		if err != nil {
			return image.Config{}, 0, err
		}
		c, err = f.config(data)
		if err == nil {
			return c, f.memory(c, data), nil
		}
		if end != nil {
			return c, 0, f.explain(err)
		}
	}
}

// explain names the format in a decoder's error, and says so if the file is truncated.
func (f format) explain(err error) error {
	if errors.Is(err, jpeg.ErrTruncated) || errors.Is(err, jpeg.ErrFormat) || errors.Is(err, jpeg.ErrUnsupported) {
		return err // says both
	}
	short := strings.Contains(err.Error(), "not enough") // image/gif and image/png have no error of their own for it
	if short || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, errShort) {
		return fmt.Errorf("truncated %s: %w", f.name, err)
	}
	return fmt.Errorf("%s: %w", f.name, err)
}

// errShort reports a file that ends before its picture does.
var errShort = errors.New("the file ends before the picture does")

// pixelsVersion is hashed into the fingerprint of a file before its bytes, so that a cache is made anew when the
// decoder gives other pixels. It is empty for content whose pixels have never changed, so that its caches stay valid.
func pixelsVersion(data []byte) string {
	f, err := formatOf(data)
	if err != nil {
		return ""
	}
	return f.version(data)
}

// contentSum is the SHA-256 of a file's bytes, behind the version of their pixels where that is not the first.
func contentSum(data []byte) [sha256.Size]byte { return sumOf(data, pixelsVersion(data)) }

func sumOf(data []byte, version string) [sha256.Size]byte {
	if version == "" {
		return sha256.Sum256(data)
	}
	h := sha256.New()
	fmt.Fprintf(h, "pixels of %s\n", version)
	h.Write(data)
	return [sha256.Size]byte(h.Sum(nil))
}

func configJPEG(data []byte) (image.Config, error) {
	c, err := jpeg.DecodeConfig(data)
	return image.Config{Height: c.Height, Width: c.Width}, err
}

func readJPEG(data []byte) (Image, error) {
	c, err := jpeg.DecodeConfig(data)
	if err != nil {
		return Image{}, err
	}
	m, err := jpeg.Decode(data, jpeg.Options{})
	if err != nil {
		return Image{}, err
	}
	return Image{
		Height: m.Height, Width: m.Width, Channels: m.Channels, Pixels: m.Pixels, Orientation: exifOrientation(c.EXIF),
	}, nil
}

func readBMP(data []byte) (Image, error) {
	m, err := bmp.Decode(bytes.NewReader(data))
	if err != nil {
		return Image{}, err
	}
	return convert(m), nil
}

func readTIFF(data []byte) (Image, error) {
	m, err := tiff.Decode(bytes.NewReader(data))
	if err != nil {
		return Image{}, err
	}
	img := convert(m)
	img.Orientation = exifOrientation(data)
	return img, nil
}
