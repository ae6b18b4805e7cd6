package datasets

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// written is what testdata/sources.py wrote into the files of other libraries.
type written struct {
	Pixels  []string    `json:"pixels"` // SHA-256 of the pictures' pixels
	Labels  []string    `json:"labels"`
	Vectors [][]float32 `json:"vectors"`
	Groups  []int       `json:"groups"`
}

const sourcesDir = "testdata/sources"

func readWritten(t *testing.T) (w written) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(sourcesDir, "sources.json"))
	if err == nil {
		err = json.Unmarshal(data, &w)
	}
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// described is a data set as a test compares it.
type described struct {
	Classes []string
	Labels  []string // names; "-" without
	Pixels  []string
}

func describeData(t *testing.T, d Dataset) described {
	t.Helper()
	got := described{Classes: d.Classes()}
	for i := range d.Len() {
		s := d.Sample(i)
		if s.ID != d.ID(i) || s.Label != d.Label(i) || s.Class != ClassName(d.Classes(), d.Label(i)) {
			t.Errorf("sample %d is %+v, expected the data set's id, label and class", i, s)
		}
		label := s.Class
		if s.Label == NoLabel {
			label = "-"
		}
		got.Labels = append(got.Labels, label)
		picture, err := s.picture()
		if err != nil {
			t.Fatal(err)
		}
		err = picture.Image(t.Context(), func(m Image) error {
			sum := sha256.Sum256(m.Pixels)
			got.Pixels = append(got.Pixels, hex.EncodeToString(sum[:]))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return got
}

func openSource(t *testing.T, src Source) Dataset {
	t.Helper()
	d, err := Open(t.Context(), src, Resources{})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Ledger().Balance(); err != nil {
		t.Error(err)
	}
	return d
}

// Every source reads what its own ecosystem wrote.
func TestSourcesReadPicturesOfOtherLibraries(t *testing.T) {
	w := readWritten(t)
	hub, sorted := []string{"newt", "hen", "kite"}, []string{"hen", "kite", "newt"}
	some := slices.Clone(w.Labels)
	some[3] = "-"
	numbers := make([]string, len(w.Labels))
	for i, label := range w.Labels {
		numbers[i] = map[string]string{"newt": "0", "hen": "1", "kite": "2"}[label]
	}
	none := slices.Repeat([]string{"-"}, 8)
	in := func(name string) Patterns { return Patterns{filepath.Join(sourcesDir, name)} }
	for name, tt := range map[string]struct {
		source Source
		want   described
	}{
		"Hugging Face datasets, a split of a folder": {
			Source{Kind: "parquet", Dir: sourcesDir + "/hub", Split: "train"}, described{hub, w.Labels, w.Pixels},
		},
		"Hugging Face datasets, a pattern": {
			Source{Kind: "parquet", Files: in("hub/data/train-{00000..00001}-of-00002.parquet")},
			described{hub, w.Labels, w.Pixels},
		},
		"Hugging Face datasets, hidden labels": {
			Source{Kind: "parquet", Dir: sourcesDir + "/hub", Split: "test"},
			described{hub, []string{"-", "-", "hen"}, w.Pixels[:3]},
		},
		"pandas, structs": {
			Source{Kind: "parquet", Files: in("pandas.parquet"), Columns: Columns{Image: "picture"}},
			described{sorted, some, w.Pixels},
		},
		"pandas, bytes": {
			Source{Kind: "parquet", Files: in("pandas.parquet"), Columns: Columns{Image: "raw", Label: "species"}},
			described{sorted, some, w.Pixels},
		},
		"pandas, without labels": {
			Source{Kind: "parquet", Files: in("pandas.parquet"), Columns: Columns{Image: "raw"}, Labels: "none"},
			described{nil, none, w.Pixels},
		},
		"pandas, CSV": {
			Source{Kind: "csv", Files: in("csv/labels.csv")}, described{sorted, some, w.Pixels},
		},
		"pandas, CSV of one split": {
			Source{Kind: "csv", Files: in("csv/labels.csv"), Split: "test", Dir: sourcesDir + "/csv"},
			described{[]string{"newt"}, w.Labels[6:], w.Pixels[6:]},
		},
		"webdataset, numbers": {
			Source{Kind: "webdataset", Files: in("wds-{000000..000001}.tar")},
			described{[]string{"0", "1", "2"}, numbers, w.Pixels},
		},
		"webdataset, a folder": {
			Source{Kind: "webdataset", Dir: sourcesDir, Split: "wds"}, described{[]string{"0", "1", "2"}, numbers, w.Pixels},
		},
		"webdataset, JSON": {
			Source{Kind: "webdataset", Files: in("json.tar")}, described{sorted, some, w.Pixels},
		},
		"webdataset, a field of JSON": {
			Source{Kind: "webdataset", Files: in("json.tar"), Columns: Columns{Label: "width"}},
			described{[]string{"0", "1", "2", "3", "4", "5", "6", "7", "8"}, slices.Repeat([]string{"8"}, 8), w.Pixels},
		},
		"files of a flat folder": {
			Source{Kind: "files", Dir: sourcesDir + "/csv"}, described{nil, none, w.Pixels},
		},
		"files of patterns": {
			Source{Kind: "files", Files: in("csv/*[0-3].png")}, described{nil, none[:4], w.Pixels[:4]},
		},
		"a folder without labels": {
			Source{Kind: "folder", Dir: sourcesDir + "/csv", Labels: "none"}, described{nil, none, w.Pixels},
		},
		"classes by pattern": {
			Source{Kind: "parquet", Dir: sourcesDir + "/hub", Split: "train", Classes: []string{"[hk]*"}},
			described{hub, []string{"hen", "kite", "hen", "kite"}, []string{w.Pixels[1], w.Pixels[2], w.Pixels[4], w.Pixels[5]}},
		},
		"large classes": {
			Source{Kind: "parquet", Dir: sourcesDir + "/hub", Split: "train", MinPerClass: 3},
			described{
				hub,
				[]string{"newt", "newt", "newt", "newt"},
				[]string{w.Pixels[0], w.Pixels[3], w.Pixels[6], w.Pixels[7]},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := openSource(t, tt.source)
			if diff := cmp.Diff(tt.want, describeData(t, d)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			again := openSource(t, tt.source)
			if again.Fingerprint() != d.Fingerprint() || d.Fingerprint() == "" {
				t.Errorf("fingerprints are %q and %q", d.Fingerprint(), again.Fingerprint())
			}
			last := d.Len() - 1
			known, err := Open(t.Context(), tt.source,
				Resources{Sums: map[string][sha256.Size]byte{d.Rel(last): d.Sum(last)}})
			if err != nil || known.Len() != 1 || known.ID(0) != d.ID(last) || known.Sum(0) != d.Sum(last) {
				t.Errorf("with the sum of the last sample it has %v (%v)", known, err)
			}
		})
	}
}

// A picture has one content sum, wherever it lies: rows of a cache serve all its containers.
func TestContentOfAPictureIsThatOfItsContainers(t *testing.T) {
	folder := openSource(t, Source{Kind: "files", Dir: sourcesDir + "/csv"})
	for name, src := range map[string]Source{
		"parquet":    {Kind: "parquet", Dir: sourcesDir + "/hub", Split: "train"},
		"webdataset": {Kind: "webdataset", Dir: sourcesDir, Split: "wds"},
	} {
		d := openSource(t, src)
		for i := range d.Len() {
			if d.Sum(i) != folder.Sum(i) {
				t.Errorf("%s: sample %d has another sum than its file", name, i)
			}
		}
	}
}

func TestSourcesReadVectorsOfOtherLibraries(t *testing.T) {
	w := readWritten(t)
	in := func(names ...string) (p Patterns) {
		for _, name := range names {
			p = append(p, filepath.Join(sourcesDir, name))
		}
		return p
	}
	numbers, names, missing, none := []string{}, []string{}, []string{}, []string{}
	for _, g := range w.Groups {
		numbers = append(numbers, string(rune('0'+g)))
		names = append(names, []string{"a", "bb", "c", "d"}[g])
		missing = append(missing, []string{"", "group 1", "group 2", "group 3"}[g])
		none = append(none, "")
	}
	for name, tt := range map[string]struct {
		source Source
		labels []string
	}{
		"NPY": {
			Source{Kind: "vectors", Files: in("vectors.npy"), Labels: filepath.Join(sourcesDir, "labels.npy")}, numbers,
		},
		"NPY without labels": {Source{Kind: "vectors", Files: in("vectors.npy"), Labels: "none"}, none},
		"NPZ": {
			Source{Kind: "vectors", Files: in("vectors.npz"), Columns: Columns{Vector: "x", Label: "y"}}, numbers,
		},
		"NPZ, compressed, by usual names": {Source{Kind: "vectors", Files: in("names.npz")}, names},
		"Parquet, lists":                  {Source{Kind: "vectors", Files: in("vectors.parquet")}, numbers},
		"Parquet, missing names": {
			Source{Kind: "vectors", Files: in("vectors.parquet"), Columns: Columns{Label: "name", Vector: "embedding"}}, missing,
		},
		"Parquet, columns of numbers": {Source{Kind: "vectors", Files: in("columns.parquet")}, numbers},
		"Parquet, named columns": {
			Source{
				Kind: "vectors", Files: in("columns.parquet"),
				Columns: Columns{Features: []string{"f0", "f1", "f2", "f3", "f4"}, Label: "target"},
			},
			numbers,
		},
		"two files": {
			Source{Kind: "vectors", Files: in("vectors.npz", "vectors.npy"), Labels: "none"}, slices.Concat(none, none),
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := openSource(t, tt.source)
			if d.Len() != len(tt.labels) {
				t.Fatalf("%d vectors, expected %d", d.Len(), len(tt.labels))
			}
			transform := NewNumbers(5)
			for i, want := range tt.labels {
				b, err := Gather(t.Context(), transform, 1, d.Sample(i))
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(b.Values.Float32, w.Vectors[i%16]) || d.Sample(i).Class != want {
					t.Errorf("vector %d is %v of class %q, expected %v of %q", i, b.Values.Float32, d.Sample(i).Class,
						w.Vectors[i%16], want)
				}
			}
		})
	}
}

// tarOf writes a tar file of members in order.
func tarOf(t *testing.T, members ...string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for i := 0; i < len(members); i += 2 {
		err := w.WriteHeader(&tar.Header{Name: members[i], Mode: 0o644, Size: int64(len(members[i+1]))})
		if err == nil {
			_, err = w.Write([]byte(members[i+1]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func zipOf(t *testing.T, name string, data []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	f, err := w.Create(name)
	if err == nil {
		_, err = f.Write(data)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// An archive has a checksum of each array, so that a flipped number is not taken for a vector.
func TestAFlippedNumberOfAnArchive(t *testing.T) {
	whole, err := os.ReadFile(filepath.Join("testdata", "sources", "vectors.npz"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "vectors.npz")
	src := Source{Kind: "vectors", Files: []string{path}, Columns: Columns{Vector: "x", Label: "y"}}
	at := bytes.Index(whole, []byte("NUMPY")) + 200 // behind the header
	damaged := bytes.Clone(whole)
	damaged[at] ^= 1
	for _, test := range []struct {
		data []byte
		want error
	}{{whole, nil}, {damaged, ErrFormat}} {
		if err := os.WriteFile(path, test.data, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, _, err := readNPZ(path, src); !errors.Is(err, test.want) {
			t.Errorf("got %v, expected %v", err, test.want)
		}
	}
}
