package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"rkd/pipeline"
	"rkd/pipeline/cache"
)

// A cache is held against its teacher, described, exported, and imported as that of a declared teacher, of which a
// student learns as before.
func TestCacheVectors(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	const folder = "runs/sample/cache"
	must(t, dir, "precompute", sampleConfig, "--set", "cache.dtype=int8", "--set", "cache.pca=24")
	if out := must(t, dir, "cache", "verify", folder, "--teacher", "40").stdout; !strings.Contains(out,
		"40 rows embedded") {
		t.Error(out)
	}
	must(t, dir, "cache", "report", folder, "-o", "teacher.html")
	var r pipeline.CacheReport
	if err := json.Unmarshal([]byte(must(t, dir, "cache", "report", folder, "--json").stdout), &r); err != nil {
		t.Fatal(err)
	}
	if r.Sampled != 250 || r.Metrics["recall@1"] < 0.9 || r.Participation < 2 || len(r.Duplicates) == 0 {
		t.Errorf("report %+v", r)
	}
	if page := string(read(t, filepath.Join(dir, "teacher.html"))); strings.Count(page, "<svg") != 3 {
		t.Errorf("%d plots on the page, expected 3", strings.Count(page, "<svg"))
	}
	declared := []string{"--set", "teacher={declared: a service, normalize: l2, preprocess: {mean: [0.5]}}"}
	for _, format := range []string{"npy", "csv", "parquet"} {
		out := "vectors." + format
		must(t, dir, "cache", "export", folder, "--format", format, "-o", out)
		to := "imported-" + format
		args := append([]string{sampleConfig, "--set", "dir=" + to}, declared...)
		must(t, dir, append([]string{"cache", "import", args[0], out}, args[1:]...)...)
		if format == "csv" {
			res := must(t, dir, append([]string{"run"}, args...)...)
			if strings.Contains(res.stdout, "teacher") || !strings.Contains(res.stdout, "student") {
				t.Errorf("results of a student without a teacher: %s", res.stdout)
			}
			expectSentence(t, rkd(t, dir, "cache", "verify", to+"/cache", "--teacher", "3"), exitUsage,
				[]string{"declared"})
		}
	}
	const one = "train-images-idx3-ubyte#1"
	write(t, filepath.Join(dir, "few.csv"), []byte("path,e0,e1\n"+one+",1,2\nelsewhere.png,1,2\n"))
	args := append([]string{"cache", "import", sampleConfig, "few.csv", "--set", "dir=few"}, declared...)
	expectSentence(t, rkd(t, dir, args...), exitPartial, []string{"249 of 250 rows have no vector", "--partial"})
	if out := must(t, dir, append(args, "--partial")...).stdout; !strings.Contains(out, "1 rows of 2") {
		t.Error(out)
	}
	write(t, filepath.Join(dir, "none.csv"), []byte("path,e0\nelsewhere.png,1\n"))
	expectSentence(t, rkd(t, dir, append([]string{"cache", "import", sampleConfig, "none.csv"}, declared...)...),
		exitInput,
		[]string{"none of the 1 vectors"})
	expectSentence(t, rkd(t, dir, append([]string{"precompute", sampleConfig, "--set", "dir=new"}, declared...)...),
		exitInput, []string{"a service", "rkd cache import"})
	expectSentence(t, rkd(t, dir, "cache", "import", sampleConfig, "few.csv"), exitUsage, []string{"teacher.declared"})
}

// Whitened components are part of what a cache is, and a teacher that is narrower than cache.pca keeps all of them.
func TestWhitenedCache(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	args := []string{"precompute", sampleConfig, "--set", "cache.pca=500"}
	must(t, dir, append(args, "--set", "cache.whiten=0.5")...)
	if out := must(t, dir, "cache", "verify", "runs/sample/cache", "--teacher", "40").stdout; !strings.Contains(out,
		"40 rows embedded") {
		t.Error(out)
	}
	expectSentence(t, rkd(t, dir, args...), exitMismatch, []string{"whiten is 0.5, expected 0"})
}

// Rows that are not what the teacher says end with exit code 4 and the worst of them.
func TestVerifyTeacherFindsOtherRows(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	must(t, dir, "precompute", sampleConfig)
	folder := filepath.Join(dir, "runs/sample/cache")
	c, err := cache.Open(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	table, err := c.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p, err := cache.ReadPlan(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	head, err := c.Head(t.Context(), c.Rows())
	if err != nil {
		t.Fatal(err)
	}
	plan := cache.Plan{
		Key: p.Key, Views: 1, RowsPerShard: p.RowsPerShard, Dim: p.Dim,
		Config: strings.ReplaceAll(p.Config, "runs/sample/cache", "other"),
	}
	for _, a := range head.About {
		plan.Samples = append(plan.Samples, a.Sample)
	}
	w, err := cache.Create(t.Context(), filepath.Join(dir, "other"), plan)
	if err != nil {
		t.Fatal(err)
	}
	copy(table.Embeddings[p.Dim:], table.Embeddings[200*p.Dim:201*p.Dim])
	from := 0
	for i := range w.Shards() {
		rows := w.Rows(i)
		rows.Embeddings = table.Embeddings[from : from+len(rows.IDs)*p.Dim]
		from += len(rows.Embeddings)
		if err := w.WriteShard(t.Context(), i, rows); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	must(t, dir, "cache", "verify", "other")
	expectSentence(t, rkd(t, dir, "cache", "verify", "other", "--teacher", "250"), exitMismatch,
		[]string{"1 of 250 rows", head.About[1].Path, "cosine"})
}
