package batch_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rkd/pipeline/batch"
	"rkd/pipeline/config"
)

var update = flag.Bool("update", false, "write the golden files")

// upTo lists the numbers from 0 to n-1.
func upTo(n int) []int {
	var list []int
	for i := range n {
		list = append(list, i)
	}
	return list
}

// full has something of everything in it.
func full() *batch.Chain {
	retries := 3
	return &batch.Chain{
		Name: "digits", Mark: "MARK", RunDir: "runs/digits", ConfigText: []byte("name: digits # and so on\n"),
		Config: "plans/my digits.yaml", Set: []string{"train.epochs=2", "seeds=[1, 2]"},
		CacheDirs: []string{"runs/digits/cache"},
		Program:   "/home/ann/bin/rkd", WorkDir: "/home/ann/digits", Dir: "/home/ann/digits/jobs",
		Batch: config.Batch{
			Program: "rkd", Parallel: 3,
			Resources: config.Resources{CPUs: 4, Memory: "16G", GPUs: 1, Time: "04:00:00"},
			Stages:    config.Stages{Distill: config.Resources{Time: "1-00:00:00"}},
			Retries:   &retries, Partition: "gpu", Account: "vision", QOS: "long", MaxArraySize: 4,
			Environment: map[string]string{"OMP_NUM_THREADS": "4", "NOTE": "it's $here"},
			Prologue:    "module load onnxruntime\n", Directives: []string{"--constraint=avx512"},
		},
		Work: batch.Work{Precompute: upTo(10), Finalize: []string{"runs/digits/cache"}, Distill: upTo(4), Export: upTo(4)},
	}
}

// plain leaves everything to its default and has little to do.
func plain() *batch.Chain {
	retries := 2
	return &batch.Chain{
		Name: "sample", Mark: "MARK", RunDir: "runs/sample", Config: "sample.yaml",
		CacheDirs: []string{"runs/sample/cache"}, Program: "/opt/rkd/bin/rkd",
		WorkDir: "/data/with space",
		Dir:     "/data/with space/jobs", Batch: config.Batch{Retries: &retries, MaxArraySize: 1001},
		Work: batch.Work{Distill: []int{1}, Export: []int{0, 1, 2}},
	}
}

// teachers has several of them, of whose caches one is finished.
func teachers() *batch.Chain {
	c := plain()
	c.CacheDirs = []string{"runs/sample/cache/a", "runs/sample/cache/b", "runs/sample/cache/c"}
	c.Work = batch.Work{
		Precompute: []int{0, 1, 5, 6}, Finalize: []string{c.CacheDirs[0], c.CacheDirs[2]},
		Distill: []int{0}, Export: []int{0},
	}
	return c
}

// Every document is compared with its golden file.
func TestSlurm(t *testing.T) {
	for name, chain := range map[string]*batch.Chain{"full": full(), "plain": plain(), "teachers": teachers()} {
		files, err := chain.Render(batch.Slurm)
		if err != nil {
			t.Fatal(err)
		}
		compare(t, filepath.Join("testdata", "slurm", name), files)
	}
}

