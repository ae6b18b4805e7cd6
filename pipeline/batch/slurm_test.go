package batch_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
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
		Name: "digits", Config: "plans/my digits.yaml", Set: []string{"train.epochs=2", "seeds=[1, 2]"},
		CacheDir: "runs/digits/cache",
		Program:  "rkd", WorkDir: "/home/ann/digits", Dir: "/home/ann/digits/jobs",
		Batch: config.Batch{
			Resources: config.Resources{CPUs: 4, Memory: "16G", GPUs: 1, Time: "04:00:00"},
			Stages:    config.Stages{Distill: config.Resources{Time: "1-00:00:00"}},
			Retries:   &retries, Partition: "gpu", Account: "vision", QOS: "long", MaxArraySize: 4,
			Environment: map[string]string{"OMP_NUM_THREADS": "4", "NOTE": "it's $here"},
			Prologue:    "module load onnxruntime\n", Directives: []string{"--constraint=avx512"},
		},
		Work: batch.Work{Precompute: upTo(10), Finalize: true, Distill: upTo(4), Export: upTo(4)},
	}
}

// plain leaves everything to its default and has little to do.
func plain() *batch.Chain {
	retries := 2
	return &batch.Chain{
		Name: "sample", Config: "sample.yaml", CacheDir: "runs/sample/cache", Program: "/opt/rkd/bin/rkd",
		WorkDir: "/data/with space",
		Dir:     "/data/with space/jobs", Batch: config.Batch{Retries: &retries, MaxArraySize: 1001},
		Work: batch.Work{Distill: []int{1}, Export: []int{0, 1, 2}},
	}
}

// Every document is compared with its golden file.
func TestSlurm(t *testing.T) {
	for name, chain := range map[string]*batch.Chain{"full": full(), "plain": plain()} {
		files, err := chain.Slurm()
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join("testdata", "slurm", name)
		if *update {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
		}
		var names []string
		for _, f := range files {
			golden := filepath.Join(dir, f.Name)
			names = append(names, f.Name)
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
		if err != nil || len(entries) != len(names) {
			t.Errorf("%s has %d files, the chain %v (%v)", dir, len(entries), names, err)
		}
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

// sbatch puts a program of that name, a shell script, on the path, and nothing else but what it needs.
func sbatch(t *testing.T, script string) {
	t.Helper()
	bin := t.TempDir()
	write(t, filepath.Join(bin, "sbatch"), []byte("#!/bin/sh\n"+script), 0o755)
	t.Setenv("PATH", bin+":/bin:/usr/bin")
}

// Each job waits for all arrays of the stage before it.
func TestSubmit(t *testing.T) {
	calls := filepath.Join(t.TempDir(), "calls")
	t.Setenv("CALLS", calls)
	sbatch(t, `echo "$@" >>"$CALLS"; echo "$(wc -l <"$CALLS");cluster"`)
	jobs, err := full().SubmitSlurm(t.Context())
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
	want := `--parsable --array=0-3 /home/ann/digits/jobs/1-precompute.sh 0
--parsable --array=0-3 /home/ann/digits/jobs/1-precompute.sh 4
--parsable --array=0-1 /home/ann/digits/jobs/1-precompute.sh 8
--parsable --dependency=afterok:1:2:3 /home/ann/digits/jobs/2-finalize.sh
--parsable --array=0-3 --dependency=afterok:4 /home/ann/digits/jobs/3-distill.sh 0
--parsable --array=0-3 --dependency=afterok:5 /home/ann/digits/jobs/4-export.sh 0
--parsable --dependency=afterok:6 /home/ann/digits/jobs/5-evaluate.sh
--parsable --dependency=afterok:7 /home/ann/digits/jobs/6-collect.sh
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("sbatch is called (-want +got):\n%s", diff)
	}
}

// What Slurm has taken before it refuses is told, and its words come whole and once.
func TestRefusal(t *testing.T) {
	sbatch(t, `case "$*" in
*finalize*) echo "sbatch: error: Batch job submission failed: Invalid qos specification" >&2; exit 1;;
esac; echo 7`)
	jobs, err := full().SubmitSlurm(t.Context())
	if !errors.Is(err, batch.ErrRefused) || len(jobs) != 3 ||
		strings.Count(err.Error(), "Invalid qos specification") != 1 ||
		!strings.Contains(err.Error(), "submitting finalize") {
		t.Errorf("jobs %v, error %v", jobs, err)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := full().SubmitSlurm(t.Context()); !errors.Is(err, batch.ErrNoEngine) ||
		!strings.Contains(err.Error(), "submit.sh") {
		t.Errorf("without sbatch the error is %v", err)
	}
}

func TestFoldersThatNoScriptCanName(t *testing.T) {
	for _, dir := range []string{"/a\nb", `/a"b`, "/a%jb"} {
		c := plain()
		c.Dir = dir
		if err := c.Check(); !errors.Is(err, config.ErrConfig) {
			t.Errorf("%q: %v", dir, err)
		}
	}
	if err := plain().Check(); err != nil {
		t.Error(err)
	}
}

func TestRanges(t *testing.T) {
	for want, numbers := range map[string][]int{"": nil, "5": {5}, "0-3,7,9-10": {0, 1, 2, 3, 7, 9, 10}} {
		if got := batch.Ranges(numbers); got != want {
			t.Errorf("%v is %q, expected %q", numbers, got, want)
		}
	}
}
