package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rkd/pipeline"
)

// jobsConfig writes a configuration of four trainings and four tasks that runs in seconds, with more keys, and returns
// its name.
func jobsConfig(t *testing.T, dir, more string) string {
	t.Helper()
	text := string(read(t, filepath.Join("..", "..", "examples", "sample.yaml"))) + `
seeds: [1, 2]
variants:
  plain: {}
  small: {student: {embedding_dim: 8}}
batch: {tasks: 4}
` + more
	write(t, filepath.Join(dir, "jobs.yaml"), []byte(text))
	return "jobs.yaml"
}

// Tasks by index, one after the other, make what one process makes; status follows them, and collect names what is
// missing.
func TestTasksByIndex(t *testing.T) {
	t.Parallel()
	dir, whole := workplace(t), workplace(t)
	file := jobsConfig(t, dir, "")
	must(t, whole, "run", jobsConfig(t, whole, ""))

	says := func(parts ...string) {
		t.Helper()
		out := strings.Join(strings.Fields(must(t, dir, "batch", "status", file).stdout), " ")
		for _, part := range parts {
			if !strings.Contains(out, part) {
				t.Errorf("status lacks %q: %s", part, out)
			}
		}
	}
	says("precompute no plan", "distill 0 of 4 trainings missing 0-3")
	if r := rkd(t, dir, "batch", "collect", file); r.code != exitPartial || !strings.Contains(r.stderr, "4 of 4") {
		t.Errorf("collect without students: exit code %d\n%s", r.code, r.stderr)
	}
	must(t, dir, "batch", "render", file, "--out", "jobs")
	if _, err := os.Stat(filepath.Join(dir, "jobs", "3-distill.sh")); err != nil {
		t.Error(err)
	}
	for _, task := range []string{"3", "1", "0", "2"} {
		must(t, dir, "precompute", file, "--task-index", task)
	}
	says("precompute 4 of 4 tasks", "finalize not yet")
	must(t, dir, "cache", "finalize", "runs/sample/cache")
	must(t, dir, "distill", file, "--task-index", "2")
	for _, variable := range taskVariables { // by the scheduler's names
		c := program(t, dir, "distill", file)
		c.Env = append(c.Env, variable+"=0")
		if r := finish(t, c); r.code != exitDone || strings.TrimSpace(r.stdout) != "runs/sample/plain/seed-1" {
			t.Errorf("%s=0: exit code %d, %q\n%s", variable, r.code, r.stdout, r.stderr)
		}
	}
	says("finalize done", "distill 2 of 4 trainings missing 1,3", "export 0 of 4", "evaluate not yet")
	r := rkd(t, dir, "batch", "collect", file)
	if r.code != exitPartial || !strings.Contains(r.stdout, "plain") || !strings.Contains(r.stderr, "plain seed 2") ||
		!strings.Contains(r.stderr, "small seed 2") || strings.Contains(r.stderr, "small seed 1 (") {
		t.Errorf("collect of two: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}

	must(t, dir, "batch", "render", file, "--missing", "--out", "missing")
	if submit := string(read(t, filepath.Join(dir, "missing", "submit.sh"))); strings.Contains(submit, "precompute") ||
		!strings.Contains(submit, "1-distill.sh 0 --array=1,3") {
		t.Errorf("--missing submits\n%s", submit)
	}
	must(t, dir, "batch", "render", file, "--missing", "--out", "pods", "--engine", "kubernetes", "--set",
		"batch={image: rkd, volume: {host_path: "+dir+"}}")
	if job := string(read(t, filepath.Join(dir, "pods", "1-distill.yaml"))); !strings.Contains(job, `"1,3"`) &&
		!strings.Contains(job, "- 1,3\n") || !strings.Contains(job, "workingDir: "+dir+"\n") ||
		!strings.Contains(job, "completions: 2") {
		t.Errorf("--missing applies\n%s", job)
	}
	for _, index := range []string{"0", "1"} { // as Kubernetes counts what is missing
		must(t, dir, "distill", file, "--task-index", index, "--task-list", "1,3")
	}
	must(t, dir, "export", file, "--task-index", "3")
	sorted := must(t, dir, "batch", "collect", file, "--sort", "bytes", "--plot", "plots").stdout
	if strings.Index(sorted, "small") > strings.Index(sorted, "plain") {
		t.Errorf("by size the table is\n%s", sorted)
	}
	for _, name := range []string{"quality-size.svg", "quality-latency.svg"} {
		if !strings.HasPrefix(string(read(t, filepath.Join(dir, "plots", name))), "<svg ") {
			t.Errorf("%s is no SVG", name)
		}
	}
	says("export 4 of 4 trainings", "evaluate done")
	sameRun(t, filepath.Join(dir, "runs/sample"), filepath.Join(whole, "runs/sample"))
}

// sameRun compares caches, weights and models byte for byte, and results but for their timings.
func sameRun(t *testing.T, got, want string) {
	t.Helper()
	files := 0
	for _, pattern := range []string{
		"cache/*.parquet", "cache/manifest.json", "cache/*/*.parquet", "cache/*/manifest.json",
		"*/seed-*/*.safetensors", "*/seed-*/student.onnx",
	} {
		names, err := filepath.Glob(filepath.Join(want, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			files++
			rel, err := filepath.Rel(want, name)
			if err != nil {
				t.Fatal(err)
			}
			if string(read(t, filepath.Join(got, rel))) != string(read(t, name)) {
				t.Errorf("%s differs from that of one process", rel)
			}
		}
	}
	if files < 10 {
		t.Errorf("%d files are compared, expected more", files)
	}
	if diff := cmp.Diff(figures(t, want), figures(t, got)); diff != "" {
		t.Errorf("results (-one process +tasks):\n%s", diff)
	}
}

// figures reads the results of a run without their timings.
func figures(t *testing.T, dir string) pipeline.Results {
	t.Helper()
	var res pipeline.Results
	if err := json.Unmarshal(read(t, filepath.Join(dir, pipeline.ResultsFile)), &res); err != nil {
		t.Fatal(err)
	}
	res.Teacher.LatencyMillis = 0
	for i := range res.Teachers {
		res.Teachers[i].LatencyMillis = 0
	}
	if res.Baseline != nil {
		res.Baseline.LatencyMillis = 0
	}
	for name, v := range res.Models {
		v.LatencyMillis, v.StepMillis = 0, 0
		res.Models[name] = v
	}
	return res
}

// A task that fails leaves word for the status, and takes it back when it succeeds.
func TestFailedTasksAreNamed(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	file := jobsConfig(t, dir, "")
	must(t, dir, "precompute", file)
	checkpoint := filepath.Join(dir, "runs/sample/small/seed-1/checkpoint.json")
	if err := os.MkdirAll(filepath.Dir(checkpoint), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, checkpoint, []byte("{}"))
	if r := rkd(t, dir, "distill", file, "--task-index", "2"); r.code != exitInput {
		t.Fatalf("exit code %d\n%s", r.code, r.stderr)
	}
	if out := must(t, dir, "batch", "status", file).stdout; !strings.Contains(out, "distill task 2 failed on") ||
		!strings.Contains(out, "exit code 3") || !strings.Contains(out, "training 2, small seed 1") {
		t.Errorf("status is\n%s", out)
	}
	if err := os.Remove(checkpoint); err != nil {
		t.Fatal(err)
	}
	must(t, dir, "distill", file, "--task-index", "2")
	if out := must(t, dir, "batch", "status", file).stdout; strings.Contains(out, "failed") {
		t.Errorf("status still is\n%s", out)
	}
}

func TestBatchRefusals(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	file := jobsConfig(t, dir, "")
	must(t, dir, "batch", "render", file)
	for _, test := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"distill", file, "--task-index", "4"}, exitUsage, "expected 0 to 3"},
		{[]string{"export", file, "--task-index", "-1"}, exitUsage, `"-1"`},
		{[]string{"distill", file, "--task-index", "1", "--seed", "2"}, exitUsage, "--task-index counts all trainings"},
		{[]string{"precompute", file, "--task-index", "4"}, exitUsage, "4"},
		{[]string{"distill", file, "--task-index", "2", "--task-list", "1,3"}, exitUsage, "expected 0 to 1"},
		{[]string{"distill", file, "--task-index", "0", "--task-list", "3-1"}, exitUsage, `"3-1" is no list`},
		{[]string{"distill", file, "--task-index", "0", "--task-list", "9"}, exitUsage, "expected 0 to 3"},
		{[]string{"distill", file, "--task-list", "9"}, exitUsage, "--task-list goes with an index"},
		{[]string{"batch", "render", file, "--engine", "pbs"}, exitUsage, "expected slurm or kubernetes"},
		{[]string{"batch", "render", "none.yaml"}, exitUsage, "none.yaml"},
	} {
		if r := rkd(t, dir, test.args...); r.code != test.code || !strings.Contains(r.stderr, test.says) {
			t.Errorf("%v: exit code %d\n%s", test.args, r.code, r.stderr)
		}
	}
}

