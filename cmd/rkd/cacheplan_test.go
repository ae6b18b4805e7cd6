package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rkd/pipeline/cache"
)

// The tasks of a plan, wherever they run, make the shards and the manifest that one process makes.
func TestPlanAndTasks(t *testing.T) {
	t.Parallel()
	whole, dir := workplace(t), workplace(t)
	const folder = "runs/sample/cache"
	must(t, whole, "precompute", sampleConfig)

	must(t, dir, "precompute", sampleConfig, "--plan", "--tasks", "3")
	plan := filepath.Join(folder, "PLAN.json")
	must(t, dir, "precompute", plan, "--task-index", "2")
	slurm := program(t, dir, "precompute", plan)
	slurm.Env = append(slurm.Env, "SLURM_ARRAY_TASK_ID=0")
	if r := finish(t, slurm); r.code != exitDone {
		t.Fatalf("by SLURM_ARRAY_TASK_ID: %d %s", r.code, r.stderr)
	}
	expectSentence(t, rkd(t, dir, "cache", "finalize", folder), exitPartial,
		[]string{"1 of 4 shards are missing", "shard-00001-of-00004"})
	var s cache.Status
	if err := json.Unmarshal([]byte(must(t, dir, "cache", "status", folder, "--json").stdout), &s); err != nil {
		t.Fatal(err)
	}
	if s.Complete || !cmp.Equal(s.MissingTasks, []int{1}) || s.Shards != 4 {
		t.Errorf("status %+v, expected task 1 to be missing", s)
	}
	expectSentence(t, rkd(t, dir, "precompute", plan, "--task-index", "3"), exitUsage,
		[]string{"index 3, expected 0 to 2"})
	expectSentence(t, rkd(t, dir, "precompute", plan, "--task-index", "x"), exitUsage, []string{`--task-index is "x"`})
	expectSentence(t, rkd(t, dir, "precompute", sampleConfig, "--task-index", "0", "--set", "cache.dir=nowhere"),
		exitInput, []string{"nowhere", "--plan"})
	expectSentence(t, rkd(t, dir, "precompute", sampleConfig, "--task-index", "1", "--set",
		"teacher.normalize=none"), exitMismatch,
		[]string{"normalize is l2, expected none"})

	indexed := program(t, dir, "precompute", sampleConfig)
	indexed.Env = append(indexed.Env, "JOB_COMPLETION_INDEX=1", "SLURM_ARRAY_TASK_ID=2")
	if r := finish(t, indexed); r.code != exitDone {
		t.Fatalf("by JOB_COMPLETION_INDEX: %d %s", r.code, r.stderr)
	}
	must(t, dir, "cache", "finalize", folder)
	for _, name := range []string{
		"manifest.json", "shard-00000-of-00004.parquet", "shard-00001-of-00004.parquet",
		"shard-00003-of-00004.parquet",
	} {
		path := filepath.Join(folder, name)
		if string(read(t, filepath.Join(whole, path))) != string(read(t, filepath.Join(dir, path))) {
			t.Errorf("%s differs from that of one process", name)
		}
	}
	// No task has seen all samples: the first training balances the ledger.
	ledger := "runs/sample/ledger.json"
	if _, err := os.Stat(filepath.Join(dir, ledger)); err == nil {
		t.Error("there is a ledger before the cache has been seen whole")
	}
	must(t, dir, onSample(t, "distill", "train.epochs=1", "train.steps_per_epoch=1")...)
	if string(read(t, filepath.Join(whole, ledger))) != string(read(t, filepath.Join(dir, ledger))) {
		t.Error("the ledger differs from that of one process")
	}
	if r := must(t, dir, "precompute", sampleConfig); !strings.Contains(r.stderr, "up to date") {
		t.Errorf("after tasks a run is not up to date:\n%s", r.stderr)
	}
}

// Added photographs are computed, moved and renamed ones recognised; a task whose photograph changed is refused.
func TestCacheOfAFolderGrows(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	photographs(t, dir)
	args := onSample(t, "precompute", "data.train={source: folder, dir: photographs, on_error: skip}",
		"teacher.preprocess={resize: [28, 28], color: gray, mean: [0.5]}", "train.batch={classes: 2, per_class: 2}")
	must(t, dir, args...)
	from := filepath.Join(dir, "photographs/dogs")
	a := read(t, filepath.Join(from, "a.jpg"))
	write(t, filepath.Join(from, "0.jpg"), append(append([]byte{}, a...), 0)) // other bytes in front of all others
	if err := os.Rename(from, filepath.Join(dir, "photographs/hounds")); err != nil {
		t.Fatal(err)
	}
	r := must(t, dir, append(args, "--json")...)
	if !strings.Contains(r.stderr, "of 2 images") { // the new one, and the broken one, which is tried again
		t.Errorf("expected one photograph to be computed, and one to be tried again:\n%s", r.stderr)
	}
	var m cache.Manifest
	if err := json.Unmarshal([]byte(r.stdout), &m); err != nil || m.Rows != 7 {
		t.Errorf("%d rows (%v), expected 7", m.Rows, err)
	}
	must(t, dir, "cache", "verify", "runs/sample/cache")
	must(t, dir, "cache", "gc", "runs/sample/cache")

	write(t, filepath.Join(dir, "photographs/hounds/1.jpg"), append(append([]byte{}, a...), 1))
	must(t, dir, append(args, "--plan")...)
	write(t, filepath.Join(dir, "photographs/hounds/1.jpg"), append(append([]byte{}, a...), 2))
	expectSentence(t, rkd(t, dir, append(args, "--task-index", "0")...), exitMismatch,
		[]string{"1.jpg", "changed since the plan was written"})
}
