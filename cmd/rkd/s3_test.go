//go:build s3

package main

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rkd/models/ort" //nolint:depguard // where the library is, for a program on a cache folder of its own
	"rkd/pipeline/storage"
	"rkd/pipeline/storage/storagetest"
)

// elsewhere runs the program as another machine would: on a cache folder of its own.
func elsewhere(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	ours, err := ort.CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	library, err := ort.Find("", ours)
	if err != nil {
		t.Fatal(err)
	}
	c := program(t, dir, args...)
	c.Env = append(c.Env, "RKD_CACHE_DIR="+t.TempDir(), ort.EnvLibrary+"="+library)
	return c
}

// TestS3Pipeline runs each task of an experiment on a machine of its own, with cache, run directory and teacher in a
// bucket, kills some of them, and requires the bytes of one undisturbed process on a file system.
func TestS3Pipeline(t *testing.T) {
	whole, dir := workplace(t), workplace(t)
	file := jobsConfig(t, dir, "")
	steps := []string{"--set", "train.steps_per_epoch=40", "--set", "train.checkpoint_steps=10"}
	must(t, whole, append([]string{"run", jobsConfig(t, whole, "")}, steps...)...)

	server := storagetest.S3(t)
	models := storage.Tree{
		Location: server.URL("models"), Dir: filepath.Join("..", "..", "models"),
		Only: func(name string) bool { return name == "mnist-teacher.onnx" },
	}
	if err := models.Push(t.Context()); err != nil {
		t.Fatal(err)
	}
	set := append([]string{
		"--set", "dir=" + server.URL("runs/sample"), "--set", "teacher.model=" + server.URL("models/mnist-teacher.onnx"),
	}, steps...)
	do := func(args ...string) string {
		t.Helper()
		r := finish(t, elsewhere(t, dir, append(args, set...)...))
		if r.code != exitDone {
			t.Fatalf("rkd %s: exit code %d\n%s", strings.Join(args, " "), r.code, r.stderr)
		}
		return r.stdout
	}
	// kill begins a command and kills it, once it has left a file in the bucket that a pattern matches.
	kill := func(pattern string, args ...string) {
		t.Helper()
		c := elsewhere(t, dir, append(args, set...)...)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
			if found, _ := filepath.Glob(filepath.Join(server.Dir, pattern)); len(found) > 0 {
				break
			}
		}
		_ = c.Process.Kill()
		if c.Wait() == nil {
			t.Logf("rkd %s was faster than the kill", strings.Join(args, " "))
		}
	}

	// killAtRandom begins a command some times and kills it at a random moment of the time that it would take.
	moments := rand.New(rand.NewPCG(7, 12))
	killAtRandom := func(times int, args ...string) {
		t.Helper()
		for range times {
			c := elsewhere(t, dir, append(args, set...)...)
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Duration(moments.Int64N(int64(1500 * time.Millisecond))))
			_ = c.Process.Kill()
			_ = c.Wait()
		}
	}

	do("precompute", file, "--plan", "--tasks", "3")
	kill("runs/sample/cache/*.parquet", "precompute", file, "--task-index", "1")
	killAtRandom(6, "precompute", file, "--task-index", "0")
	for _, task := range []string{"2", "1", "0"} {
		do("precompute", file, "--task-index", task)
	}
	if r := finish(t, elsewhere(t, dir, "cache", "finalize", server.URL("runs/sample/cache"))); r.code != exitDone {
		t.Fatalf("cache finalize: exit code %d\n%s", r.code, r.stderr)
	}
	if r := finish(t, elsewhere(t, dir, "cache", "verify", server.URL("runs/sample/cache"))); r.code != exitDone {
		t.Errorf("cache verify: exit code %d\n%s", r.code, r.stderr)
	}
	kill("runs/sample/plain/seed-1/checkpoint.json", "distill", file, "--task-index", "0")
	killAtRandom(6, "distill", file, "--task-index", "1")
	for _, task := range []string{"0", "1", "2", "3"} {
		do("distill", file, "--task-index", task)
	}
	out := strings.Join(strings.Fields(do("batch", "status", file)), " ")
	if !strings.Contains(out, "finalize done distill 4 of 4 trainings export 0 of 4") {
		t.Errorf("status is %s", out)
	}
	for _, task := range []string{"3", "2", "1", "0"} {
		do("export", file, "--task-index", task)
	}
	if table := do("batch", "collect", file); !strings.Contains(table, "small") {
		t.Errorf("collect prints\n%s", table)
	}
	sameRun(t, filepath.Join(server.Dir, "runs/sample"), filepath.Join(whole, "runs/sample"))
	if out := do("eval", file, "--json"); !strings.Contains(out, `"small"`) {
		t.Errorf("eval prints\n%s", out)
	}
}