// A task that sees another run directory than that of its chain ends before it begins.
func TestUnsharedRunDirectory(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	file := jobsConfig(t, dir, "")
	must(t, dir, "batch", "render", file)
	script := string(read(t, filepath.Join(dir, "runs/sample/jobs/3-distill.sh")))
	_, mark, found := strings.Cut(script, "export RKD_BATCH=")
	if !found {
		t.Fatalf("no mark in\n%s", script)
	}
	mark, _, _ = strings.Cut(mark, "\n")
	task := func(name, mark, says string, code int) {
		t.Helper()
		c := program(t, dir, "precompute", file, "--task-index", "0")
		c.Env = append(c.Env, "RKD_BATCH="+mark)
		if r := finish(t, c); r.code != code || !strings.Contains(r.stderr, says) {
			t.Errorf("%s: exit code %d\n%s", name, r.code, r.stderr)
		}
	}
	task("a mark of another chain", "other", "has another mark", exitInput)
	task("its own mark", mark, "", exitDone)
	must(t, dir, "batch", "render", file, "--missing") // leaves the mark of tasks that are on their way
	task("its own mark after another rendering", mark, "", exitDone)
	if err := os.Remove(filepath.Join(dir, "runs/sample/batch/mark")); err != nil {
		t.Fatal(err)
	}
	task("no mark", mark, "is missing", exitInput)
}
