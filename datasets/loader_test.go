package datasets

import (
	"context"
	"errors"
	"fmt"
	"image"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// imageOf decodes sample i of d.
func imageOf(t testing.TB, d Dataset, i int) (img Image, err error) {
	t.Helper()
	p, err := d.Sample(i).picture()
	if err != nil {
		t.Fatal(err)
	}
	err = p.Image(t.Context(), func(m Image) error {
		img = m
		return nil
	})
	return img, err
}

// pictures is the transform of d's images.
func pictures(t *testing.T, d Dataset, p Preprocess, e Elem) *Pictures {
	t.Helper()
	_, size, err := First(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	transform, err := NewPictures(p, e, size)
	if err != nil {
		t.Fatal(err)
	}
	return transform
}

// dots is a folder of n pictures of one gray pixel, the i-th of value i, and of files that are no pictures at the given
// places.
func dots(t *testing.T, n int, broken ...int) string {
	files := make(map[string][]byte)
	for i := range n {
		files[fmt.Sprintf("c/%03d.png", i)] = dot(t, uint8(i))
		if slices.Contains(broken, i) {
			files[fmt.Sprintf("c/%03d.png", i)] = []byte("no picture")
		}
	}
	return write(t, files)
}

func openFolderOf(t *testing.T, dir, onError string) Dataset {
	t.Helper()
	d, err := Open(t.Context(), Source{Kind: "folder", Dir: dir, OnError: onError}, Resources{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// readAll collects rows and values of all batches.
func readAll(ctx context.Context, l *Loader, order iter.Seq[[]int]) (rows []int, values []float32,
	skipped []Skipped, err error,
) {
	for b, err := range l.Batches(ctx, order) {
		if err != nil {
			return rows, values, skipped, err
		}
		rows = append(rows, b.Rows...)
		values = append(values, b.Values.Float32[:b.Len()]...)
		skipped = append(skipped, b.Skipped...)
	}
	return rows, values, skipped, nil
}

func TestLoaderKeepsTheOrderThatIsAskedFor(t *testing.T) {
	d := openFolderOf(t, dots(t, 40), "")
	transform := pictures(t, d, Preprocess{Scale: 1}, Float32)
	backwards := make([]Row, 40)
	for i := range backwards {
		backwards[i].Sample = 39 - i
	}
	order := [][]int{{3, 1, 39}, {1, 1, 2}, {17}, {39, 0, 5, 6, 7, 8}} // the last is longer than a batch
	var want []float32
	for _, row := range slices.Concat(order...) {
		want = append(want, float32(39-row))
	}
	for _, keep := range []Keep{{}, {Memory: 1 << 20}, {Memory: 7, Dir: t.TempDir()}, {Dir: t.TempDir()}, {Memory: 7}} {
		l := NewLoader(d, backwards, transform, LoaderOptions{Batch: 4, Keep: keep})
		for range 3 { // read, then kept
			rows, values, _, err := readAll(t.Context(), l, slices.Values(order))
			if err != nil || !slices.Equal(rows, slices.Concat(order...)) || !slices.Equal(values, want) {
				t.Errorf("keep %+v: rows %v, values %v (%v), expected values %v", keep, rows, values, err, want)
			}
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if keep.Dir != "" {
			if left, err := os.ReadDir(keep.Dir); err != nil || len(left) > 0 {
				t.Errorf("left in the scratch folder: %v (%v)", left, err)
			}
		}
	}
}

// Everything that is kept is read from its source once, however many goroutines want it.
func TestLoaderReadsWhatItKeepsOnce(t *testing.T) {
	dir := dots(t, 30)
	d := openFolderOf(t, dir, "")
	l := NewLoader(d, nil, pictures(t, d, Preprocess{Scale: 1}, Float32), LoaderOptions{
		Batch: 8, Keep: Keep{Memory: 10, Dir: t.TempDir()},
	})
	defer l.Close()
	if got := l.KeptMemory(); got != 10 {
		t.Errorf("%d bytes in memory, expected 10", got)
	}
	if _, _, _, err := readAll(t.Context(), l, l.InOrder(0, 30)); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			_, values, _, err := readAll(t.Context(), l, l.InOrder(0, 30))
			for i, v := range values {
				if v != float32(i) {
					t.Errorf("row %d is %v", i, v)
				}
			}
			if err != nil || len(values) != 30 {
				t.Errorf("%d values (%v), expected 30", len(values), err)
			}
		})
	}
	group.Wait()
}

func TestLoaderWithoutRoomForItsScratchFile(t *testing.T) {
	d := openFolderOf(t, dots(t, 12), "")
	var heard []error
	file := filepath.Join(write(t, map[string][]byte{"file": nil}), "file")
	l := NewLoader(d, nil, pictures(t, d, Preprocess{Scale: 1}, Float32), LoaderOptions{
		Batch: 5, Keep: Keep{Memory: 4, Dir: file, Warn: func(err error) { heard = append(heard, err) }},
	})
	for range 2 {
		_, values, _, err := readAll(t.Context(), l, l.InOrder(0, 12))
		if err != nil || len(values) != 12 || values[11] != 11 {
			t.Errorf("values %v (%v), expected 0 to 11", values, err)
		}
	}
	if len(heard) != 1 || !strings.Contains(heard[0].Error(), file) {
		t.Errorf("heard %v, expected one warning with the folder", heard)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

func TestLoaderSkipsWhatDoesNotDecode(t *testing.T) {
	d := openFolderOf(t, dots(t, 12, 2, 8, 9), "skip")
	l := NewLoader(d, nil, pictures(t, d, Preprocess{Scale: 1}, Float32), LoaderOptions{Batch: 4})
	rows, values, skipped, err := readAll(t.Context(), l, l.InOrder(1, 12))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{1, 3, 4, 5, 6, 7, 10, 11}, rows); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]float32{1, 3, 4, 5, 6, 7, 10, 11}, values); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	for i, want := range []int{2, 8, 9} {
		if len(skipped) != 3 || skipped[i].ID != int64(want) || skipped[i].Path != d.Path(want) ||
			!errors.Is(skipped[i].Reason, ErrDecode) || !strings.Contains(skipped[i].Reason.Error(), d.Path(want)) {
			t.Errorf("skipped %v, expected samples 2, 8 and 9 with path and reason", skipped)
		}
	}
}

func TestLoaderStopsAtWhatMustNotBeSkipped(t *testing.T) {
	for name, test := range map[string]struct {
		onError string
		strict  bool
		rows    int
	}{
		"on_error: fail":      {"", false, 8},
		"strict":              {"skip", true, 8},
		"in the first batch":  {"fail", false, 0},
		"another kind of bad": {"skip", false, 8},
	} {
		t.Run(name, func(t *testing.T) {
			bad := 10
			if test.rows == 0 {
				bad = 1
			}
			dir := dots(t, 12, bad)
			d := openFolderOf(t, dir, test.onError)
			if name == "another kind of bad" {
				if err := os.Remove(d.Path(bad)); err != nil {
					t.Fatal(err)
				}
			}
			l := NewLoader(d, nil, pictures(t, d, Preprocess{Scale: 1}, Float32), LoaderOptions{Batch: 4, Strict: test.strict})
			rows, _, _, err := readAll(t.Context(), l, l.InOrder(0, 12))
			if err == nil || !strings.Contains(err.Error(), d.Path(bad)) || len(rows) != test.rows {
				t.Errorf("%d rows, %v, expected %d and an error with the path", len(rows), err, test.rows)
			}
		})
	}
}

func TestLoaderNamesSamplesOfAnotherShape(t *testing.T) {
	d := openFolderOf(t, write(t, map[string][]byte{
		"a/1.png": dot(t, 1), "a/2.png": encodePNG(t, image.NewGray(image.Rect(0, 0, 2, 1))),
	}), "skip")
	l := NewLoader(d, nil, pictures(t, d, Preprocess{}, Float32), LoaderOptions{Batch: 2})
	_, _, _, err := readAll(t.Context(), l, l.InOrder(0, 2))
	if !errors.Is(err, ErrShape) || !strings.Contains(err.Error(), "2.png: ") ||
		!strings.Contains(err.Error(), "1 × 2 × 1") {
		t.Errorf("%v, expected ErrShape with path and shape", err)
	}
}

// A loop that ends early, by break, by error or by its context, leaves no goroutine behind.
func TestLoaderEndsWithItsLoop(t *testing.T) {
	d := openFolderOf(t, dots(t, 60), "")
	transform := pictures(t, d, Preprocess{Scale: 1}, Float32)
	before := runtime.NumGoroutine()
	for range 20 {
		l := NewLoader(d, nil, transform, LoaderOptions{Batch: 3})
		for _, err := range l.Batches(t.Context(), l.InOrder(0, 60)) {
			if err != nil {
				t.Error(err)
			}
			break
		}
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		var last error
		for _, err := range l.Batches(ctx, l.InOrder(0, 60)) {
			if n++; n == 2 {
				cancel()
			}
			last = err
		}
		cancel()
		if !errors.Is(last, context.Canceled) || n != 3 {
			t.Errorf("%d batches, then %v, expected 2 and context.Canceled", n-1, last)
		}
	}
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines, %d before", after, before)
	}
}

// The two steps of Pictures give the bytes of Preprocess in one.
func TestPicturesEqualsPreprocess(t *testing.T) {
	img := Image{Height: 11, Width: 9, Channels: 3, Pixels: make([]uint8, 297)}
	for i := range img.Pixels {
		img.Pixels[i] = uint8(i * i)
	}
	gray := Image{Height: 11, Width: 9, Channels: 1, Pixels: img.Pixels[:99]}
	views := Views{Flip: true, Shift: 2}
	for _, p := range []Preprocess{
		{},
		{Layout: "NHWC"},
		{Resize: Size{7}, Crop: Size{6, 5}, Color: "rgb", Mean: []float64{0.1, 0.2, 0.3}, Std: []float64{0.5, 0.6, 0.7}},
		{Resize: Size{20, 8}, Color: "bgr", Mean: []float64{0.1, 0.2, 0.3}, Layout: "NHWC"},
		{Color: "gray", Scale: 1, Mean: []float64{3}},
	} {
		for _, img := range []Image{img, gray} {
			if img.Channels == 1 && len(p.Mean) == 3 && p.Color == "" {
				continue
			}
			transform, err := NewPictures(p, Float32, img)
			if err != nil {
				t.Fatal(err)
			}
			transform = transform.WithViews(views, 7, true)
			for view := range int32(3) {
				s := Sample{ID: 5, Content: img}
				want := make([]float32, sizeOf(transform.Shape()))
				if err := p.Apply(views.Apply(p.Develop(img), 7, 5, view), want); err != nil {
					t.Fatal(err)
				}
				compact := make([]byte, transform.CompactBytes())
				if err := transform.Compact(t.Context(), s, view, compact); err != nil {
					t.Fatal(err)
				}
				got := NewValues(Float32, len(want))
				transform.Expand(got, compact)
				if !slices.Equal(got.Float32, want) {
					t.Errorf("%+v, %d channels, view %d: not what Apply gives", p, img.Channels, view)
				}
			}
		}
	}
}

func TestRowsOf(t *testing.T) {
	d := openSampleOf(t, Source{Split: "train", Classes: []string{"3"}})
	rows, err := RowsOf(d, []int64{d.ID(4), d.ID(0)}, []int32{2, 0})
	if diff := cmp.Diff([]Row{{4, 2}, {0, 0}}, rows); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if _, err := RowsOf(d, []int64{d.ID(0) + 1}, []int32{0}); !errors.Is(err, ErrUnknownSample) {
		t.Errorf("%v, expected ErrUnknownSample", err)
	}
}

// BenchmarkExpand is the cost of a kept sample of 3 × 64 × 64.
func BenchmarkExpand(b *testing.B) {
	img := Image{Height: 64, Width: 64, Channels: 3, Pixels: make([]uint8, 3*64*64)}
	transform, err := NewPictures(Preprocess{}, Float32, img)
	if err != nil {
		b.Fatal(err)
	}
	compact, dst := make([]byte, transform.CompactBytes()), NewValues(Float32, transform.CompactBytes())
	b.SetBytes(int64(len(compact)))
	for b.Loop() {
		transform.Expand(dst, compact)
	}
}
