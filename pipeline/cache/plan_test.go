package cache

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rkd/datasets/parquetfile"
)

// Of several keys that claim a fresh folder at once exactly one has it, and the others are refused.
func TestAFolderBelongsToOneKey(t *testing.T) {
	for round := range raceRounds / 2 {
		dir := filepath.Join(t.TempDir(), "cache")
		errs := make([]error, 8)
		var group sync.WaitGroup
		for n := range errs {
			plan := testPlan(6, 1, 4, 3, 0)
			plan.Key.Model = strings.Repeat(string(rune('a'+n)), 64)[:63] + "0"
			group.Go(func() {
				w, err := Create(t.Context(), dir, plan)
				if err == nil {
					for i := range w.Shards() {
						err = errors.Join(err, w.WriteShard(t.Context(), i, embed(w.Rows(i), 3, 0)))
					}
				}
				errs[n] = err
			})
		}
		group.Wait()
		winners := 0
		for n, err := range errs {
			switch {
			case err == nil:
				winners++
			case !errors.Is(err, ErrMismatch) || !strings.Contains(err.Error(), "model is"):
				t.Errorf("writer %d: %v, want ErrMismatch", n, err)
			}
		}
		if winners != 1 {
			t.Fatalf("round %d: %d keys have the folder", round, winners)
		}
		_, err := Finalize(t.Context(), dir)
		must(t, err)
		must(t, Verify(t.Context(), dir))
	}
}

// The tasks of a plan, each in a writer of its own and in any order, make what one writer makes.
func TestTasksMakeTheSameBytes(t *testing.T) {
	for _, tasks := range []int{0, 1, 3, 7, 99} {
		plan := testPlan(50, 2, 7, 5, 2)
		plan.Tasks = tasks
		want := contents(t, build(t, plan, 12))
		dir := t.TempDir()
		p := create(t, dir, plan).Plan()
		made := map[int]bool{}
		for task := range p.Tasks {
			task = p.Tasks - 1 - task
			w, err := Resume(t.Context(), dir, task)
			must(t, err)
			for _, i := range w.Missing() {
				if made[i] {
					t.Errorf("%d tasks: shard %d belongs to two", tasks, i)
				}
				made[i] = true
				must(t, w.WriteShard(t.Context(), i, embed(drop(w.Rows(i), 12), 5, 2)))
			}
			if !w.Done() {
				t.Errorf("%d tasks: task %d misses %v", tasks, task, w.Missing())
			}
		}
		if len(made) != p.ShardCount || len(made) != 15 {
			t.Errorf("%d tasks made %d of %d shards", tasks, len(made), p.ShardCount)
		}
		_, err := Finalize(t.Context(), dir)
		must(t, err)
		sameFiles(t, contents(t, dir), want)
	}
}

func TestTasksOfAPlan(t *testing.T) {
	dir := t.TempDir()
	_, err := Resume(t.Context(), dir, 0)
	wantError(t, err, ErrNoPlan, dir, "--plan")
	_, err = Finalize(t.Context(), filepath.Join(dir, "nowhere"))
	wantError(t, err, ErrNoPlan, "nowhere")
	_, err = ReadStatus(t.Context(), dir)
	wantError(t, err, ErrNoPlan)

	plan := testPlan(50, 1, 7, 5, 0)
	plan.Tasks = 3
	create(t, dir, plan)
	_, err = Resume(t.Context(), dir, 3)
	wantError(t, err, ErrTask, "index 3, expected 0 to 2")
	_, err = Finalize(t.Context(), dir)
	wantError(t, err, ErrIncomplete, "8 of 8 shards are missing", shardName(1, 0, 8), "and 3 more")

	w, err := Resume(t.Context(), dir, 1)
	must(t, err)
	for _, i := range w.Missing() {
		must(t, w.WriteShard(t.Context(), i, embed(w.Rows(i), 5, 0)))
	}
	s, err := ReadStatus(t.Context(), dir)
	must(t, err)
	want := &Status{
		Dir: dir, Rows: 50, AllRows: 50, Shards: 8, Tasks: 3, Plan: 1, MissingTasks: []int{0, 2},
		Missing: []string{shardName(1, 0, 8), shardName(1, 1, 8), shardName(1, 5, 8), shardName(1, 6, 8), shardName(1, 7, 8)},
	}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	fill(t, create(t, dir, plan))
	if s, err := ReadStatus(t.Context(), dir); err != nil || !s.Complete || len(s.Missing)+len(s.MissingTasks) > 0 {
		t.Errorf("status of a finished cache: %+v, %v", s, err)
	}
}

