package datasets

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"rkd/datasets/regular"
)

// claim makes a PNG's header say another size, with its checksum right.
func claim(data []byte, width, height uint32) []byte {
	data = bytes.Clone(data)
	header := data[12:29] // type and content of the first chunk
	binary.BigEndian.PutUint32(header[4:], width)
	binary.BigEndian.PutUint32(header[8:], height)
	binary.BigEndian.PutUint32(data[29:], crc32.ChecksumIEEE(header))
	return data
}

func TestPicturesBeyondTheLimitsAreRefused(t *testing.T) {
	tall := encodePNG(t, image.NewGray(image.Rect(0, 0, 10, 100)))
	for _, tt := range []struct {
		name   string
		limits Limits
		data   []byte
		want   string // empty: it is decoded
	}{
		{
			"default, a bomb",
			Limits{},
			claim(dot(t, 1), 1<<14, 1<<14),
			"16384 × 16384 pixels, expected 1 to 89478485 (data.max_pixels)",
		},
		{"default, one row too many", Limits{}, claim(dot(t, 1), 5, 89478485/5+1), "data.max_pixels"},
		{"default, the largest", Limits{}, claim(dot(t, 1), 5, 89478485/5), "not enough pixel data"}, // its decoder is asked
		{"pixels, exactly", Limits{MaxPixels: 1000}, tall, ""},
		{
			"pixels, one too many",
			Limits{MaxPixels: 999},
			tall,
			"image of 100 × 10 pixels, expected 1 to 999 (data.max_pixels)",
		},
		{"memory, exactly", Limits{DecodeMemory: 14000}, tall, ""},
		{
			"memory, one byte too few",
			Limits{DecodeMemory: 13999},
			tall,
			"image of 100 × 10 pixels takes up to 14 KiB to decode, expected at most 14 KiB (data.decode_memory)",
		},
		{"a long file", Limits{DecodeMemory: 50}, tall, "bytes, expected at most 50 (data.decode_memory)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			src := Source{Kind: "folder", Dir: write(t, map[string][]byte{"a/x.png": tt.data}), OnError: "skip"}
			d, err := Open(t.Context(), src, Resources{Budget: NewBudget(tt.limits)})
			if err != nil {
				t.Fatal(err)
			}
			_, err = imageOf(t, d, 0)
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "x.png") {
				t.Errorf("%v, expected %q and the path", err, tt.want)
			}
			if !d.Skips(0, err) {
				t.Errorf("%v: on_error: skip does not skip it", err)
			}
		})
	}
}

