package jpeg

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// golden is what Pillow makes of a picture, see testdata/golden.py.
type golden struct {
	Width, Height, Channels int
	SHA256                  string
	Orientation             int
	Error                   string
	Scaled                  map[int]string // by the divisor: width × height and hash
}

func readGolden(t testing.TB) map[string]golden {
	t.Helper()
	data, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Pictures map[string]golden }
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Pictures) < 100 {
		t.Fatalf("%d golden pictures, expected at least 100", len(file.Pictures))
	}
	return file.Pictures
}

func readPicture(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name+".jpg"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// refused are the golden pictures that are not decoded, and why.
var refused = map[string]error{
	"arithmetic":      ErrUnsupported,
	"sampling_321":    ErrUnsupported, // by Pillow, too
	"cut":             ErrTruncated,   // by Pillow, too
	"no_end":          ErrTruncated,   // by Pillow, too
	"progressive_cut": ErrTruncated,   // by Pillow, too
}

func TestPixelsEqualPillow(t *testing.T) {
	for name, want := range readGolden(t) {
		t.Run(name, func(t *testing.T) {
			data := readPicture(t, name)
			img, err := Decode(data, Options{})
			if want := refused[name]; want != nil || err != nil {
				if !errors.Is(err, want) {
					t.Fatalf("error is %v, expected %v", err, want)
				}
				return
			}
			if img.Width != want.Width || img.Height != want.Height || img.Channels != want.Channels {
				t.Fatalf("%d × %d × %d, expected %d × %d × %d", img.Height, img.Width, img.Channels,
					want.Height, want.Width, want.Channels)
			}
			if sum := sha256.Sum256(img.Pixels); hex.EncodeToString(sum[:]) != want.SHA256 {
				t.Error("the pixels differ from Pillow's")
			}
			c, err := DecodeConfig(data)
			if err != nil || c.Width != img.Width || c.Height != img.Height || c.Channels != img.Channels {
				t.Errorf("the configuration is %+v (%v) for %d × %d × %d", c, err, img.Height, img.Width, img.Channels)
			}
			// The tag is the one entry of the EXIF segments of these files.
			if o := want.Orientation; o > 0 && !bytes.ContainsRune(c.EXIF, rune(o)) || o == 0 && c.EXIF != nil {
				t.Errorf("EXIF is %q, expected orientation %d", c.EXIF, o)
			}
		})
	}
}

func TestScaledPixelsEqualLibjpeg(t *testing.T) {
	for name, want := range readGolden(t) {
		for scale, want := range want.Scaled {
			t.Run(fmt.Sprintf("%s/%d", name, scale), func(t *testing.T) {
				img, err := Decode(readPicture(t, name), Options{Scale: scale})
				if err != nil {
					t.Fatal(err)
				}
				if got := fmt.Sprintf("%dx%d %x", img.Width, img.Height, sha256.Sum256(img.Pixels)); got != want {
					t.Errorf("%s, expected %s", got, want)
				}
			})
		}
	}
}

// TestMemory holds what decoding allocates against what the configuration says beforehand.
func TestMemory(t *testing.T) {
	const fixed = 64 << 10 // the decoder itself and its Huffman tables
	for name := range readGolden(t) {
		data := readPicture(t, name)
		c, err := DecodeConfig(data)
		if err != nil {
			continue
		}
		d := &decoder{src: source{data: data}, header: newHeader()}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err = d.image(Options{})
		runtime.ReadMemStats(&after)
		used := int64(after.TotalAlloc - before.TotalAlloc)
		if err == nil && (used > c.Memory+fixed || 2*used < c.Memory) {
			t.Errorf("%s allocates %d bytes, expected about %d, and at most %d besides", name, used, c.Memory, fixed)
		}
	}
}

// TestConcurrentDecoding decodes everything in several goroutines at once, which take decoders from one another.
func TestConcurrentDecoding(t *testing.T) {
	pictures := readGolden(t)
	for i := range 4 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			for name, want := range pictures { // in another order each time
				img, err := Decode(readPicture(t, name), Options{})
				if err != nil {
					continue
				}
				if sum := sha256.Sum256(img.Pixels); hex.EncodeToString(sum[:]) != want.SHA256 {
					t.Errorf("the pixels of %s differ", name)
				}
			}
		})
	}
}
