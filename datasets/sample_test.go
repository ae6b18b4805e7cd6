package datasets

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false,
	"renew golden files, and the embedded sample from MNIST in the user's cache folder")

// TestSampleIsTheHeadOfMNIST holds the embedded files to the SHA-256 of their uncompressed content. With -update it
// makes them again from MNIST: the first perClass images of each digit, in file order.
func TestSampleIsTheHeadOfMNIST(t *testing.T) {
	for _, tt := range []struct {
		split, prefix          string
		perClass               int
		imagesSHA, labelsSHA   string
		imagesSize, labelsSize int
	}{
		{
			split: "train", prefix: "train", perClass: 50,
			imagesSHA: "7a74a8ab5f68427a871c362ece24c065db2dd19b84a3d688f01f233255ad9d64", imagesSize: 16 + 500*784,
			labelsSHA: "81ed0a4439aa1dd4d35933225307ffb955fcc201c8633f811480ab3c106c635c", labelsSize: 8 + 500,
		},
		{
			split: "test", prefix: "t10k", perClass: 30,
			imagesSHA: "d158938512f23055a0bbd88a8c846f7fdb6b52c0cc1f0f1b01d5c65de6635f06", imagesSize: 16 + 300*784,
			labelsSHA: "29838defa5a65ce0a1d0ea1acf8f2b11f624552138cbde06881f0e645786b014", labelsSize: 8 + 300,
		},
	} {
		t.Run(tt.split, func(t *testing.T) {
			images, labels := tt.prefix+"-images-idx3-ubyte.gz", tt.prefix+"-labels-idx1-ubyte.gz"
			dir, err := fs.Sub(sampleFiles, "sample")
			if err != nil {
				t.Fatal(err)
			}
			if *update {
				writeSample(t, tt.split, tt.perClass, images, labels)
				dir = os.DirFS("sample")
			}
			for _, f := range []struct {
				name, sha string
				size      int
			}{{images, tt.imagesSHA, tt.imagesSize}, {labels, tt.labelsSHA, tt.labelsSize}} {
				a, err := readIDX(dir, f.name)
				if err != nil {
					t.Fatal(err)
				}
				raw := encodeIDX(a.dims, a.data)
				if sum := sha256.Sum256(raw); hex.EncodeToString(sum[:]) != f.sha || len(raw) != f.size {
					t.Errorf("%s has %d bytes with SHA-256 %x, expected %d with %s", f.name, len(raw), sum, f.size, f.sha)
				}
			}
		})
	}
}

func writeSample(t *testing.T, split string, perClass int, images, labels string) {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	d, err := Open(t.Context(), Source{Kind: "mnist", Split: split}, Resources{CacheDir: filepath.Join(cache, "rkd")})
	if err != nil {
		t.Fatal(err)
	}
	var pixels, digits []uint8
	taken := make([]int, len(d.Classes()))
	for i := range d.Len() {
		label := d.Label(i)
		if taken[label] == perClass {
			continue
		}
		taken[label]++
		img, err := imageOf(t, d, i)
		if err != nil {
			t.Fatal(err)
		}
		pixels, digits = append(pixels, img.Pixels...), append(digits, uint8(label))
	}
	writeGzip(t, filepath.Join("sample", images), encodeIDX([]int{len(digits), 28, 28}, pixels))
	writeGzip(t, filepath.Join("sample", labels), encodeIDX([]int{len(digits)}, digits))
}

// encodeIDX writes an IDX file of unsigned bytes.
func encodeIDX(dims []int, data []uint8) []byte {
	out := []byte{0, 0, idxUint8, byte(len(dims))}
	for _, d := range dims {
		out = binary.BigEndian.AppendUint32(out, uint32(d))
	}
	return append(out, data...)
}

func compress(t testing.TB, data []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w, err := gzip.NewWriterLevel(&buf, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func writeGzip(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, compress(t, data), 0o644); err != nil {
		t.Fatal(err)
	}
}
