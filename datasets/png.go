package datasets

import (
	"bytes"
	"encoding/binary"
	"image/png"
)

// readPNG decodes a PNG of any depth. What is gray stays gray, with transparency or without.
func readPNG(data []byte) (Image, error) {
	m, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return Image{}, err
	}
	img := convert(m)
	if kind := data[pngColorType]; img.Channels == 3 && (kind == pngGray || kind == pngGrayAlpha) {
		// The decoder has no gray with transparency, and repeats the value for red, green and blue.
		img.Channels, img.Pixels = 1, everyThird(img.Pixels)
		if img.Deep != nil {
			img.Deep = everyThird(img.Deep)
		}
	}
	for chunk, content := range pngChunks(data) {
		if chunk == "eXIf" {
			img.Orientation = exifOrientation(content)
		}
	}
	return img, nil
}

// pngColorType is the offset of the colour type in the header, which is the first chunk.
const (
	pngColorType = 25

	pngGray      = 0
	pngPalette   = 3
	pngGrayAlpha = 4
	pngRGBAlpha  = 6
)

// versionPNG is empty but for files with transparency, which was laid over black once.
func versionPNG(data []byte) string {
	const dropped = "png 2"
	if len(data) <= pngColorType {
		return ""
	}
	if kind := data[pngColorType]; kind == pngGrayAlpha || kind == pngRGBAlpha {
		return dropped
	}
	for chunk := range pngChunks(data) {
		if chunk == "tRNS" || chunk == "eXIf" {
			return dropped
		}
	}
	return ""
}

// pngChunks yields type and content of the chunks that lie whole within data.
func pngChunks(data []byte) func(yield func(string, []byte) bool) {
	return func(yield func(string, []byte) bool) {
		const signature, frame = 8, 12 // length, type and checksum around the content
		for at := signature; at+frame <= len(data); {
			length := int(binary.BigEndian.Uint32(data[at:]))
			end := at + frame + length
			if end > len(data) || end < at || !yield(string(data[at+4:at+8]), data[at+8:end-4]) {
				return
			}
			at = end
		}
	}
}

// everyThird keeps the first of every three values.
func everyThird[T any](values []T) []T {
	out := make([]T, 0, len(values)/3)
	for i := 0; i < len(values); i += 3 {
		out = append(out, values[i])
	}
	return out
}
