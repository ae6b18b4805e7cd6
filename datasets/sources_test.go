package datasets

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
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

// Bad input of the sources gets one sentence with file, field, value, what was expected and what to do.
func TestSourcesRefuseBadInput(t *testing.T) {
	hub, err := os.ReadFile(filepath.Join(sourcesDir, "hub/data/train-00000-of-00002.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	png := string(dot(t, 1))
	shard := tarOf(t, "a.png", png, "a.cls", "1", "b.png", png, "b.cls", "2")
	dir := write(t, map[string][]byte{
		"cut.parquet":   hub[:len(hub)-9],
		"empty.parquet": {},
		"text.parquet":  []byte("this is no Parquet file at all"),
		"cut.tar":       shard[:1200],
		"gz.tar":        {0x1f, 0x8b, 8, 0},
		"none.tar":      tarOf(t, "a.txt", "x", "README", "y"),
		"two.tar":       tarOf(t, "a.png", png, "a.jpg", png),
		"json.tar":      tarOf(t, "a.png", png, "a.json", "{"),
		"bare.tar":      tarOf(t, "a.png", png),
		"list.csv":      []byte("path;label\na.png;x\n"),
		"header.csv":    []byte("where,what\na.png,x\n"),
		"ragged.csv":    []byte("path,label\na.png\n"),
		"blank.csv":     []byte(""),
		"nopath.csv":    []byte("path,label\n,x\n"),
		"x.npz":         zipOf(t, "x.npy", []byte("no array")),
		"y.npz":         zipOf(t, "readme", nil),
		"z.npz":         []byte("no archive"),
		"x.txt":         []byte("1 2 3"),
		"notes/a.txt":   []byte("x"),
		"classes.txt":   []byte("\n\n"),
	})
	at := func(name string) Patterns { return Patterns{filepath.Join(dir, name)} }
	for name, tt := range map[string]struct {
		source Source
		is     error
		want   []string
	}{
		"a truncated shard": {
			Source{Kind: "parquet", Files: at("cut.parquet")}, ErrFormat, []string{"cut.parquet", "truncated"},
		},
		"an empty shard": {Source{Kind: "parquet", Files: at("empty.parquet")}, ErrFormat, []string{"0 bytes"}},
		"no Parquet":     {Source{Kind: "parquet", Files: at("text.parquet")}, ErrFormat, []string{"text.parquet", "PAR1"}},
		"no shard":       {Source{Kind: "parquet", Files: at("no.parquet")}, fs.ErrNotExist, []string{"no.parquet"}},
		"an unknown split": {
			Source{Kind: "parquet", Dir: sourcesDir + "/hub", Split: "validation"},
			ErrSource,
			[]string{`split is "validation"`, "test, train"},
		},
		"an unknown image column": {
			Source{Kind: "parquet", Dir: sourcesDir + "/hub", Columns: Columns{Image: "img"}},
			ErrSource,
			[]string{`columns.image is "img"`, "image, label"},
		},
		"several image columns": {
			Source{Kind: "parquet", Files: Patterns{sourcesDir + "/pandas.parquet"}},
			ErrSource,
			[]string{"2 columns", "picture", "raw", "columns.image"},
		},
		"an unknown label column": {
			Source{Kind: "parquet", Dir: sourcesDir + "/hub", Columns: Columns{Label: "lable"}},
			ErrSource,
			[]string{`columns.label is "lable"`, "label"},
		},
		"another kind of file":     {Source{Kind: "vectors", Files: at("x.txt")}, ErrFormat, []string{".txt", ".npy"}},
		"a broken array":           {Source{Kind: "vectors", Files: at("x.npz")}, ErrFormat, []string{`array "x"`, "no arr"}},
		"an archive without array": {Source{Kind: "vectors", Files: at("y.npz")}, ErrFormat, []string{"no array"}},
		"no archive":               {Source{Kind: "vectors", Files: at("z.npz")}, ErrFormat, []string{"z.npz"}},
		"vectors without labels": {
			Source{Kind: "vectors", Files: Patterns{sourcesDir + "/vectors.npy"}}, ErrSource, []string{"labels: none"},
		},
		"labels of others": {
			Source{
				Kind: "vectors", Files: Patterns{sourcesDir + "/vectors.npy", sourcesDir + "/vectors.npz"},
				Labels: sourcesDir +
					"/labels.npy",
			},
			ErrFormat,
			[]string{"16", "32 rows"},
		},
		"an unknown array": {
			Source{Kind: "vectors", Files: Patterns{sourcesDir + "/vectors.npz"}, Columns: Columns{Vector: "X"}},
			ErrSource,
			[]string{`columns.vector is "X"`, "x, y"},
		},
		"a truncated archive":  {Source{Kind: "webdataset", Files: at("cut.tar")}, ErrFormat, []string{"cut.tar"}},
		"a compressed archive": {Source{Kind: "webdataset", Files: at("gz.tar")}, ErrFormat, []string{"gunzip"}},
		"an archive of texts":  {Source{Kind: "webdataset", Files: at("none.tar")}, ErrFormat, []string{"no picture"}},
		"two pictures":         {Source{Kind: "webdataset", Files: at("two.tar")}, ErrFormat, []string{"a.png", "a.jpg"}},
		"broken JSON":          {Source{Kind: "webdataset", Files: at("json.tar")}, ErrFormat, []string{"a.json"}},
		"no label": {Source{Kind: "webdataset", Files: at("bare.tar")}, ErrSource, []string{
			"cls",
			"labels: none",
		}},
		"a list of what is not there": {
			Source{Kind: "csv", Files: at("list.csv")}, fs.ErrNotExist, []string{"a.png"},
		},
		"a list without known columns": {
			Source{Kind: "csv", Files: at("header.csv")}, ErrSource, []string{"columns.path", "where, what"},
		},
		"a ragged list":      {Source{Kind: "csv", Files: at("ragged.csv")}, ErrFormat, []string{"ragged.csv", "line 2"}},
		"an empty list":      {Source{Kind: "csv", Files: at("blank.csv")}, ErrFormat, []string{"no header"}},
		"a row without path": {Source{Kind: "csv", Files: at("nopath.csv")}, ErrFormat, []string{"row 1", `"path"`}},
		"a split of no row": {
			Source{Kind: "csv", Files: Patterns{sourcesDir + "/csv/labels.csv"}, Split: "val"}, ErrSource, []string{`"val"`},
		},
		"files that are no pictures": {Source{Kind: "files", Dir: filepath.Join(dir, "notes")}, ErrFormat, []string{".png"}},
		"a range that falls": {
			Source{Kind: "webdataset", Files: Patterns{"x-{9..1}.tar"}}, ErrSource, []string{"{9..1}"},
		},
		"a list of no classes": {
			Source{Kind: "folder", Dir: sourcesDir, ClassesFile: filepath.Join(dir, "classes.txt")},
			ErrSource,
			[]string{"classes.txt", "one a line"},
		},
		"a pattern of no class": {
			Source{Kind: "folder", Dir: sourcesDir, Classes: []string{"Greek/*"}}, ErrSource, []string{`"Greek/*"`, "csv"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(t.Context(), tt.source, Resources{})
			if !errors.Is(err, tt.is) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("%v, expected one line of %v", err, tt.is)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v, expected %q in it", err, want)
				}
			}
		})
	}
}