// A task reads the samples of its own shards only, wherever they lie in the table.
func TestTaskReadsItsSamples(t *testing.T) {
	plan := testPlan(samplesPerGroup*2+100, 1, 50_000, 1, 0)
	dir := t.TempDir()
	whole := create(t, dir, plan)
	for task := range whole.Plan().Tasks {
		w, err := Resume(t.Context(), dir, task)
		must(t, err)
		for _, i := range w.Missing() {
			if !reflect.DeepEqual(whole.Rows(i), w.Rows(i)) {
				t.Fatalf("shard %d has other rows", i)
			}
		}
		if len(w.plan.table.samples) == len(plan.Samples) {
			t.Errorf("task %d read all samples", task)
		}
	}
}

func TestDamagedPlans(t *testing.T) {
	plan := testPlan(9, 1, 4, 3, 0)
	for _, name := range []string{PlanName, "samples"} {
		dir := t.TempDir()
		p := create(t, dir, plan).Plan()
		path := filepath.Join(dir, PlanName)
		if name != PlanName {
			path = filepath.Join(dir, p.SamplesFile)
		}
		data, err := os.ReadFile(path)
		must(t, err)
		for at := 0; at < len(data); at += 61 {
			for _, damaged := range [][]byte{flip(at)(bytes.Clone(data)), data[:at]} {
				must(t, os.WriteFile(path, damaged, 0o644))
				_, err := Create(t.Context(), dir, plan)
				wantError(t, err, ErrCorrupt, filepath.Base(path))
				if _, err := Resume(t.Context(), dir, 1); err != nil && !errors.Is(err, ErrCorrupt) {
					t.Fatalf("byte %d: %v", at, err)
				}
			}
		}
	}
}

func TestPlansOfOtherFormats(t *testing.T) {
	dir := t.TempDir()
	plan := testPlan(9, 1, 4, 3, 0)
	create(t, dir, plan)
	damage(t, filepath.Join(dir, PlanName), func(b []byte) []byte {
		return bytes.Replace(b, []byte(`"format_version": 2`), []byte(`"format_version": 9`), 1)
	})
	_, err := Create(t.Context(), dir, plan)
	wantError(t, err, ErrMismatch, dir, "format_version is 9", "newer rkd")
}

// A cache of version 1 is read, and valid for its key; it is neither repaired nor grown.
func TestVersion1(t *testing.T) {
	const dir = "testdata/version-1"
	plan := testPlan(7, 2, 6, 4, 3)
	c, err := Open(t.Context(), dir)
	must(t, err)
	must(t, Verify(t.Context(), dir))
	must(t, c.Check(plan.Key))
	table, err := c.Load(t.Context())
	must(t, err)
	want := expected(plan, 6)
	sameRows(t, "version 1", table.Rows, want.Rows)
	if !c.DrawsByID() {
		t.Error("its views were drawn by content")
	}
	head, err := c.Head(t.Context(), 3)
	must(t, err)
	sameRows(t, "head", head.Rows, want.slice(0, 3, 4, 3))
	if got := c.Manifest().KeyHash; got != plan.Key.hash(1) {
		t.Errorf("its key is %s", got)
	}
	before := contents(t, dir)
	_, err = Create(t.Context(), dir, plan)
	wantError(t, err, ErrMismatch, dir, "format_version is 1")
	copied := t.TempDir()
	for name, data := range before {
		if name != ManifestName {
			must(t, os.WriteFile(filepath.Join(copied, name), []byte(data), 0o644))
		}
	}
	_, err = Create(t.Context(), copied, plan)
	wantError(t, err, ErrMismatch, copied, "format_version is 1")
	sameFiles(t, contents(t, dir), before)
}

