package main

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rkd/models/onnx"
	"rkd/pipeline"
)

func TestRunMakesEverythingOnce(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	first := must(t, dir, "run", sampleConfig)
	for _, part := range []string{"model", "recall@1", "map@r", "parameters", "teacher", "student"} {
		if !strings.Contains(first.stdout, part) {
			t.Errorf("table lacks %q:\n%s", part, first.stdout)
		}
	}
	run := filepath.Join(dir, "runs/sample")
	for _, name := range []string{
		"config.yaml", "results.json", "cache/manifest.json", "student/seed-1/checkpoint.json",
		"student/seed-1/metrics.jsonl",
		"student/seed-1/student.onnx",
	} {
		if _, err := os.Stat(filepath.Join(run, name)); err != nil {
			t.Error(err)
		}
	}
	stamps := modified(t, run, "config.yaml")
	second := must(t, dir, "run", sampleConfig)
	for _, stage := range []string{"precompute", "distill", "export", "evaluate"} {
		if !strings.Contains(second.stderr, stage) || strings.Count(second.stderr, "up to date") != 4 {
			t.Errorf("second run does not say that %s is up to date:\n%s", stage, second.stderr)
		}
	}
	if second.stdout != first.stdout {
		t.Errorf("second table differs:\n%s%s", first.stdout, second.stdout)
	}
	for name, stamp := range modified(t, run, "config.yaml") {
		if !stamp.Equal(stamps[name]) {
			t.Errorf("%s was written again", name)
		}
	}
}

// What is kept of a run is made again when, and only when, what it was made from changes.
func TestChangesAreFollowed(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	must(t, dir, "run", sampleConfig)
	for _, test := range []struct {
		set   string
		fresh []string // stages that are not up to date
	}{
		{"export.fold_batch_norm=false", []string{"export", "evaluate"}},
		{"loss.rkd_angle=3", []string{"distill", "export", "evaluate"}},
		{"eval.metrics=[recall@2]", []string{"distill", "export", "evaluate"}}, // back to the first loss
		{"eval.metrics=[recall@2]", nil},
	} {
		r := must(t, dir, "run", sampleConfig, "--set", test.set, "--overwrite")
		if got, want := strings.Count(r.stderr, "up to date"), 4-len(test.fresh); got != want {
			t.Errorf("--set %s: %d stages are up to date, expected all but %v\n%s", test.set, got, test.fresh, r.stderr)
		}
	}
}

// Precompute makes again what is damaged, and only that; the bytes end the same.
func TestPrecomputeRepairsADamagedCache(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(t *testing.T, dir string){
		"flipped byte": func(t *testing.T, dir string) {
			path := shard(t, dir, 1)
			data := read(t, path)
			data[len(data)/2] ^= 4
			write(t, path, data)
		},
		"missing shard": func(t *testing.T, dir string) {
			if err := os.Remove(shard(t, dir, 1)); err != nil {
				t.Fatal(err)
			}
		},
		"manifest cut short": func(t *testing.T, dir string) {
			if err := os.Truncate(filepath.Join(dir, "runs/sample/cache/manifest.json"), 200); err != nil {
				t.Fatal(err)
			}
		},
	} {
		dir := workplace(t)
		must(t, dir, "precompute", sampleConfig)
		cache := filepath.Join(dir, "runs/sample/cache")
		want := contents(t, cache)
		damage(t, dir)
		must(t, dir, "precompute", sampleConfig)
		if diff := cmp.Diff(want, contents(t, cache)); diff != "" {
			t.Errorf("%s: the cache differs after a repair", name)
		}
		must(t, dir, "cache", "verify", "runs/sample/cache")
	}
}

func TestStagesOneByOneMakeWhatRunMakes(t *testing.T) {
	t.Parallel()
	whole, parts := workplace(t), workplace(t)
	must(t, whole, "run", sampleConfig)
	for _, stage := range []string{"precompute", "distill", "export"} {
		must(t, parts, stage, sampleConfig)
	}
	must(t, parts, "eval", sampleConfig)
	for _, name := range []string{
		"cache/manifest.json", "cache/shard-00000-of-00004.parquet",
		"student/seed-1/student.onnx",
	} {
		path := filepath.Join("runs/sample", name)
		if string(read(t, filepath.Join(whole, path))) != string(read(t, filepath.Join(parts, path))) {
			t.Errorf("%s differs", name)
		}
	}
}