// compare holds files against the golden ones of a folder, which has no others.
func compare(t *testing.T, dir string, files []batch.File) {
	t.Helper()
	if *update {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range files {
		golden := filepath.Join(dir, f.Name)
		if *update {
			write(t, golden, f.Data, f.Mode)
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(f.Data)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", golden, diff)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != len(files) {
		t.Errorf("%s has %d files, the chain %d (%v)", dir, len(entries), len(files), err)
	}
}

func write(t *testing.T, path string, data []byte, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, mode); err != nil {
		t.Fatal(err)
	}
}

// standIn puts a program of a name, a shell script, on the path, and nothing else but what it needs.
func standIn(t *testing.T, name, script string) {
	t.Helper()
	bin := t.TempDir()
	write(t, filepath.Join(bin, name), []byte("#!/bin/sh\n"+script), 0o755)
	t.Setenv("PATH", bin+":/bin:/usr/bin")
}

// Each job waits for all arrays of the stage before it.
func TestSubmit(t *testing.T) {
	calls := filepath.Join(t.TempDir(), "calls")
	t.Setenv("CALLS", calls)
	standIn(t, "sbatch", `echo "$@" >>"$CALLS"; echo "$(wc -l <"$CALLS");cluster"`)
	jobs, err := full().SubmitSlurm(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	if last := jobs[len(jobs)-1]; len(jobs) != 8 || last != (batch.Job{Stage: "collect", ID: "8"}) {
		t.Errorf("the jobs are %v", jobs)
	}
	got, err := os.ReadFile(calls)
	if err != nil {
		t.Fatal(err)
	}
	want := `--parsable --array=0-3%3 /home/ann/digits/jobs/1-precompute.sh 0
--parsable --array=0-3%3 /home/ann/digits/jobs/1-precompute.sh 4
--parsable --array=0-1%3 /home/ann/digits/jobs/1-precompute.sh 8
--parsable --dependency=afterok:1:2:3 /home/ann/digits/jobs/2-finalize.sh
--parsable --array=0-3%3 --dependency=afterok:4 /home/ann/digits/jobs/3-distill.sh 0
--parsable --array=0-3%3 --dependency=afterok:5 /home/ann/digits/jobs/4-export.sh 0
--parsable --dependency=afterok:6 /home/ann/digits/jobs/5-evaluate.sh
--parsable --dependency=afterok:7 /home/ann/digits/jobs/6-collect.sh
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("sbatch is called (-want +got):\n%s", diff)
	}
}

// With waiting, the last job's end is waited for, and told. A job that was cancelled because one before it has failed
// has no log, and sbatch says nothing of it.
func TestSubmitAndWait(t *testing.T) {
	chain := plain()
	chain.Dir = t.TempDir()
	write(t, filepath.Join(chain.Dir, "log", "collect-9.log"), nil, 0o644)
	standIn(t, "sbatch", `case "$*" in *--wait*) echo "$ID"; exit "$CODE";; *) echo 7;; esac`)
	for _, test := range []struct {
		id, code string
		want     error
	}{{"9", "0", nil}, {"9", "1", batch.ErrStage}, {"10", "0", batch.ErrStage}} {
		t.Setenv("ID", test.id)
		t.Setenv("CODE", test.code)
		jobs, err := chain.SubmitSlurm(t.Context(), true)
		if !errors.Is(err, test.want) || len(jobs) != 4 || jobs[3].ID != test.id || jobs[2].ID != "7" {
			t.Errorf("sbatch --wait ends job %s with %s: jobs %v, error %v", test.id, test.code, jobs, err)
		}
	}
}

// What Slurm has taken before it refuses is told, and its words come whole and once.
func TestRefusal(t *testing.T) {
	standIn(t, "sbatch", `case "$*" in
*finalize*) echo "sbatch: error: Batch job submission failed: Invalid qos specification" >&2; exit 1;;
esac; echo 7`)
	jobs, err := full().SubmitSlurm(t.Context(), false)
	if !errors.Is(err, batch.ErrRefused) || len(jobs) != 3 ||
		strings.Count(err.Error(), "Invalid qos specification") != 1 ||
		!strings.Contains(err.Error(), "submitting finalize") {
		t.Errorf("jobs %v, error %v", jobs, err)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := full().SubmitSlurm(t.Context(), false); !errors.Is(err, batch.ErrNoEngine) ||
		!strings.Contains(err.Error(), "submit.sh") {
		t.Errorf("without sbatch the error is %v", err)
	}
}

func TestFoldersThatNoScriptCanName(t *testing.T) {
	for _, dir := range []string{"/a\nb", `/a"b`, "/a%jb"} {
		c := plain()
		c.Dir = dir
		if err := c.Check(batch.Slurm); !errors.Is(err, config.ErrConfig) {
			t.Errorf("%q: %v", dir, err)
		}
	}
	if err := plain().Check(batch.Slurm); err != nil {
		t.Error(err)
	}
}

func TestRanges(t *testing.T) {
	for want, numbers := range map[string][]int{"": nil, "5": {5}, "0-3,7,9-10": {0, 1, 2, 3, 7, 9, 10}} {
		if got := batch.Ranges(numbers); got != want {
			t.Errorf("%v is %q, expected %q", numbers, got, want)
		}
		if got, err := batch.Numbers(want); want != "" && (err != nil || !slices.Equal(got, numbers)) {
			t.Errorf("%q is %v, expected %v (%v)", want, got, numbers, err)
		}
	}
	for _, wrong := range []string{"", "a", "3-1", "1,,2", "-1", "0-99999999999", "0-2000000"} {
		if got, err := batch.Numbers(wrong); err == nil {
			t.Errorf("%q is %v", wrong, got)
		}
	}
}