// However many pictures are decoded at a time, together they stay within the budget.
func TestDecodersShareTheBudget(t *testing.T) {
	const cost = 14 * 100 // bytes of a picture, and a little for its file
	budget := NewBudget(Limits{DecodeMemory: 3 * cost})
	files := make(map[string][]byte)
	for _, name := range strings.Split("abcdefghijklmnop", "") {
		files["c/"+name+".png"] = encodePNG(t, image.NewGray(image.Rect(0, 0, 10, 10)))
	}
	d, err := Open(t.Context(), Source{Kind: "folder", Dir: write(t, files)}, Resources{Budget: budget})
	if err != nil {
		t.Fatal(err)
	}
	var now, most atomic.Int64
	var group sync.WaitGroup
	for i := range d.Len() {
		group.Go(func() {
			err := d.Sample(i).Content.(Picture).Image(t.Context(), func(Image) error {
				n := now.Add(1)
				defer now.Add(-1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				time.Sleep(time.Millisecond)
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if got := most.Load(); got != 2 { // three pictures and their files are more than three times cost
		t.Errorf("%d pictures at a time, expected 2", got)
	}
	release, err := budget.take(t.Context(), 3*cost)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err = d.Sample(0).Content.(Picture).Image(ctx, func(Image) error { return nil })
	if !errors.Is(err, context.Canceled) || d.Skips(0, err) {
		t.Errorf("%v, expected the end of the context while waiting", err)
	}
}

func TestLimitsOfAConfiguration(t *testing.T) {
	for text, want := range map[string]Limits{
		"{max_pixels: 100, decode_memory: 512 MiB, keep_memory: 2GB}": {
			MaxPixels: 100, DecodeMemory: 512 << 20,
			KeepMemory: 2e9,
		},
		"{keep_memory: 1048576, scratch_dir: /tmp}": {KeepMemory: 1 << 20, ScratchDir: "/tmp"},
	} {
		var got Limits
		if err := yaml.Unmarshal([]byte(text), &got); err != nil || got != want || got.Validate() != nil {
			t.Errorf("%s: %+v (%v, %v), expected %+v", text, got, err, got.Validate(), want)
		}
	}
	for text, want := range map[string]string{
		"{max_pixels: -1}":         "max_pixels is -1, expected 1 to",
		"{max_pixels: 1000000000}": "max_pixels is 1000000000, expected 1 to",
		"{decode_memory: much}": `line 1: size in bytes is "much", ` +
			`expected a number of bytes, or one with a unit`,
		"{decode_memory: -5}":                  `size in bytes is "-5"`,
		"{keep_memory: [1]}":                   "size in bytes is a list of 1",
		"{keep_memory: 9999999999 GiB}":        "size in bytes is",
		"{decode_memory: 9223372036854776000}": "size in bytes is",
	} {
		var got Limits
		err := yaml.Unmarshal([]byte(text), &got)
		if err == nil {
			err = got.Validate()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, expected %q", text, err, want)
		}
	}
}

func TestFilesThatChangeAreNamed(t *testing.T) {
	for name, change := range map[string]func(path string, data []byte) error{
		"another picture": func(path string, _ []byte) error { return os.WriteFile(path, dot(t, 9), 0o644) },
		"one bit": func(path string, data []byte) error {
			data[len(data)-1] ^= 1
			return os.WriteFile(path, data, 0o644)
		},
		"shorter": func(path string, _ []byte) error { return os.Truncate(path, 30) },
		"longer": func(path string, data []byte) error {
			return os.WriteFile(path, append(data, 0), 0o644)
		},
	} {
		t.Run(name, func(t *testing.T) {
			data := dot(t, 1)
			dir := write(t, map[string][]byte{"a/x.png": data})
			d := openFolderOf(t, dir, "skip")
			if err := change(d.Path(0), data); err != nil {
				t.Fatal(err)
			}
			_, err := imageOf(t, d, 0)
			if !errors.Is(err, ErrChanged) && !errors.Is(err, ErrDecode) || !strings.Contains(err.Error(), d.Path(0)) {
				t.Fatalf("%v, expected ErrChanged with the path", err)
			}
			if !errors.Is(err, ErrChanged) || !errors.Is(err, ErrFormat) || d.Skips(0, err) {
				t.Errorf("%v, expected ErrChanged, which is never skipped", err)
			}
		})
	}
}

func TestPipesAndOddNamesAreRefused(t *testing.T) {
	dir := write(t, map[string][]byte{
		"ok/a/1.png": dot(t, 1), "odd/a/1.png": dot(t, 1), "file/a/1.png": dot(t, 1), "piped/a/1.png": dot(t, 1),
		trainImages: encodeIDX([]int{1, 1, 1}, []uint8{1}),
	})
	path := func(parts ...string) string { return filepath.Join(append([]string{dir}, parts...)...) }
	if err := errors.Join(
		syscall.Mkfifo(path("piped/a/2.png"), 0o644), syscall.Mkfifo(path("pipe"), 0o644),
		syscall.Mkfifo(path(trainLabels), 0o644), syscall.Mkfifo(path("pipe.npy"), 0o644),
		os.WriteFile(path("file/a/\xff.png"), dot(t, 2), 0o644), os.Mkdir(path("odd/class\xe9"), 0o755),
	); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		src  Source
		is   error
		want string
	}{
		{"a pipe among images", Source{Kind: "folder", Dir: path("piped")}, regular.ErrNotRegular, `"a/2.png"`},
		{"a pipe as the root", Source{Kind: "folder", Dir: path("pipe")}, ErrFormat, "it is no folder"},
		{"a pipe as labels", Source{Kind: "idx", Dir: dir, Split: "train"}, regular.ErrNotRegular, "is a named pipe"},
		{"a device as images", Source{Kind: "idx", Images: "/dev/zero", Labels: path(trainImages)}, ErrFormat, ""},
		{"a folder that is not UTF-8", Source{Kind: "folder", Dir: path("odd")}, ErrFormat, `"class\xe9" is not UTF-8`},
		{"a file that is not UTF-8", Source{Kind: "folder", Dir: path("file")}, ErrFormat, `"a/\xff.png" is not UTF-8`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Open(t.Context(), tt.src, Resources{})
			if !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, expected %v with %q", err, tt.is, tt.want)
			}
		})
	}
	if _, err := ReadNPY(path("pipe.npy")); !errors.Is(err, regular.ErrNotRegular) {
		t.Errorf("%v, expected ErrNotRegular", err)
	}
	if diff := cmp.Diff(1, openFolderOf(t, path("ok"), "").Len()); diff != "" {
		t.Error(diff)
	}
}
