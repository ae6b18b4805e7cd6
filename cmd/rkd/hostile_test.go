//go:build hostile

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rkd/pipeline"
	"rkd/pipeline/cache"
)

// repository is the root of the sources, from this folder.
var repository, _ = filepath.Abs("../..")

// The campaign of `make test-hostile`: HOSTILE is its size in percent, by default 100, and HOSTILE_SEED repeats one.

// rounds is how many of n rounds are carried out.
func rounds(t *testing.T, n int) int {
	t.Helper()
	percent := 100
	if text := os.Getenv("HOSTILE"); text != "" {
		var err error
		if percent, err = strconv.Atoi(text); err != nil || percent < 1 {
			t.Fatalf("HOSTILE is %q, expected a number of percent", text)
		}
	}
	return max(n*percent/100, 1)
}

// chance draws what is random in a test, and says how to repeat it.
func chance(t *testing.T) *rand.Rand {
	t.Helper()
	seed, err := strconv.ParseUint(os.Getenv("HOSTILE_SEED"), 10, 64)
	if err != nil {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("HOSTILE_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// expectAnswer holds an answer to anything against what all of them are: a documented exit code and, unless it is 0,
// one sentence.
func expectAnswer(t *testing.T, what string, r result) {
	t.Helper()
	documented := slices.ContainsFunc(exitMeanings, func(m struct {
		code    int
		meaning string
	},
	) bool {
		return m.code == r.code
	})
	sentences := 0
	for line := range strings.Lines(r.stderr) {
		if strings.HasPrefix(line, "rkd: ") {
			sentences++
		}
	}
	trace := slices.ContainsFunc([]string{"goroutine ", "panic:", "fatal error:", "a fault of the program"},
		func(s string) bool { return strings.Contains(r.stderr, s) })
	if !documented || trace || sentences != min(r.code, 1) {
		t.Errorf("%s: exit code %d, %.2000s", what, r.code, r.stderr)
	}
}

// outcome is what a run directory holds, by name; files that hold times are told without them.
func outcome(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	for path, content := range bytesOf(t, dir) {
		name, err := filepath.Rel(dir, path)
		if err != nil {
			t.Fatal(err)
		}
		switch filepath.Base(name) {
		case "metrics.jsonl":
			content = untimed(t, content)
		case "checkpoint.json": // its figures are those of metrics.jsonl, its weights stand beside it
			content = "a checkpoint"
		case "measured.json":
			content = withoutLatencies(t, content)
		case pipeline.ResultsFile:
			var res pipeline.Results
			if err := json.Unmarshal([]byte(content), &res); err != nil {
				t.Fatal(err)
			}
			content = measured(res)
		}
		files[name] = content
	}
	return files
}

// measured are the figures of results but for those of time.
func measured(r pipeline.Results) string {
	text := fmt.Sprint(r.Key, r.Teacher.Metrics)
	for _, name := range r.Order {
		text += fmt.Sprint(name, r.Models[name].Metrics)
	}
	return text
}

// withoutLatencies is measured.json without its times, and without the checksum over them.
func withoutLatencies(t *testing.T, text string) string {
	t.Helper()
	var document struct {
		Models map[string]map[string]any
	}
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		t.Fatal(err)
	}
	for _, m := range document.Models {
		delete(m, "latency_ms")
	}
	data, _ := json.Marshal(document) // came from JSON
	return string(data)
}

// untimed are the lines of a metrics.jsonl without their times.
func untimed(t *testing.T, text string) string {
	t.Helper()
	var lines []string
	for line := range strings.Lines(text) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		maps.DeleteFunc(m, func(key string, _ any) bool {
			return key == "step_ms" || key == "profile"
		})
		data, _ := json.Marshal(m) // came from JSON
		lines = append(lines, string(data))
	}
	return strings.Join(lines, "\n")
}

func sameOutcome(t *testing.T, what string, want, got map[string]string) {
	t.Helper()
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); diff != "" {
		t.Errorf("%s: files (-undisturbed +found):\n%s", what, diff)
	}
	for name, content := range want {
		if other, ok := got[name]; ok && other != content {
			t.Errorf("%s: %s differs from an undisturbed run", what, name)
		}
	}
}

// TestHostileKills kills every stage at random moments, runs the same command again, and requires what an undisturbed
// run leaves: bytes, figures and no file more.
func TestHostileKills(t *testing.T) {
	r := chance(t)
	stages := []string{"precompute", "distill", "export", "eval", "run"}
	before := map[string]string{} // the run directory that a stage finds
	undisturbed := workplace(t)
	run := filepath.Join(undisturbed, "runs")
	for _, stage := range stages {
		before[stage] = t.TempDir()
		if _, err := os.Stat(run); err == nil && stage != "run" {
			if err := os.CopyFS(before[stage], os.DirFS(run)); err != nil {
				t.Fatal(err)
			}
		}
		args := shortly(stage)
		took := timed(t, undisturbed, args)
		want := outcome(t, run)
		killed, tries := 0, 0
		for ; killed < rounds(t, 40) && tries < rounds(t, 160); tries++ {
			dir := workplace(t)
			if err := os.CopyFS(filepath.Join(dir, "runs"), os.DirFS(before[stage])); err != nil {
				t.Fatal(err)
			}
			c := program(t, dir, args...)
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			after := time.Duration(r.Float64() * float64(took))
			timer := time.AfterFunc(after, func() { _ = c.Process.Kill() })
			if c.Wait() != nil {
				killed++
			}
			timer.Stop()
			must(t, dir, args...)
			got := outcome(t, filepath.Join(dir, "runs"))
			if stage == "run" {
				want["sample/config.yaml"] = got["sample/config.yaml"]
			}
			sameOutcome(t, fmt.Sprintf("%s killed after %v", stage, after), want, got)
		}
		t.Logf("%s: %d kills in %d tries", stage, killed, tries)
	}
}