// TestS3Data reads photographs out of a bucket and requires the cache that they make as files.
func TestS3Data(t *testing.T) {
	dir, server := workplace(t), storagetest.S3(t)
	photographs(t, dir)
	tree := storage.Tree{Location: server.URL("data/photographs"), Dir: filepath.Join(dir, "photographs")}
	if err := tree.Push(t.Context()); err != nil {
		t.Fatal(err)
	}
	cache := func(name, photographs string) map[string]string {
		t.Helper()
		must(t, dir, onSample(t, "precompute", "name="+name, "data={train: {source: folder, dir: '"+photographs+
			"', on_error: skip}, test: {source: folder, dir: photographs}}",
			"teacher.preprocess={resize: [28, 28], color: gray, mean: [0.5]}", "train.batch={classes: 2, per_class: 2}")...)
		files := contents(t, filepath.Join(dir, "runs", name, "cache"))
		delete(files, "PLAN.json") // has the configuration in it
		return files
	}
	if diff := cmp.Diff(cache("files", "photographs"), cache("bucket", server.URL("data/photographs"))); diff != "" {
		t.Errorf("caches differ (-files +bucket):\n%.2000s", diff)
	}
}

func TestS3BadInput(t *testing.T) {
	dir, server := workplace(t), storagetest.S3(t)
	if err := os.Remove(server.Dir); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, location, says string
		code                 int
	}{
		{"no bucket", server.URL("x"), "there is no such bucket", exitInput},
		{"no cloud", "s4://bucket/x", "gs:// or azblob://", exitUsage},
		{"a secret", "s3://key:secret@bucket/x", "credentials do not belong", exitUsage},
		{"a parameter that is none", server.URL("x") + "&colour=red", "colour", exitUsage},
	} {
		r := rkd(t, dir, onSample(t, "precompute", "cache.dir="+tt.location)...)
		if r.code != tt.code || !strings.Contains(r.stderr, tt.says) || strings.Contains(r.stderr, "secret@") ||
			strings.Count(r.stderr, "\n") > 2 {
			t.Errorf("%s: exit code %d, want %d\n%s", tt.name, r.code, tt.code, r.stderr)
		}
	}
}

// A run in a bucket is reported, a checkpoint there exported, to a bucket too, and its student embeds, as files do.
func TestS3ReportAndExport(t *testing.T) {
	dir, server := workplace(t), storagetest.S3(t)
	run := server.URL("runs/sample")
	must(t, dir, shortly("run", "--set", "dir="+run)...)
	must(t, dir, "report", run)
	page := string(read(t, filepath.Join(server.Dir, "runs/sample/report.html")))
	if !strings.Contains(page, "gap closed") || !strings.Contains(page, "data:image/jpeg;base64,") {
		t.Error("the report in the bucket has no table or no pictures")
	}
	if text := must(t, dir, "report", run, "--format", "md").stdout; !strings.Contains(text, "| model ") {
		t.Errorf("the report is\n%s", text)
	}
	must(t, dir, "export", server.URL("runs/sample/student/seed-1"), "-o", server.URL("models/small.onnx"))
	must(t, dir, "export", server.URL("runs/sample/student/seed-1"), "-o", "small.onnx")
	here, there := read(t, filepath.Join(dir, "small.onnx")), read(t, filepath.Join(server.Dir, "models/small.onnx"))
	if string(here) != string(there) {
		t.Error("the student in the bucket is another than the local one")
	}
	for _, model := range []string{run, server.URL("models/small.onnx")} {
		must(t, dir, "embed", model, "{source: sample, split: test, limit: 5}")
	}
}