func TestRunOnAFolderOfPhotographs(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	photographs(t, dir)
	r := must(t, dir, onSample(t, "run",
		"data={train: {source: folder, dir: photographs, on_error: skip}, test: {source: folder, dir: photographs, "+
			"on_error: skip}}",
		"teacher.preprocess={resize: [28, 28], color: gray, mean: [0.5]}",
		"train={batch: {classes: 2, per_class: 2}, epochs: 2, steps_per_epoch: 3, selection: 0}",
	)...)
	if !strings.Contains(r.stdout, "student") || strings.Count(r.stderr, "broken.jpg\": ") != 2 {
		t.Errorf("output is\n%s%s", r.stdout, r.stderr)
	}
	var res pipeline.Results
	if err := json.Unmarshal(read(t, filepath.Join(dir, "runs/sample/results.json")), &res); err != nil {
		t.Fatal(err)
	}
	if res.Samples != 6 || res.Skipped != 1 {
		t.Errorf("%d samples and %d skipped, expected 6 and 1", res.Samples, res.Skipped)
	}
}

// With views every sample has several rows, and another augmentation is another cache.
func TestRunWithViews(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	views := []string{"cache.views=3", "data.augment={flip: true, shift: 2}"}
	must(t, dir, onSample(t, "run", views...)...)
	if r := must(t, dir, "cache", "info", "runs/sample/cache"); !strings.Contains(r.stdout, "750") {
		t.Errorf("cache info prints\n%s\nexpected 3 × 250 rows", r.stdout)
	}
	other := rkd(t, dir, onSample(t, "distill", views[0], "data.augment={shift: 3}")...)
	expectSentence(t, other, exitMismatch, []string{"view_policy", "shift=2", "shift=3"})
}

func TestResultsForMachines(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	r := must(t, dir, "run", sampleConfig, "--json", "--quiet", "--set", "seeds=[1, 2]")
	var printed, written pipeline.Results
	if err := json.Unmarshal([]byte(r.stdout), &printed); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(read(t, filepath.Join(dir, "runs/sample/results.json")), &written); err != nil {
		t.Fatal(err)
	}
	for what, res := range map[string]pipeline.Results{"stdout": printed, "results.json": written} {
		v := res.Models["student"]
		recall := v.Metrics["recall@1"]
		if res.Name != "sample" || len(recall.Values) != 2 || recall.Mean < 0.3 || recall.Mean > 1 || v.Parameters < 1000 ||
			v.Bytes < 4*v.Parameters || v.LatencyMillis <= 0 || v.StepMillis <= 0 || res.Teacher.Metrics["map@r"] <= 0 {
			t.Errorf("%s has %+v", what, res)
		}
	}
	if r.stderr != "" {
		t.Errorf("--quiet says %q", r.stderr)
	}
}

func TestExportedStudent(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	for _, test := range []struct {
		set   []string
		input onnx.ElemType
		norms int
	}{
		{nil, onnx.Float32, 0},
		{[]string{"export.fold_batch_norm=false"}, onnx.Float32, 2},
		{[]string{"export.preprocess=true"}, onnx.Uint8, 0},
		{[]string{"export.preprocess=true", "student.normalize=l2"}, onnx.Uint8, 0},
	} {
		must(t, dir, onSample(t, "precompute", test.set...)...)
		must(t, dir, append(onSample(t, "distill", test.set...), "--overwrite")...)
		r := must(t, dir, onSample(t, "export", test.set...)...)
		if !strings.Contains(r.stdout, "largest difference") {
			t.Errorf("%v: the difference is not told: %s", test.set, r.stdout)
		}
		path := filepath.Join(dir, "runs/sample/student/seed-1/student.onnx")
		m, err := onnx.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Inputs()[0].Elem; got != test.input {
			t.Errorf("%v: input is %v, expected %v", test.set, got, test.input)
		}
		norms := 0
		for _, n := range m.Proto.GetGraph().GetNode() {
			if n.GetOpType() == "BatchNormalization" {
				norms++
			}
		}
		if norms != test.norms {
			t.Errorf("%v: %d batch normalisations, expected %d", test.set, norms, test.norms)
		}
		meta := m.Metadata()
		for _, key := range []string{"rkd.version", "rkd.teacher_sha256", "rkd.cache_key", "rkd.seed", "rkd.weights_sha256"} {
			if meta[key] == "" {
				t.Errorf("%v: metadata lacks %s: %v", test.set, key, meta)
			}
		}
		if found := metrics(t, must(t, dir, "eval", path, "--json", "--config", sampleConfig)); found["recall@1"] <= 0 {
			t.Errorf("%v: eval of the model finds %v", test.set, found)
		}
	}
	copied := filepath.Join(dir, "copy.onnx")
	must(t, dir, "export", "runs/sample/student/seed-1", "--output", copied)
	if string(read(t, copied)) != string(read(t, filepath.Join(dir, "runs/sample/student/seed-1/student.onnx"))) {
		t.Error("exporting the checkpoint gives another file than exporting the configuration")
	}
}

// metrics are those that an evaluation of one model prints as JSON.
func metrics(t *testing.T, r result) map[string]float64 {
	t.Helper()
	var res pipeline.ModelResults
	if err := json.Unmarshal([]byte(r.stdout), &res); err != nil || len(res.Models) != 1 {
		t.Fatalf("%v: %s, expected one model", err, r.stdout)
	}
	return res.Models[0].Metrics
}

