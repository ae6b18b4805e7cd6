package datasets

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

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
