//go:build slurm

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// slurmConfig adds to a configuration of jobs what the cluster of .ci/slurm has; arrays there hold four tasks.
const slurmConfig = `cache: {rows_per_shard: 24}
batch: {tasks: 6, resources: {cpus: 1, memory: 300M}, max_array_size: 4, program: ./program`

// cluster starts Slurm on this machine.
func cluster(t *testing.T) {
	t.Helper()
	//nolint:usetesting // a test's own folder has too long a name for the socket in it
	dir, err := os.MkdirTemp("", "rkd-slurm-")
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join("..", "..", ".ci", "slurm")
	t.Cleanup(func() {
		if out, err := exec.Command(script, "down", dir).CombinedOutput(); err != nil {
			t.Errorf("stopping Slurm: %v\n%s", err, out)
		}
		if !t.Failed() {
			_ = os.RemoveAll(dir) // of no use any more
		}
	})
	if out, err := exec.CommandContext(t.Context(), script, "up", dir).CombinedOutput(); err != nil {
		t.Fatalf("starting Slurm: %v\n%s", err, out)
	}
	t.Setenv("SLURM_CONF", filepath.Join(dir, "slurm.conf"))
	t.Setenv("RKD_BE_THE_PROGRAM", "1") // jobs inherit it
}

// slurmPlace is a folder with an experiment whose jobs run a shell script, in which "$rkd" is the program.
func slurmPlace(t *testing.T, script string, set ...string) (dir string, args []string) {
	t.Helper()
	dir = workplace(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "program"), []byte("#!/bin/bash\nrkd="+self+"\n"+script+"\nexec \"$rkd\" \"$@\"\n"))
	if err := os.Chmod(filepath.Join(dir, "program"), 0o755); err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("cache: {rows_per_shard: 64}\n", "", "batch: {tasks: 4}\n", "",
		"source: sample", "limit: 300, source: mnist").Replace(string(read(t,
		filepath.Join(dir, jobsConfig(t, dir, "")))))
	write(t, filepath.Join(dir, "jobs.yaml"), []byte(text+slurmConfig+"}\n"))
	args = []string{"jobs.yaml"}
	for _, s := range set {
		args = append(args, "--set", s)
	}
	return dir, args
}

// submit hands an experiment's jobs to Slurm and waits until no job of them is left.
func submit(t *testing.T, dir string, args ...string) {
	t.Helper()
	out := must(t, dir, append([]string{"batch", "submit", "--engine", "slurm"}, args...)...).stdout
	var ids []string
	for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
		_, id, ok := strings.Cut(line, " ")
		if !ok {
			t.Fatalf("submit prints %q", out)
		}
		ids = append(ids, id)
	}
	deadline := time.Now().Add(10 * time.Minute)
	for {
		left, err := exec.CommandContext(t.Context(), "squeue", "--noheader",
			"--jobs="+strings.Join(ids, ",")).CombinedOutput()
		if err != nil {
			t.Fatalf("squeue: %v\n%s", err, left)
		}
		if len(strings.TrimSpace(string(left))) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("jobs are still there:\n%s\n%s", left, logs(t, dir))
		}
		time.Sleep(500 * time.Millisecond)
	}
}

// logs joins the logs of an experiment's jobs.
func logs(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "runs/sample/jobs/log/*"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, f := range files {
		fmt.Fprintf(&all, "%s:\n%s\n", filepath.Base(f), read(t, f))
	}
	return all.String()
}

// undisturbed runs an experiment in one process.
func undisturbed(t *testing.T, set ...string) string {
	t.Helper()
	dir, args := slurmPlace(t, "", set...)
	must(t, dir, append([]string{"run"}, args...)...)
	return filepath.Join(dir, "runs/sample")
}