func TestInterruptLeavesACheckpoint(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	must(t, dir, "precompute", sampleConfig)
	args := onSample(t, "distill", "train.epochs=3000", "train.checkpoint_steps=5")
	c := program(t, dir, args...)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	checkpoint := filepath.Join(dir, "runs/sample/student/seed-1/checkpoint.json")
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(checkpoint); err == nil {
			break
		}
	}
	if err := c.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait() // an exit code other than 0 is expected
	said := stderr.String()
	if c.ProcessState.ExitCode() != exitInterrupted || !strings.Contains(said, "stopped after step") ||
		!strings.Contains(said, "checkpoint in") {
		t.Errorf("%v, stderr %s", c.ProcessState, said)
	}
	if _, err := os.Stat(checkpoint); err != nil {
		t.Error(err)
	}
}

func TestCacheCommands(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	must(t, dir, "precompute", sampleConfig)
	for _, test := range []struct {
		args []string
		says []string
	}{
		{[]string{"info"}, []string{"rows", "250", "128", "normalize", "l2"}},
		{[]string{"info", "--json"}, []string{`"rows": 250`, `"sha256"`}},
		{[]string{"verify"}, []string{"250 rows in 4 shards"}},
		{[]string{"verify", "--json"}, []string{`"ok": true`}},
		{[]string{"head", "-n", "3"}, []string{"embedding", "…"}},
		{[]string{"head", "--rows=2", "--json"}, []string{`"embedding"`, `"label"`}},
	} {
		args := append([]string{"cache", test.args[0], "runs/sample/cache"}, test.args[1:]...)
		r := must(t, dir, args...)
		for _, part := range test.says {
			if !strings.Contains(r.stdout, part) {
				t.Errorf("%v does not say %q:\n%s", args, part, r.stdout)
			}
		}
	}
}

func TestDoctor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := must(t, dir, "doctor", "--json")
	var h pipeline.Health
	if err := json.Unmarshal([]byte(r.stdout), &h); err != nil {
		t.Fatal(err)
	}
	if h.LibraryVersion == "" || len(h.Providers) == 0 || !h.MNIST || h.Cores < 1 {
		t.Errorf("doctor finds %+v", h)
	}
	if r := must(t, dir, "doctor"); !strings.Contains(r.stdout, h.LibraryVersion) ||
		!strings.Contains(r.stdout, "CPUExecutionProvider") {
		t.Errorf("doctor prints\n%s", r.stdout)
	}
}

// contents reads every file of a folder by name.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		files[e.Name()] = string(read(t, filepath.Join(dir, e.Name())))
	}
	return files
}

// modified returns when each file below dir was last written, leaving out one name.
func modified(t *testing.T, dir string, except ...string) map[string]time.Time {
	t.Helper()
	stamps := map[string]time.Time{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || slices.Contains(except, e.Name()) {
			return err
		}
		info, err := e.Info()
		stamps[path] = info.ModTime()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return stamps
}

// What the table counts from is measured: the untrained net by default, raw pixels, or a variant.
func TestBaselines(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	args := onSample(t, "run", "eval.metrics=[recall@1, map@r]", "variants={a: {}, b: {loss: {rkd_angle: 0}}}")
	for _, baseline := range []string{"untrained", "pixels", "a"} {
		var res pipeline.Results
		r := must(t, dir, append(args, "--json", "--set", "eval.baseline="+baseline)...)
		if err := json.Unmarshal([]byte(r.stdout), &res); err != nil {
			t.Fatal(err)
		}
		from := res.Baseline
		if from == nil || from.Kind != baseline || from.Metrics["map@r"] <= 0 || from.Fidelity[pipeline.Overlap] <= 0 {
			t.Fatalf("baseline %s is %+v", baseline, from)
		}
		way := res.Teacher.Metrics["map@r"] - from.Metrics["map@r"]
		for name, m := range res.Models {
			want := (m.Metrics["map@r"].Mean - from.Metrics["map@r"]) / way
			if got := m.Gap["map@r"]; way <= 0 || math.Abs(got-want) > 1e-9 {
				t.Errorf("%s: %s has closed %g of the gap, expected %g", baseline, name, got, want)
			}
			if m.Fidelity[pipeline.Overlap].Mean <= 0 || m.Fidelity[pipeline.RankCorrelation].Mean <= 0 {
				t.Errorf("%s: fidelity of %s is %v", baseline, name, m.Fidelity)
			}
		}
	}
	expectSentence(t, rkd(t, dir, append(args, "--set", "eval.baseline=c")...), exitUsage,
		[]string{"eval.baseline", `"c"`, "untrained, pixels, a, b"})
}
