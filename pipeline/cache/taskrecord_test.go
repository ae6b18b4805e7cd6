package cache

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// byTasks fills a folder as tasks do, and leaves their records.
func byTasks(t *testing.T, dir string, plan Plan) *PlanFile {
	t.Helper()
	p := create(t, dir, plan).Plan()
	for task := range p.Tasks {
		w, err := Resume(t.Context(), dir, task)
		must(t, err)
		wantError(t, w.CommitTask(t.Context(), task), ErrIncomplete, "is missing")
		for _, i := range w.Missing() {
			must(t, w.WriteShard(t.Context(), i, embed(w.Rows(i), plan.Dim, plan.LogitsDim)))
		}
		must(t, w.CommitTask(t.Context(), task))
	}
	return p
}

// tasksPlan has 8 shards in 3 tasks.
func tasksPlan() Plan {
	plan := testPlan(50, 1, 7, 5, 0)
	plan.Tasks = 3
	return plan
}

func records(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "task-*"))
	must(t, err)
	return names
}

// Finalize takes from the records of tasks what else it reads from the shards, and leaves the folder of one process.
func TestFinalizeByRecords(t *testing.T) {
	whole, dir := t.TempDir(), t.TempDir()
	fill(t, create(t, whole, tasksPlan()))
	byTasks(t, dir, tasksPlan())
	if len(records(t, dir)) != 3 {
		t.Fatalf("the records are %v", records(t, dir))
	}
	shard := filepath.Join(dir, shardName(1, 4, 8))
	data, err := os.ReadFile(shard)
	must(t, err)
	must(t, os.WriteFile(shard, make([]byte, len(data)), 0o644)) // nobody looks
	late, err := Resume(t.Context(), dir, 2)
	must(t, err)
	_, err = Finalize(t.Context(), dir)
	must(t, err)
	wantError(t, Verify(t.Context(), dir), ErrCorrupt, filepath.Base(shard))
	must(t, os.WriteFile(shard, data, 0o644))
	must(t, Verify(t.Context(), dir))
	sameFiles(t, contents(t, dir), contents(t, whole))

	w, err := Resume(t.Context(), dir, 1) // again, when all is done
	must(t, err)
	must(t, w.CommitTask(t.Context(), 1))
	must(t, late.CommitTask(t.Context(), 2)) // by who began before
	if len(records(t, dir)) != 0 {
		t.Errorf("records are left: %v", records(t, dir))
	}
	_, err = Finalize(t.Context(), dir)
	must(t, err)
	sameFiles(t, contents(t, dir), contents(t, whole))
}

// A record is believed only while it is whole, of this plan and task, and fits the shards' sizes.
func TestRecordsThatAreNotBelieved(t *testing.T) {
	other := tasksPlan()
	other.Config = "another"
	for name, spoil := range map[string]func(t *testing.T, dir string){
		"damaged": func(t *testing.T, dir string) {
			name := records(t, dir)[1]
			data, err := os.ReadFile(name)
			must(t, err)
			must(t, os.WriteFile(name, []byte(strings.Replace(string(data), `"rows": 7`, `"rows": 6`, 1)), 0o644))
		},
		"cut short": func(t *testing.T, dir string) { must(t, os.Truncate(records(t, dir)[0], 100)) },
		"of another plan": func(t *testing.T, dir string) {
			from := t.TempDir()
			byTasks(t, from, other)
			must(t, os.Rename(records(t, from)[2], records(t, dir)[2]))
		},
		"of another task": func(t *testing.T, dir string) { must(t, os.Rename(records(t, dir)[0], records(t, dir)[1])) },
	} {
		t.Run(name, func(t *testing.T) {
			whole, dir := t.TempDir(), t.TempDir()
			fill(t, create(t, whole, tasksPlan()))
			byTasks(t, dir, tasksPlan())
			spoil(t, dir)
			_, err := Finalize(t.Context(), dir)
			must(t, err)
			sameFiles(t, contents(t, dir), contents(t, whole))
		})
	}
	t.Run("of a shard that was cut short", func(t *testing.T) {
		dir := t.TempDir()
		byTasks(t, dir, tasksPlan())
		must(t, os.Truncate(filepath.Join(dir, shardName(1, 3, 8)), 100))
		_, err := Finalize(t.Context(), dir)
		wantError(t, err, ErrIncomplete, shardName(1, 3, 8))
	})
	t.Run("before a shard is made anew", func(t *testing.T) {
		dir := t.TempDir()
		byTasks(t, dir, tasksPlan())
		must(t, os.Remove(filepath.Join(dir, shardName(1, 3, 8))))
		_, err := Resume(t.Context(), dir, 1)
		must(t, err)
		if left := records(t, dir); len(left) != 2 {
			t.Errorf("the records are %v, expected none of task 1", left)
		}
	})
}

// A manifest of many shards keeps them in a table beside it, and everything works as without.
func TestManifestWithATable(t *testing.T) {
	defer func(n int) { maxListed = n }(maxListed)
	listed, dir := t.TempDir(), t.TempDir()
	fill(t, create(t, listed, tasksPlan()))
	maxListed = 4
	w := create(t, dir, tasksPlan())
	fill(t, w)
	want, err := Open(t.Context(), listed)
	must(t, err)
	c, err := Open(t.Context(), dir)
	must(t, err)
	m := c.Manifest()
	if m.Table == nil || len(m.Shards) != 8 {
		t.Fatalf("the manifest has %d shards and table %+v", len(m.Shards), m.Table)
	}
	for i, s := range want.Manifest().Shards {
		if m.Shards[i] != s {
			t.Errorf("shard %d is %+v, expected %+v", i, m.Shards[i], s)
		}
	}
	must(t, Verify(t.Context(), dir))
	if table, err := c.Load(t.Context()); err != nil || len(table.IDs) != 50 {
		t.Errorf("reading it: %v", err)
	}
	_, err = Finalize(t.Context(), dir)
	must(t, err)

	table := filepath.Join(dir, m.Table.File)
	data, err := os.ReadFile(table)
	must(t, err)
	data[len(data)/2] ^= 1
	must(t, os.WriteFile(table, data, 0o644))
	_, err = Open(t.Context(), dir)
	wantError(t, err, ErrCorrupt, m.Table.File)
	must(t, os.Remove(table))
	_, err = Open(t.Context(), dir)
	wantError(t, err, ErrCorrupt, m.Table.File, "missing")
	fill(t, create(t, dir, tasksPlan())) // which makes it again, from the shards
	must(t, Verify(t.Context(), dir))

	maxListed = 100
	_, err = Finalize(t.Context(), dir)
	must(t, err)
	sameFiles(t, contents(t, dir), contents(t, listed))
}