// What changes while it is read is told by its content.
func TestSourcesNameWhatHasChanged(t *testing.T) {
	dir := write(t, map[string][]byte{"x.tar": tarOf(t, "a.png", string(dot(t, 1)), "a.cls", "1")})
	d := openSource(t, Source{Kind: "webdataset", Dir: dir})
	if err := os.WriteFile(filepath.Join(dir, "x.tar"), tarOf(t, "a.png", string(dot(t, 2)), "a.cls", "1"),
		0o644); err != nil {
		t.Fatal(err)
	}
	_, err := d.Sample(0).Size(context.Background())
	if !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), "x.tar#a.png") {
		t.Errorf("%v, expected ErrChanged with the shard and the member", err)
	}
}

func TestLedgerCountsWhatIsNoSample(t *testing.T) {
	dir := write(t, map[string][]byte{
		"a/1.png": dot(t, 1), "a/2.png": dot(t, 1), "b/3.png": dot(t, 3), "b/4.png": dot(t, 4), "c/5.png": dot(t, 5),
		"a/notes.txt": nil, "b/.DS_Store": nil, "b/Makefile": nil, "c/more.TXT": nil,
	})
	d := openSource(t, Source{Kind: "folder", Dir: dir, Classes: []string{"a", "b"}, Limit: 3, OnDuplicate: "drop"})
	want := Ledger{
		Found: 9, Taken: 2, Duplicates: 1, Ignored: map[string]int{".txt": 2, "hidden": 1, "no extension": 1},
		LeftOut: map[string]int{"classes": 1, "limit": 1},
	}
	if diff := cmp.Diff(want, d.Ledger()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	want.Found++
	if err := want.Balance(); !errors.Is(err, ErrFormat) {
		t.Errorf("%v, expected a ledger that does not balance", err)
	}
}

func FuzzTarIndex(f *testing.F) {
	f.Add([]byte("not a tar file"))
	data, err := os.ReadFile(filepath.Join(sourcesDir, "json.tar"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "x.tar")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		x := new(tarIndex)
		if err := x.add(t.Context(), path, "x.tar"); err != nil && !errors.Is(err, ErrFormat) {
			t.Errorf("%v, expected ErrFormat", err)
		}
	})
}

func FuzzParquetPictures(f *testing.F) {
	for _, name := range []string{"pandas.parquet", "vectors.parquet"} {
		data, err := os.ReadFile(filepath.Join(sourcesDir, name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "x.parquet")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, src := range []Source{
			{Kind: "parquet", Files: Patterns{path}, Columns: Columns{Image: "raw"}},
			{Kind: "vectors", Files: Patterns{path}},
		} {
			_, err := Open(t.Context(), src, Resources{})
			if err != nil && !errors.Is(err, ErrFormat) && !errors.Is(err, ErrSource) && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%v, expected ErrFormat", err)
			}
		}
	})
}

func FuzzNPYTexts(f *testing.F) {
	data, err := os.ReadFile(filepath.Join(sourcesDir, "labels.npy"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := parseNPYTexts(bytes.NewReader(data), int64(len(data))); err != nil && !errors.Is(err, ErrFormat) {
			t.Errorf("%v, expected ErrFormat", err)
		}
	})
}