// What Slurm makes of a chain, whatever happens to its tasks, equals what one process makes.
func TestSlurm(t *testing.T) {
	cluster(t)
	want := undisturbed(t)

	t.Run("chain", func(t *testing.T) {
		dir, args := slurmPlace(t, "")
		submit(t, dir, append(args, "--wait")...)
		sameRun(t, filepath.Join(dir, "runs/sample"), want)
		if all := logs(t, dir); strings.Count(all, "precompute-") != 6 || strings.Count(all, "distill-") != 4 ||
			!strings.Contains(all, "recall@1") {
			t.Errorf("logs are\n%s", all)
		}
		scripts, err := filepath.Glob(filepath.Join(dir, "runs/sample/jobs/*.sh"))
		if err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(t.Context(), "shellcheck", scripts...).CombinedOutput(); err != nil {
			t.Errorf("shellcheck: %v\n%s", err, out)
		}

		// Two shards are lost: the tasks that make them, 1 and 4 of 6, and no others run again.
		shards, err := filepath.Glob(filepath.Join(want, "cache", "shard-*.parquet"))
		if err != nil || len(shards) < 6 {
			t.Fatalf("%d shards (%v)", len(shards), err)
		}
		before := modified(t, filepath.Join(dir, "runs/sample/cache"), "manifest.json")
		for _, i := range []int{1 * len(shards) / 6, 4 * len(shards) / 6} {
			lost := filepath.Join(dir, "runs/sample/cache", filepath.Base(shards[i]))
			if err := os.Remove(lost); err != nil {
				t.Fatal(err)
			}
			delete(before, lost)
		}
		submit(t, dir, append(args, "--missing")...)
		sameRun(t, filepath.Join(dir, "runs/sample"), want)
		after := modified(t, filepath.Join(dir, "runs/sample/cache"), "manifest.json")
		for name, at := range before {
			if !after[name].Equal(at) {
				t.Errorf("%s was written again", name)
			}
		}
		if all := logs(t, dir); strings.Count(all, "precompute-") != 8 || strings.Count(all, "distill-") != 4 {
			t.Errorf("after --missing the logs are\n%s", all)
		}
	})

	t.Run("a task that fails once", func(t *testing.T) {
		dir, args := slurmPlace(t, `if [ "$1 $4" = "precompute 3" ] || [ "$1 $4" = "distill 1" ]; then
	[ -e "failed-$1" ] || { touch "failed-$1"; exit 1; }
fi`)
		submit(t, dir, args...)
		sameRun(t, filepath.Join(dir, "runs/sample"), want)
		if all := logs(t, dir); strings.Count(all, "exit code 1, trying again") != 2 {
			t.Errorf("logs are\n%s", all)
		}
	})

	t.Run("a task that cannot succeed", func(t *testing.T) {
		dir, args := slurmPlace(t, `if [ "$1 $4" = "distill 2" ]; then
	mkdir -p runs/sample/small/seed-1 && echo damaged >runs/sample/small/seed-1/checkpoint.json
fi`)
		r := rkd(t, dir, append([]string{"batch", "submit", "--engine", "slurm", "--wait"}, args...)...)
		if r.code != exitPartial || !strings.Contains(r.stderr, "has not succeeded, or one before it") {
			t.Errorf("submit --wait: exit code %d\n%s", r.code, r.stderr)
		}
		status := must(t, dir, append([]string{"batch", "status"}, args...)...).stdout
		for _, says := range []string{
			"distill     3 of 4 trainings  missing 2", "export      0 of 4",
			"distill task 2 failed on", "exit code 3",
		} {
			if !strings.Contains(status, says) {
				t.Errorf("status lacks %q:\n%s", says, status)
			}
		}
		if all := logs(t, dir); !strings.Contains(all, "which another try would not change") ||
			strings.Contains(all, "export-") {
			t.Errorf("logs are\n%s", all)
		}
		r = rkd(t, dir, append([]string{"batch", "collect"}, args...)...)
		if r.code != exitPartial || !strings.Contains(r.stderr, "small seed 1") || !strings.Contains(r.stdout, "plain") {
			t.Errorf("collect: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
		}
	})
}

// Tasks that are killed, interrupted by the time limit, or whose node dies, end with the bytes of an undisturbed
// process.
func TestSlurmInterrupted(t *testing.T) {
	cluster(t)
	set := []string{"train.steps_per_epoch=200", "train.checkpoint_steps=20", "seeds=[1]"}
	want := undisturbed(t, set...)
	t.Run("kill -9", func(t *testing.T) {
		dir, args := slurmPlace(t, `if [ "$1 $4" = "precompute 3" ] || [ "$1 $4" = "distill 1" ]; then
	[ -e "killed-$1" ] || {
		touch "killed-$1"
		"$rkd" "$@" &
		task=$!
		[ "$1" = precompute ] || until [ -e runs/sample/small/seed-1/checkpoint.json ]; do sleep 0.05; done
		kill -9 "$task"
		wait "$task"
		exit
	}
fi`, set...)
		submit(t, dir, args...)
		sameRun(t, filepath.Join(dir, "runs/sample"), want)
		if all := logs(t, dir); strings.Count(all, "exit code 137, trying again") != 2 {
			t.Errorf("logs are\n%s", all)
		}
	})
	t.Run("time limit", func(t *testing.T) {
		// The training stands still until Slurm, which looks at time limits every half a minute, says that the time is nearly
		// over.
		dir, args := slurmPlace(t, `if [ "$1" = distill ] && [ ! -e slow ]; then
	touch slow
	"$rkd" "$@" &
	task=$!
	trap 'kill -CONT "$task"; kill -TERM "$task"' TERM
	until [ -e runs/sample/small/seed-1/checkpoint.json ]; do sleep 0.05; done
	kill -STOP "$task"
	wait "$task" # until the signal
	wait "$task"
	exit
fi`, append([]string{
			"batch.stages.distill.time=00:01:00", "variants={small: {student: {embedding_dim: 8}}}",
		}, set...)...)
		submit(t, dir, args...)
		sameTrainings(t, dir, want)
		if all := logs(t, dir); !strings.Contains(all, "the time is nearly over, queued again") ||
			strings.Contains(all, "trying again") {
			t.Errorf("logs are\n%s", all)
		}
	})
	t.Run("death of a node", func(t *testing.T) { // the last: the node stays dead
		dir, args := slurmPlace(t, `if [ "$1 $4" = "distill 0" ] && [ ! -e dead ]; then
	touch dead
	"$rkd" "$@" &
	task=$!
	until [ -e runs/sample/plain/seed-1/checkpoint.json ]; do sleep 0.05; done
	kill -9 "$(<"$(dirname "$SLURM_CONF")/run/slurmd-$SLURMD_NODENAME.pid")" \
		"$(ps -o ppid= -p $PPID | tr -d ' ')" $PPID "$task" $$
fi`, set...)
		submit(t, dir, args...)
		sameRun(t, filepath.Join(dir, "runs/sample"), want)
		if state, err := exec.CommandContext(t.Context(), "sinfo", "-h", "-N", "-o",
			"%T").Output(); !strings.Contains(string(state), "down") {
			t.Errorf("the nodes are\n%s (%v): none died", state, err)
		}
	})
}

// sameTrainings compares the weights and models of the trainings that are in a place with those of an undisturbed run.
func sameTrainings(t *testing.T, dir, want string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "runs/sample/*/seed-*/*"))
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, file := range files {
		if !strings.HasSuffix(file, ".safetensors") && !strings.HasSuffix(file, ".onnx") {
			continue
		}
		compared++
		rel, err := filepath.Rel(filepath.Join(dir, "runs/sample"), file)
		if err != nil {
			t.Fatal(err)
		}
		if string(read(t, file)) != string(read(t, filepath.Join(want, rel))) {
			t.Errorf("%s differs from that of one process", rel)
		}
	}
	if compared < 3 {
		t.Errorf("%d files are compared, expected more", compared)
	}
}
