package datasets

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"io"
)

// Decoders names the version of the decoder that gave the pixels of a sample when its content had the sum, and the one
// that gives them now. ok is false where that is no reason for another sum: the content itself has changed, or is no
// file.
func Decoders(s Sample, sum [sha256.Size]byte) (was, now string, ok bool) {
	content := s.Content
	if c, among := content.(amongColor); among {
		content = c.Picture
	}
	f, isFile := content.(imageFile)
	if !isFile {
		return "", "", false
	}
	file, size, err := f.bytes.open()
	if err != nil || size > int64(f.budget.limits.DecodeMemory) {
		return "", "", false
	}
	defer file.Close()
	data := make([]byte, size)
	if _, err := io.ReadFull(file, data); err != nil {
		return "", "", false
	}
	return decoders(data, sum)
}

func decoders(data []byte, sum [sha256.Size]byte) (was, now string, ok bool) {
	f, err := formatOf(data)
	if err != nil {
		return "", "", false
	}
	current := f.version(data)
	for _, version := range f.former {
		if version != current && sumOf(data, version) == sum {
			return decoderName(f, version), decoderName(f, current), true
		}
	}
	return "", "", false
}

func decoderName(f format, version string) string {
	return cmp.Or(version, fmt.Sprintf("%s 1", f.name))
}
