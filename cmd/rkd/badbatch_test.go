package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Whatever keeps jobs from running is said in one sentence, by those who submit, before anything is queued, or by the
// task, before it begins.
func TestBadBatch(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	file := jobsConfig(t, dir, "")
	must(t, dir, "batch", "render", file)
	_, mark, _ := strings.Cut(string(read(t, filepath.Join(dir, "runs/sample/jobs/1-precompute.sh"))), "export RKD_BATCH=")
	mark, _, _ = strings.Cut(mark, "\n")
	onPods := []string{"--engine", "kubernetes", "--set", "batch.image=rkd", "--set", "batch.volume.host_path=" + dir}
	submit := func(more ...string) []string { return append([]string{"batch", "submit", file}, more...) }
	render := func(more ...string) []string {
		return slices.Concat([]string{"batch", "render", file}, onPods, more)
	}
	for name, test := range map[string]struct {
		args    []string
		program string // NAME: SCRIPT on the path, which is empty else
		env     []string
		code    int
		says    []string
	}{
		"no sbatch": {
			args: submit(), code: exitUnequipped,
			says: []string{"sbatch is not on the path", "submit.sh"},
		},
		"no kubectl": {
			args: submit(onPods...), code: exitUnequipped,
			says: []string{"kubectl is not on the path", "apply -f"},
		},
		"Slurm refuses": {
			args: submit(), program: `sbatch: echo "sbatch: error: Invalid account or account/partition" >&2; exit 1`,
			code: exitFailed, says: []string{"submitting precompute: sbatch refused", "Invalid account or account/partition"},
		},
		"a quota of Slurm's": {
			args: submit(), program: `sbatch: echo "sbatch: error: Batch job submission failed: Job violates accounting/QOS ` +
				`policy (job submit limit)" >&2; exit 1`,
			code: exitFailed, says: []string{"submitting precompute: sbatch refused", "QOS policy (job submit limit)"},
		},
		"Kubernetes refuses": {
			args: submit(onPods...), program: `kubectl: echo 'Error from server (Forbidden): configmaps is forbidden: ` +
				`User "ann" cannot create resource' >&2; exit 1`,
			code: exitFailed, says: []string{"submitting the configuration: kubectl refused", `User "ann" cannot create`},
		},
		"no cluster": {
			args: submit(onPods...), program: `kubectl: echo "The connection to the server was refused" >&2; exit 1`,
			code: exitFailed, says: []string{"The connection to the server was refused"},
		},
		"an answer that is none": {
			args: submit(onPods...), program: `kubectl: echo oops`, code: exitFailed,
			says: []string{"kubectl", "invalid character"},
		},
		"no image": {
			args: render("--set", "batch.image="), code: exitUsage,
			says: []string{"batch.image is missing", "make image"},
		},
		"no volume": {
			args: render("--set", "batch.volume.host_path="), code: exitUsage,
			says: []string{"batch.volume"},
		},
		"another path": {
			args: render("--set", "dir=/elsewhere"), code: exitUsage,
			says: []string{`dir is "/elsewhere"`, "batch.volume.mount"},
		},
		"namespace": {
			args: render("--set", "batch.namespace=a.b"), code: exitUsage,
			says: []string{"namespace", "lower-case letters"},
		},
		"secret": {
			args: render("--set", "batch.secrets=[A_B]"), code: exitUsage,
			says: []string{"secrets[0]", "lower-case letters"},
		},
		"account": {
			args: render("--set", "batch.service_account=a b"), code: exitUsage,
			says: []string{"service_account"},
		},
		"generations": {
			args: render("--set", "generations=2"), code: exitUsage, says: []string{"generations is 2", "rkd run"},
		},
		"another teacher than the plan's": {
			args: render("--set", "teacher.normalize=none"), code: exitMismatch, says: []string{"normalize"},
		},
		"other data than the plan's": {
			args: []string{"precompute", file, "--task-index", "0", "--set", "data.train.limit=20"}, code: exitMismatch,
			says: []string{"data have changed since the plan was written"},
		},
		"an index out of range": {
			args: []string{"precompute", file}, env: []string{"JOB_COMPLETION_INDEX=4"}, code: exitUsage, says: []string{"4"},
		},
		"an index that is none": {
			args: []string{"distill", file}, env: []string{"SLURM_ARRAY_TASK_ID=x"}, code: exitUsage,
			says: []string{"SLURM_ARRAY_TASK_ID", `"x"`},
		},
		"a run directory that is not shared": {
			args: []string{"distill", file, "--task-index", "0"}, env: []string{"RKD_BATCH=other"}, code: exitInput,
			says: []string{"not shared", "same folder on all nodes"},
		},
		"a node without ONNX Runtime's library": {
			args: []string{"precompute", file, "--task-index", "0"}, code: exitUnequipped,
			env: []string{"RKD_BATCH=" + mark, "ONNXRUNTIME_LIB=" + filepath.Join(dir, "none.so")}, says: []string{"none.so"},
		},
		"an unknown metric": {
			args: []string{"batch", "collect", file, "--sort", "loss"}, code: exitUsage, says: []string{`"loss"`, "recall@1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			bin := t.TempDir()
			if program, script, ok := strings.Cut(test.program, ": "); ok {
				write(t, filepath.Join(bin, program), []byte("#!/bin/sh\n"+script+"\n"))
				if err := os.Chmod(filepath.Join(bin, program), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			c := program(t, dir, test.args...)
			c.Env = append(append(c.Env, "PATH="+bin), test.env...)
			expectSentence(t, finish(t, c), test.code, test.says)
		})
	}
}
