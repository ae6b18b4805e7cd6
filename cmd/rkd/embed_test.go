package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"rkd/pipeline"
	"rkd/pipeline/vectors"
)

// neighbours runs "rkd search --json".
func neighbours(t *testing.T, dir string, args ...string) []pipeline.Found {
	t.Helper()
	r := must(t, dir, append([]string{"search", "--json"}, args...)...)
	var found []pipeline.Found
	if err := json.Unmarshal([]byte(r.stdout), &found); err != nil {
		t.Fatal(err)
	}
	return found
}

// A student embeds a folder; the vectors carry paths, and are searched by a path, a picture and a matrix.
func TestEmbedAndSearchAFolder(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	must(t, dir, shortly("run", "--set", "student.preprocess={resize: [28, 28], color: gray, mean: [0.5]}",
		"--set", "student.normalize=l2")...)
	for i, class := range []string{"a", "b", "c"} {
		drawings(t, filepath.Join(dir, "pictures", class), 5*i)
	}
	write(t, filepath.Join(dir, "pictures/b/broken.png"), []byte("no picture"))
	r := must(t, dir, "embed", "runs/sample", "pictures")
	if !strings.Contains(r.stdout, "vectors.parquet: 18 vectors of 16 numbers") || !strings.Contains(r.stderr,
		"broken.png") {
		t.Errorf("embed says\n%s%s", r.stdout, r.stderr)
	}
	v, err := vectors.Read(filepath.Join(dir, "vectors.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	if v.Len() != 18 || v.Paths[0] != "pictures/a/0.png" || v.Classes[17] != "c" || v.Model != sampleStudent ||
		v.Metric != "euclidean" || v.Normalize != "l2" || v.Source != "pictures" {
		t.Errorf("vectors are of %+v", v.About)
	}
	must(t, dir, "embed", sampleStudent, "pictures/b/3.png", "--out", "one.npy")

	byPath := neighbours(t, dir, "vectors.parquet", "pictures/b/3.png", "./pictures/c/0.png", "-k", "3")
	if len(byPath) != 2 || len(byPath[0].Neighbours) != 3 || byPath[0].Neighbours[0].Path == "pictures/b/3.png" {
		t.Errorf("searching by paths finds %+v", byPath)
	}
	for _, q := range [][]string{{"one.npy"}, {"pictures/b/3.png", "--model", "runs/sample"}} {
		found := neighbours(t, dir, append([]string{"vectors.parquet", "-k", "4"}, q...)...)
		if n := found[0].Neighbours; len(found) != 1 || len(n) != 4 || n[0].Path != "pictures/b/3.png" ||
			n[0].Distance > 1e-5 ||
			n[1] != byPath[0].Neighbours[0] {
			t.Errorf("searching by %v finds %+v, expected the picture itself first", q, found)
		}
	}
	write(t, filepath.Join(dir, "new.png"), read(t, filepath.Join(dir, "pictures/a/2.png")))
	if n := neighbours(t, dir, "vectors.parquet", "new.png")[0].Neighbours; n[0].Path != "pictures/a/2.png" ||
		n[0].Class != "a" {
		t.Errorf("a new picture finds %+v", n)
	}
	r = must(t, dir, "search", "vectors.parquet", "new.png", "-k", "2", "--html", "page.html")
	if !strings.Contains(r.stdout, "pictures/a/2.png") || !strings.Contains(r.stdout, "distance") {
		t.Errorf("the table is\n%s", r.stdout)
	}
	if page := string(read(t, filepath.Join(dir, "page.html"))); strings.Count(page, "data:image/jpeg;base64,") != 3 ||
		strings.Contains(page, "http") {
		t.Errorf("the page has %d pictures, expected 3 and no link", strings.Count(page, "data:image/jpeg;base64,"))
	}
}

// The teacher embeds by the run's configuration, and its cache is a gallery.
func TestSearchTheTeachersCache(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	must(t, dir, shortly("run")...)
	must(t, dir, "embed", "runs/sample", "{source: sample, split: train, classes: ['0']}", "--model", "teacher", "--out",
		"t.npy")
	found := neighbours(t, dir, "runs/sample/cache", "t.npy", "-k", "1")
	for _, f := range found {
		if f.Neighbours[0].Class != "0" || f.Neighbours[0].Distance > 1e-5 {
			t.Errorf("%s finds %+v, expected itself in the cache", f.Query, f.Neighbours)
		}
	}
	must(t, dir, "embed", "models/mnist-teacher.onnx", "{source: sample, split: test, limit: 10}", "--config",
		sampleConfig)
	must(t, dir, "embed", "models/mnist-teacher.onnx", "{source: sample, split: test, limit: 10}", "--preprocess",
		"{mean: [0.5]}", "--output", "embedding", "--normalize", "l2", "--out", "again.parquet")
	a, err := vectors.Read(filepath.Join(dir, "vectors.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := vectors.Read(filepath.Join(dir, "again.parquet"))
	if err != nil || a.Values[7] != b.Values[7] || a.Dim != 128 {
		t.Errorf("by flags %v, by configuration %v (%v)", b.Values[7], a.Values[7], err)
	}
}

func TestBadInputOfEmbedAndSearch(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	must(t, dir, shortly("run", "--set", "seeds=[1,2]")...)
	drawings(t, filepath.Join(dir, "pictures"), 1)
	must(t, dir, "embed", "runs/sample", "{source: sample, split: test}")
	for name, test := range map[string]struct {
		args []string
		code int
		says []string
	}{
		"one argument": {[]string{"embed", "runs/sample"}, exitUsage, []string{"two arguments"}},
		"no model":     {[]string{"embed", "none.onnx", "pictures"}, exitInput, []string{"none.onnx"}},
		"no pictures":  {[]string{"embed", sampleStudent, "nowhere"}, exitInput, []string{"nowhere"}},
		"another ending": {[]string{"embed", sampleStudent, "pictures", "-o", "x.csv"}, exitUsage, []string{
			"x.csv",
			".parquet",
		}},
		"no student": {[]string{"embed", "pictures", "pictures"}, exitInput, []string{
			"no exported student",
			"rkd export",
		}},
		"an unknown one": {
			[]string{"embed", "runs/sample", "pictures", "--model", "big"},
			exitUsage,
			[]string{"student/seed-2"},
		},
		"a foreign model": {
			[]string{"embed", "models/mnist-teacher.onnx", "pictures"},
			exitUsage,
			[]string{"--preprocess"},
		},
		"wrong flags": {
			[]string{"embed", "models/mnist-teacher.onnx", "pictures", "--preprocess", "{meen: 1}"},
			exitUsage,
			[]string{"mean"},
		},
		"wrong size": {[]string{"embed", "runs/sample", "pictures"}, exitInput, []string{"does not fit"}},
		"too many": {
			[]string{"search", "vectors.parquet", "sample/t10k-images-idx3-ubyte.gz#0", "-k", "300"},
			exitUsage,
			[]string{"-k is 300", "299"},
		},
		"an unknown query":  {[]string{"search", "vectors.parquet", "x"}, exitUsage, []string{`"x"`, "no picture"}},
		"vectors elsewhere": {[]string{"search", "none.parquet", "x"}, exitInput, []string{"none.parquet"}},
	} {
		t.Run(name, func(t *testing.T) {
			expectSentence(t, rkd(t, dir, test.args...), test.code, test.says)
		})
	}
	// Vectors of a model that has been made again are another model's.
	must(t, dir, shortly("run", "--set", "seeds=[1,2]", "--set", "train.lr=1e-2", "--overwrite")...)
	write(t, filepath.Join(dir, "new.png"), read(t, filepath.Join(dir, "pictures/1.png")))
	r := rkd(t, dir, "search", "vectors.parquet", "new.png")
	if r.code != exitMismatch && r.code != exitInput {
		t.Errorf("another model: exit code %d\n%s", r.code, r.stderr)
	}
}
