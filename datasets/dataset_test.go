package datasets

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func openSampleOf(t testing.TB, src Source) Dataset {
	t.Helper()
	src.Kind = "sample"
	d, err := Open(t.Context(), src, Resources{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestFilters(t *testing.T) {
	all := openSampleOf(t, Source{Split: "train"})
	for _, tt := range []struct {
		name   string
		src    Source
		counts map[string]int
	}{
		{
			"nothing",
			Source{},
			map[string]int{
				"0": 50, "1": 50, "2": 50, "3": 50, "4": 50, "5": 50, "6": 50, "7": 50, "8": 50, "9": 50,
			},
		},
		{"classes", Source{Classes: []string{"7", "2"}}, map[string]int{"2": 50, "7": 50}},
		{
			"limit is balanced",
			Source{Classes: []string{"5", "1", "3"}, Limit: 8},
			map[string]int{"1": 3, "3": 3, "5": 2},
		},
		{"limit below the number of classes", Source{Limit: 3}, map[string]int{"0": 1, "1": 1, "2": 1}},
		{"limit above everything", Source{Classes: []string{"9"}, Limit: 1000}, map[string]int{"9": 50}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.src.Split = "train"
			d := openSampleOf(t, tt.src)
			if diff := cmp.Diff(all.Classes(), d.Classes()); diff != "" {
				t.Errorf("classes were renumbered (-source +filtered):\n%s", diff)
			}
			counts := make(map[string]int)
			for i := range d.Len() {
				counts[d.Classes()[d.Label(i)]]++
				if i > 0 && d.ID(i) <= d.ID(i-1) {
					t.Fatalf("id %d after %d", d.ID(i), d.ID(i-1))
				}
				id := int(d.ID(i)) // the source is unfiltered, so there id and position are one
				a, errA := imageOf(t, all, id)
				b, errB := imageOf(t, d, i)
				if errA != nil || errB != nil || !cmp.Equal(a, b) || all.Label(id) != d.Label(i) || all.Path(id) != d.Path(i) {
					t.Fatalf("sample %d is not sample %d of the source", i, id)
				}
			}
			if diff := cmp.Diff(tt.counts, counts); diff != "" {
				t.Errorf("samples of each class (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLimitTakesTheLowestIDsOfEachClass(t *testing.T) {
	labels := []int32{2, 0, 0, 0, 2, 1, 0, 2}
	for n, want := range map[int][]int{
		1: {1}, 3: {0, 1, 5}, 5: {0, 1, 2, 4, 5}, 7: {0, 1, 2, 3, 4, 5, 7}, 0: {0, 1, 2, 3, 4, 5, 6, 7},
	} {
		if diff := cmp.Diff(want, limit([]int{0, 1, 2, 3, 4, 5, 6, 7}, labels, 3, n)); diff != "" {
			t.Errorf("limit %d (-want +got):\n%s", n, diff)
		}
	}
}

func TestFiltersRefuse(t *testing.T) {
	many := make(map[string][]byte)
	for i := range 20 {
		many[fmt.Sprintf("n%02d/x.png", i)] = dot(t, uint8(i))
	}
	folder := write(t, many)
	gap := write(t, map[string][]byte{
		trainImages: encodeIDX([]int{1, 1, 1}, []uint8{1}), trainLabels: encodeIDX([]int{1}, []uint8{2}),
	})
	for _, tt := range []struct {
		name string
		src  Source
		want string
	}{
		{
			"unknown class",
			Source{Kind: "sample", Split: "test", Classes: []string{"1", "ten"}},
			`classes names "ten", which sample/test does not have, expected one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9`,
		},
		{
			"unknown class of many",
			Source{Kind: "folder", Dir: folder, Classes: []string{"n17x"}},
			"expected one of its 20, such as n17,",
		},
		{
			"class without samples",
			Source{Kind: "idx", Split: "train", Dir: gap, Classes: []string{"0", "1"}},
			"classes [0, 1] keep no sample",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Open(t.Context(), tt.src, Resources{})
			if !errors.Is(err, ErrSource) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, expected ErrSource with %q", err, tt.want)
			}
		})
	}
}

// The fingerprint is part of cache keys: when this value changes, every cache of the sample is refused.
func TestFingerprintOfTheSample(t *testing.T) {
	const want = "feccd7cbf30f9d64e27660c3050a9c877a4a02728b3396e0db5a00959919492b"
	if got := openSampleOf(t, Source{Split: "test"}).Fingerprint(); got != want {
		t.Errorf("%s, expected %s", got, want)
	}
}

func TestFingerprintIsOfTheContent(t *testing.T) {
	pixels, labels := []uint8{1, 2, 3, 4}, []uint8{1, 0}
	idx := func(images, labels []byte, more Source) string {
		t.Helper()
		more.Kind, more.Split, more.Dir = "idx", "train",
			write(t, map[string][]byte{trainImages: images, trainLabels: labels})
		d, err := Open(t.Context(), more, Resources{})
		if err != nil {
			t.Fatal(err)
		}
		return d.Fingerprint()
	}
	folder := func(files map[string][]byte, more Source) string {
		t.Helper()
		more.Kind, more.Dir = "folder", write(t, files)
		d, err := Open(t.Context(), more, Resources{})
		if err != nil {
			t.Fatal(err)
		}
		return d.Fingerprint()
	}
	images, digits := encodeIDX([]int{2, 1, 2}, pixels), encodeIDX([]int{2}, labels)
	base := idx(images, digits, Source{})
	tree := map[string][]byte{"a/1.png": dot(t, 1), "b/2.png": dot(t, 2)}
	treeBase := folder(tree, Source{})

	for name, got := range map[string]string{
		"another place":        idx(images, digits, Source{}),
		"compressed":           idx(compress(t, images), compress(t, digits), Source{}),
		"a filter of all":      idx(images, digits, Source{Classes: []string{"1", "0"}, Limit: 2}),
		"a policy, no content": idx(images, digits, Source{OnError: "skip"}),
	} {
		if got != base {
			t.Errorf("%s changes the fingerprint of an IDX pair", name)
		}
	}
	for name, got := range map[string]string{
		"another place": folder(tree, Source{}),
		"other names of files in the same order": folder(map[string][]byte{
			"a/x.png": dot(t, 1),
			"b/y.jpg": dot(t, 2),
		}, Source{}),
	} {
		if got != treeBase {
			t.Errorf("%s changes the fingerprint of a folder", name)
		}
	}
	seen := map[string]string{base: "the pair", treeBase: "the folder"}
	for name, got := range map[string]string{
		"another pixel": idx(encodeIDX([]int{2, 1, 2}, []uint8{1, 2, 3, 5}), digits, Source{}),
		"another shape": idx(encodeIDX([]int{2, 2, 1}, pixels), digits, Source{}),
		"another label": idx(images, encodeIDX([]int{2}, []uint8{1, 1}), Source{}),
		"a filter":      idx(images, digits, Source{Classes: []string{"0"}}),
		"another image in a folder": folder(map[string][]byte{
			"a/1.png": dot(t, 1), "b/2.png": dot(t, 3),
		}, Source{}),
		"another class name": folder(map[string][]byte{
			"a/1.png": dot(t, 1), "c/2.png": dot(t, 2),
		}, Source{}),
		"one more image in a folder": folder(map[string][]byte{
			"a/1.png": dot(t, 1), "b/2.png": dot(t, 2), "b/3.png": dot(t, 2),
		}, Source{}),
		"a class before the others": folder(map[string][]byte{
			"a/1.png": dot(t, 1), "b/2.png": dot(t, 2),
			"Z/0.png": dot(t, 0),
		},
			Source{Classes: []string{"a", "b"}}),
	} {
		if other, ok := seen[got]; ok {
			t.Errorf("%s has the fingerprint of %s", name, other)
		}
		seen[got] = name
	}
}

func TestImageIsSafeForConcurrentUse(t *testing.T) {
	files := make(map[string][]byte)
	for i := range 8 {
		files[fmt.Sprintf("a/%d.png", i)] = dot(t, uint8(i))
	}
	d, err := Open(t.Context(), Source{Kind: "folder", Dir: write(t, files)}, Resources{})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range d.Len() {
				img, err := imageOf(t, d, i)
				if err != nil || img.Pixels[0] != uint8(i) {
					t.Errorf("sample %d: %v %v", i, img, err)
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkOpenSample(b *testing.B) {
	for b.Loop() {
		openSampleOf(b, Source{Split: "train"})
	}
}

func ExampleOpen() {
	src := Source{Kind: "sample", Split: "train", Classes: []string{"0", "1"}, Limit: 4}
	d, err := Open(context.Background(), src, Resources{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for i := range d.Len() {
		s := d.Sample(i)
		img, err := s.Size(context.Background())
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(s.ID, s.Class, img.Height, img.Width, img.Channels)
	}
	// Output:
	// 1 0 28 28 1
	// 3 1 28 28 1
	// 6 1 28 28 1
	// 21 0 28 28 1
}
