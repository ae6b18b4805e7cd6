package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// statusSays requires parts of what `rkd batch status` prints.
func statusSays(t *testing.T, dir, file string, parts ...string) {
	t.Helper()
	out := strings.Join(strings.Fields(must(t, dir, "batch", "status", file).stdout), " ")
	for _, part := range parts {
		if !strings.Contains(out, part) {
			t.Errorf("status lacks %q: %s", part, out)
		}
	}
}

// The tasks of several teachers' plans are one array, and the jobs make what one process makes.
func TestTasksOfSeveralTeachers(t *testing.T) {
	t.Parallel()
	dir, whole := workplace(t), workplace(t)
	const file = "two.yaml"
	text := twoTeachers + "cache: {rows_per_shard: 64}\nbatch: {tasks: 2}\n"
	for _, d := range []string{dir, whole} {
		write(t, filepath.Join(d, file), []byte(text))
	}
	must(t, whole, "run", file)

	statusSays(t, dir, file, "precompute no plan finalize 0 of 2 caches distill 0 of 1 trainings missing 0")
	must(t, dir, "batch", "render", file, "--out", "jobs")
	if submit := string(read(t, filepath.Join(dir, "jobs", "submit.sh"))); !strings.Contains(submit, "--array=0-3") {
		t.Errorf("submit.sh is\n%s", submit)
	}
	finalize := string(read(t, filepath.Join(dir, "jobs", "2-finalize.sh")))
	if !strings.Contains(finalize, "cache finalize runs/two/cache/classifier runs/two/cache/embedding") {
		t.Errorf("2-finalize.sh is\n%s", finalize)
	}
	for _, task := range []string{"3", "0", "1"} {
		must(t, dir, "precompute", file, "--task-index", task)
	}
	r := rkd(t, dir, "cache", "finalize", "runs/two/cache/embedding", "runs/two/cache/classifier")
	if r.code != exitPartial || !strings.Contains(r.stderr, "runs/two/cache/embedding") ||
		!strings.Contains(r.stdout, "runs/two/cache/classifier: ") {
		t.Errorf("finalize of an unfinished and a finished cache: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	statusSays(t, dir, file, "precompute 3 of 4 tasks missing 2 finalize 1 of 2 caches")
	must(t, dir, "batch", "render", file, "--missing", "--out", "missing")
	if submit := string(read(t, filepath.Join(dir, "missing", "submit.sh"))); !strings.Contains(submit, "--array=2\n") &&
		!strings.Contains(submit, "--array=2)") {
		t.Errorf("--missing submits\n%s", submit)
	}
	finalize = string(read(t, filepath.Join(dir, "missing", "2-finalize.sh")))
	if strings.Contains(finalize, "classifier") {
		t.Errorf("--missing finalizes\n%s", finalize)
	}
	expectSentence(t, rkd(t, dir, "precompute", file, "--task-index", "4"), exitUsage,
		[]string{"index 4, expected 0 to 3", "2 teachers"})
	must(t, dir, "precompute", "runs/two/cache/embedding/PLAN.json", "--task-index", "0")
	must(t, dir, "cache", "finalize", "runs/two/cache/embedding")
	must(t, dir, "distill", file, "--task-index", "0")
	must(t, dir, "export", file, "--task-index", "0")
	must(t, dir, "batch", "collect", file)
	statusSays(t, dir, file, "precompute 4 of 4 tasks finalize done distill 1 of 1 trainings export 1 of 1 trainings "+
		"evaluate done")
	sameRun(t, filepath.Join(dir, "runs/two"), filepath.Join(whole, "runs/two"))

	// Another classifier than that of the plan is found before anything is queued.
	expectSentence(t, rkd(t, dir, "batch", "render", file, "--set", "teachers.classifier.normalize=none"), exitMismatch,
		[]string{"teacher classifier", "normalize is l2, expected none"})
}

// Without a teacher the chain begins with the trainings.
func TestTasksWithoutATeacher(t *testing.T) {
	t.Parallel()
	dir, whole := workplace(t), workplace(t)
	const file = "maker.yaml"
	for _, d := range []string{dir, whole} {
		write(t, filepath.Join(d, file), []byte(teacherMaker+"seeds: [1, 2, 3, 4]\n"))
	}
	must(t, whole, "run", file)
	must(t, dir, "batch", "render", file, "--out", "jobs")
	scripts, err := filepath.Glob(filepath.Join(dir, "jobs", "*.sh"))
	if err != nil || len(scripts) != 5 || filepath.Base(scripts[0]) != "1-distill.sh" {
		t.Errorf("the scripts are %v (%v)", scripts, err)
	}
	if out := must(t, dir, "batch", "status", file).stdout; !strings.HasPrefix(out, "distill") {
		t.Errorf("status is\n%s", out)
	}
	if _, err := os.Stat(filepath.Join(dir, "runs/maker/cache")); !os.IsNotExist(err) {
		t.Errorf("there is a cache: %v", err)
	}
	for _, task := range []string{"2", "0", "3", "1"} {
		must(t, dir, "distill", file, "--task-index", task)
		must(t, dir, "export", file, "--task-index", task)
	}
	statusSays(t, dir, file, "distill 4 of 4 trainings export 4 of 4 trainings evaluate not yet")
	must(t, dir, "eval", file)
	must(t, dir, "batch", "collect", file)
	sameRun(t, filepath.Join(dir, "runs/maker"), filepath.Join(whole, "runs/maker"))
	expectSentence(t, rkd(t, dir, "batch", "render", file, "--set", "train.batch.classes=50"), exitUsage,
		[]string{"train.batch"})
}