// pair runs two commands at once.
func pair(t *testing.T, dir string, args [2][]string) (results [2]result) {
	t.Helper()
	var group sync.WaitGroup
	for i := range args {
		c := program(t, dir, args[i]...)
		group.Go(func() { results[i] = finish(t, c) })
	}
	group.Wait()
	return results
}

// TestHostilePairs runs two processes on one folder at once: with one configuration, with two learning rates, and with
// two teachers on one fresh cache. What is there afterwards is whole, and of one that says that it is done.
func TestHostilePairs(t *testing.T) {
	alone := workplace(t)
	must(t, alone, shortly("run")...)
	want := outcome(t, filepath.Join(alone, "runs"))
	t.Run("one configuration", func(t *testing.T) {
		for range rounds(t, 30) {
			dir := workplace(t)
			results := pair(t, dir, [2][]string{shortly("run"), shortly("run")})
			for _, r := range results {
				expectAnswer(t, "one configuration", r)
				if r.code != exitDone && r.code != exitHeld {
					t.Errorf("exit code %d, expected %d or %d\n%s", r.code, exitDone, exitHeld, r.stderr)
				}
			}
			if results[0].code != exitDone && results[1].code != exitDone {
				t.Error("neither of two runs is done")
			}
			sameOutcome(t, "one configuration", want, outcome(t, filepath.Join(dir, "runs")))
		}
	})
	t.Run("two learning rates", func(t *testing.T) {
		for range rounds(t, 30) {
			dir := workplace(t)
			rates := [2]string{"0.001", "0.002"}
			results := pair(t, dir, [2][]string{
				shortly("run", "--set", "train.lr="+rates[0]),
				shortly("run", "--set", "train.lr="+rates[1]),
			})
			for i, r := range results {
				expectAnswer(t, "two learning rates", r)
				config := string(read(t, filepath.Join(dir, "runs/sample/config.yaml")))
				switch {
				case r.code == exitDone && !strings.Contains(config, "lr: "+rates[i]):
					t.Errorf("learning rate %s exits with 0, but the run directory is another's", rates[i])
				case r.code != exitDone && r.code != exitHeld && r.code != exitMismatch:
					t.Errorf("exit code %d\n%s", r.code, r.stderr)
				}
			}
			if (results[0].code == exitDone) == (results[1].code == exitDone) {
				t.Errorf("exit codes are %d and %d, expected one to be done", results[0].code, results[1].code)
			}
		}
	})
	t.Run("two teachers", func(t *testing.T) {
		for range rounds(t, 30) {
			dir := workplace(t)
			models := [2]string{"models/mnist-teacher.onnx", "models/mnist-classifier.onnx"}
			var args [2][]string
			for i, model := range models {
				args[i] = onSample(t, "precompute", "teacher.model="+model, "teacher.output=embedding")
			}
			results := pair(t, dir, args)
			for i, r := range results {
				expectAnswer(t, "two teachers", r)
				if r.code != exitDone && r.code != exitMismatch {
					t.Errorf("exit code %d, expected %d or %d\n%s", r.code, exitDone, exitMismatch, r.stderr)
				}
				if r.code != exitDone {
					continue
				}
				must(t, dir, "cache", "verify", "runs/sample/cache")
				c, err := cache.Open(t.Context(), filepath.Join(dir, "runs/sample/cache"))
				if err != nil {
					t.Fatal(err)
				}
				again := rkd(t, dir, args[i]...)
				if again.code != exitDone || !strings.Contains(again.stderr, "up to date") || c.Rows() != 250 {
					t.Errorf("%s is done, but the cache is not its own: exit code %d\n%s", models[i], again.code, again.stderr)
				}
			}
			if (results[0].code == exitDone) == (results[1].code == exitDone) {
				t.Errorf("exit codes are %d and %d, expected one to be done", results[0].code, results[1].code)
			}
		}
	})
}

// TestHostileSoak runs the program's main command many times in one process: nothing stays in the folder for temporary
// files, no descriptor stays open, and memory does not grow.
func TestHostileSoak(t *testing.T) {
	dir, temporary := workplace(t), t.TempDir()
	t.Chdir(dir)
	t.Setenv("TMPDIR", temporary)
	n := rounds(t, 200)
	descriptors := func() int { return len(names(t, "/proc/self/fd")) }
	resident := func() int {
		fields := strings.Fields(string(read(t, "/proc/self/statm")))
		pages, err := strconv.Atoi(fields[1])
		if err != nil {
			t.Fatal(err)
		}
		return pages * os.Getpagesize()
	}
	var open, memory int
	for i := range n {
		var stdout, stderr bytes.Buffer
		args := append([]string{"rkd"}, shortly("run", "--set", fmt.Sprintf("dir=runs/%d", i))...)
		if code := run(t.Context(), args, &stdout, &stderr); code != exitDone {
			t.Fatalf("run %d: exit code %d\n%s", i, code, stderr.String())
		}
		if i == min(n/4, 20) { // everything that is kept for good is there
			open, memory = descriptors(), resident()
		}
	}
	t.Logf("%d runs: %d descriptors, then %d; %d MiB, then %d MiB", n, open, descriptors(), memory>>20, resident()>>20)
	if now := descriptors(); now > open+2 {
		t.Errorf("%d descriptors are open after %d runs, %d were at first", now, n, open)
	}
	if now := resident(); n >= 20 && now > memory+64<<20 {
		t.Errorf("%d MiB of memory after %d runs, %d MiB at first", now>>20, n, memory>>20)
	}
	if left := names(t, temporary); len(left) > 0 {
		t.Errorf("left for good: %v", left)
	}
}