// Who fails before anything is made gives the folder back; who joined the plan in between keeps it.
func TestAbandonedPlans(t *testing.T) {
	dir := t.TempDir()
	plan := testPlan(9, 1, 4, 3, 0)
	want := contents(t, build(t, plan))
	first := create(t, dir, plan)
	second := create(t, dir, plan)
	must(t, second.Abandon(t.Context()))
	if len(contents(t, dir)) != 2 {
		t.Error("a plan was given back by who did not create it")
	}
	must(t, first.Abandon(t.Context()))
	if files := contents(t, dir); len(files) != 0 {
		t.Errorf("left %d files", len(files))
	}
	fill(t, second)
	sameFiles(t, contents(t, dir), want)

	dir = t.TempDir()
	first = create(t, dir, plan)
	must(t, first.WriteShard(t.Context(), 1, embed(first.Rows(1), 3, 0)))
	must(t, first.Abandon(t.Context()))
	if len(contents(t, dir)) != 3 {
		t.Error("a plan of which a shard is made was given back")
	}
	other := plan
	other.Key.Normalize = "none"
	_, err := Create(t.Context(), dir, other)
	wantError(t, err, ErrMismatch)
}

func TestPlanDir(t *testing.T) {
	for file, want := range map[string]string{
		"PLAN.json": ".", "a/b/PLAN.json": "a/b", "/PLAN-12.json": "/", "a/plan.json": "", "PLAN-1.json": "",
		"a/PLAN.json/b": "",
	} {
		if dir, ok := PlanDir(file); dir != want || ok != (want != "") {
			t.Errorf("%s: %q, %v, want %q", file, dir, ok, want)
		}
	}
}

func FuzzPlan(f *testing.F) {
	p := testPlan(3, 1, 2, 2, 0)
	t := p.table()
	file := p.file(1, t)
	d := newDigest()
	must(f, t.encode(d))
	file.Header.Samples = d.hex()
	file.SamplesFile = contentName(d.hex(), samplesSuffix)
	data, err := file.encode()
	must(f, err)
	f.Add(data)
	f.Add(data[:len(data)/2])
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := parsePlan(data)
		if err != nil {
			return
		}
		again, err := p.encode()
		if err != nil || !bytes.Equal(again, data) {
			t.Errorf("accepted bytes that it does not write: %v", err)
		}
	})
}

func FuzzShardTable(f *testing.F) {
	var b bytes.Buffer
	must(f, encodeShardTable(&b, []Shard{{shardName(1, 0, 2), 3, 1, 5, 1000, strings.Repeat("ab", 32)}, {
		shardName(1, 1, 2), 1, 6, 6, 900, strings.Repeat("cd", 32),
	}}))
	f.Add(b.Bytes())
	f.Add(b.Bytes()[:b.Len()/2])
	f.Fuzz(func(t *testing.T, data []byte) {
		var shards []Shard
		err := parquetfile.Guard(func() (err error) {
			shards, err = parseShardTable(t.Context(), bytes.NewReader(data), int64(len(data)))
			return err
		})
		if err == nil && len(shards) > len(data) {
			t.Errorf("%d shards in %d bytes", len(shards), len(data))
		}
	})
}

func FuzzTaskRecord(f *testing.F) {
	p := create(f, f.TempDir(), tasksPlan()).Plan()
	from, to, err := p.TaskShards(1)
	must(f, err)
	r := taskRecord{FormatVersion: FormatVersion, Plan: p.Checksum, Task: 1, Skipped: []int64{}}
	for i := from; i < to; i++ {
		r.Shards = append(r.Shards, Shard{shardName(1, i, p.ShardCount), 7, 0, 1, 1000, strings.Repeat("ab", 32)})
	}
	data, err := r.encode()
	must(f, err)
	f.Add(data)
	f.Add(data[:len(data)/2])
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := parseRecord(data, p, 1)
		if err != nil {
			return
		}
		if again, err := r.encode(); err != nil || !bytes.Equal(again, data) {
			t.Errorf("it is read as something else (%v)", err)
		}
	})
}

func FuzzSamples(f *testing.F) {
	plan := mustResolve(f, testPlan(3, 1, 2, 2, 0))
	var b bytes.Buffer
	must(f, plan.table().encode(&b))
	f.Add(b.Bytes())
	f.Add(b.Bytes()[:b.Len()/2])
	file := plan.file(1, plan.table())
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = readSampleTable(t.Context(), memoryFile{bytes.NewReader(data)}, file, 0, file.Rows)
	})
}

// memoryFile is a file in memory.
type memoryFile struct{ *bytes.Reader }

func (memoryFile) Close() error { return nil }
