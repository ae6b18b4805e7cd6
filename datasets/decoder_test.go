package datasets

import (
	"crypto/sha256"
	"errors"
	"os"
	"strings"
	"testing"

	"rkd/datasets/internal/jpeg"
)

// A sum by an earlier version of a decoder is told from that of other content.
func TestDecoders(t *testing.T) {
	file := jpegFile(t, "gray.jpg")
	data, err := os.ReadFile(file.path)
	if err != nil {
		t.Fatal(err)
	}
	first := sha256.Sum256(data)
	for _, content := range []Content{file, amongColor{file}} {
		was, now, ok := Decoders(Sample{Content: content}, first)
		if !ok || was != "JPEG 1" || now != jpeg.Version {
			t.Errorf("decoders %q and %q (%v), expected JPEG 1 and %s", was, now, ok, jpeg.Version)
		}
		if _, _, ok := Decoders(Sample{Content: content}, sha256.Sum256([]byte("other"))); ok {
			t.Error("other content is taken for another decoder")
		}
	}
	if _, _, ok := Decoders(Sample{Content: file}, file.sum); ok {
		t.Error("the same sum is taken for another decoder's")
	}
	if _, _, ok := Decoders(Sample{Content: Image{}}, first); ok {
		t.Error("a picture without a file has a decoder")
	}

	file.sum = first
	err = file.Image(t.Context(), func(Image) error { return nil })
	if !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), "decoder JPEG 1, and this is "+jpeg.Version) {
		t.Errorf("error is %v, expected one that names both decoders", err)
	}
}
