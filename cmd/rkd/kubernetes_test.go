//go:build kubernetes

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"rkd/pipeline/storage"
	"rkd/pipeline/storage/storagetest"
)

// podUser is who tasks run as, and with them who submits: what both write lies in one folder.
const podUser = 65532

// kubernetes is a cluster on this machine, started by .ci/kubernetes/cluster.
type kubernetes struct {
	dir string // of the cluster, the program and ONNX Runtime's library
}

// startKubernetes starts a cluster and loads the image of bin/rkd, which `make test-kubernetes` builds.
func startKubernetes(t *testing.T) *kubernetes {
	t.Helper()
	//nolint:usetesting // a test's own folder is closed to others, and has too long a name for the sockets in it
	dir, err := os.MkdirTemp("", "rkd-kube-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	k := &kubernetes{dir}
	t.Cleanup(func() {
		k.script(t, "down", dir)
		if !t.Failed() {
			_ = os.RemoveAll(dir) // of no use any more
		}
	})
	k.script(t, "up", dir)
	t.Setenv("KUBECONFIG", filepath.Join(dir, "kubeconfig"))

	var images [][]byte
	for _, name := range []string{"image.tar", "again.tar"} {
		out := filepath.Join(dir, name)
		c := exec.CommandContext(t.Context(), "go", "run", ".", "-program", built(t), "-out", out, "-tag",
			"localhost/rkd:test")
		c.Dir = filepath.Join("..", "..", ".ci", "image")
		if said, err := c.CombinedOutput(); err != nil {
			t.Fatalf("making the image: %v\n%s", err, said)
		}
		images = append(images, read(t, out))
	}
	if !bytes.Equal(images[0], images[1]) {
		t.Error("the image of the same files has other bytes")
	}
	k.script(t, "load", dir, filepath.Join(dir, "image.tar"))

	var about struct {
		Library string `json:"onnxruntime_library"`
	}
	if err := json.Unmarshal([]byte(output(t, built(t), "doctor", "--json")), &about); err != nil {
		t.Fatal(err)
	}
	copyFile(t, built(t), filepath.Join(dir, "rkd"), 0o755)
	copyFile(t, about.Library, filepath.Join(dir, "libonnxruntime.so.1"), 0o644)
	copies := filepath.Join(dir, "copies")
	if err := errors.Join(os.Mkdir(copies, 0o755), os.Chown(copies, podUser, podUser)); err != nil {
		t.Fatal(err)
	}
	return k
}

// built is the path of bin/rkd.
func built(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", "bin", "rkd"))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func (k *kubernetes) script(t *testing.T, args ...string) string {
	t.Helper()
	c := exec.Command(filepath.Join("..", "..", ".ci", "kubernetes", "cluster"), args...) // also when the test is over
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("cluster %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).Output()
	if err != nil {
		t.Fatalf("%s %v: %v", name, args, err)
	}
	return string(out)
}

func copyFile(t *testing.T, from, to string, mode os.FileMode) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, mode)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(out, in)
	if err := errors.Join(err, out.Close()); err != nil {
		t.Fatal(err)
	}
}

// podsConfig is MNIST, cut down so that a pod's work takes seconds, in two trainings and three tasks.
const podsConfig = `name: digits
data:
  train: {source: idx, split: train, dir: mnist, classes: ["0", "1", "2", "3", "4"], limit: 300}
  test:  {source: idx, split: test, dir: mnist, classes: ["5", "6", "7", "8", "9"], limit: 300}
teacher: {model: mnist-teacher.onnx, output: embedding, preprocess: {mean: [0.5]}, normalize: l2}
cache: {rows_per_shard: 50}
student: {arch: {conv: [8, 16], norm: batch, pool: max}, embedding_dim: 16}
loss: {rkd_distance: 1, rkd_angle: 2}
train: {batch: {classes: 5, per_class: 8}, epochs: 3, steps_per_epoch: 40, lr: 3e-3, checkpoint_steps: 20}
variants: {plain: {}, small: {student: {embedding_dim: 8}}}
batch:
  tasks: 3
  retries: 1
  image: localhost/rkd:test
  resources: {cpus: 1, memory: 1G}
  grace_seconds: 20
  lost_node_seconds: 4
  program: ./program
`

// place is a folder that pods see, with an experiment, in a namespace of its own, of which tasks run a shell script and
// then rkd. It returns the arguments of commands on the experiment.
func (k *kubernetes) place(t *testing.T, name, script string, set ...string) (dir string, args []string) {
	t.Helper()
	dir = filepath.Join(k.dir, name)
	if err := os.MkdirAll(filepath.Join(dir, "mnist"), 0o755); err != nil {
		t.Fatal(err)
	}
	var machine struct {
		CacheDir string `json:"cache_dir"`
	}
	if err := json.Unmarshal([]byte(output(t, built(t), "doctor", "--json")), &machine); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(machine.CacheDir, "mnist", "*.gz"))
	if err != nil || len(files) != 4 {
		t.Fatalf("MNIST is %v (%v)", files, err)
	}
	for _, f := range files {
		copyFile(t, f, filepath.Join(dir, "mnist", filepath.Base(f)), 0o644)
	}
	copyFile(t, filepath.Join("..", "..", "models", "mnist-teacher.onnx"), filepath.Join(dir, "mnist-teacher.onnx"), 0o644)
	write(t, filepath.Join(dir, "jobs.yaml"), fmt.Appendf(nil, "%s  namespace: %s\n  volume: {host_path: %s}\n",
		podsConfig, name, dir))
	output(t, "kubectl", "create", "namespace", name)
	eventually(t, "the namespace's account", func() bool {
		return exec.CommandContext(t.Context(), "kubectl", "get", "serviceaccount", "default", "-n", name).Run() == nil
	})
	write(t, filepath.Join(dir, "program"), []byte("#!/bin/sh\n"+script+"\nexec rkd \"$@\"\n"))
	if err := os.Chmod(filepath.Join(dir, "program"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, filepath.Join(dir, "mnist")} {
		if err := os.Chown(path, podUser, podUser); err != nil {
			t.Fatal(err)
		}
	}
	args = []string{"jobs.yaml"}
	for _, s := range set {
		args = append(args, "--set", s)
	}
	return dir, args
}

// bucketPlace is a place whose experiment lies in a bucket with all that it needs, for tasks that see no volume. They
// read the keys of the bucket, with a secret word as given, from a secret.
func (k *kubernetes) bucketPlace(t *testing.T, server *storagetest.Server, name, word string, set ...string,
) (dir string, args []string) {
	t.Helper()
	dir, _ = k.place(t, name, "")
	for from, to := range map[string]string{".": "models", "mnist": "mnist"} {
		tree := storage.Tree{
			Location: server.URL(name + "/" + to), Dir: filepath.Join(dir, from),
			Only: func(name string) bool { return !strings.Contains(name, "/") },
		}
		if err := tree.Push(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	output(t, "kubectl", "create", "secret", "generic", "bucket", "-n", name, "--from-literal=AWS_ACCESS_KEY_ID="+
		os.Getenv("AWS_ACCESS_KEY_ID"), "--from-literal=AWS_SECRET_ACCESS_KEY="+word, "--from-literal=AWS_REGION="+
		os.Getenv("AWS_REGION"))
	args = []string{"jobs.yaml"}
	for _, s := range append([]string{
		"batch.volume={}", "batch.program=rkd", "batch.secrets=[bucket]", "dir=" + server.URL(name+"/run"),
		"teacher.model=" + server.URL(name+"/models/mnist-teacher.onnx"), "data.train.dir=" + server.URL(name+"/mnist"),
		"data.test.dir=" + server.URL(name+"/mnist"),
	}, set...) {
		args = append(args, "--set", s)
	}
	return dir, args
}

// rkd runs the program as the user of pods.
func (k *kubernetes) rkd(t *testing.T, dir string, args ...string) result {
	t.Helper()
	c := exec.CommandContext(t.Context(), filepath.Join(k.dir, "rkd"), args...)
	c.Dir = dir
	c.Env = append(os.Environ(), "HOME=/tmp", "ONNXRUNTIME_LIB="+filepath.Join(k.dir, "libonnxruntime.so.1"),
		"RKD_CACHE_DIR="+filepath.Join(k.dir, "copies"))
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: podUser, Gid: podUser}}
	return finish(t, c)
}

func (k *kubernetes) must(t *testing.T, dir string, args ...string) result {
	t.Helper()
	r := k.rkd(t, dir, args...)
	if r.code != exitDone {
		t.Fatalf("rkd %v: exit code %d\n%s%s\n%s", args, r.code, r.stdout, r.stderr,
			output(t, "kubectl", "get", "jobs,pods", "-A", "-o", "wide"))
	}
	return r
}

// pod is what the tests read of a pod.
type pod struct {
	Metadata struct {
		Name        string            `json:"name"`
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
	Spec struct {
		NodeName string `json:"nodeName"`
	} `json:"spec"`
	Status struct {
		Phase string `json:"phase"`
	} `json:"status"`
}

// pods lists those of a stage's task in a namespace.
func pods(t *testing.T, namespace, stage string, index int) []pod {
	t.Helper()
	var list struct {
		Items []pod `json:"items"`
	}
	text := output(t, "kubectl", "get", "pods", "-n", namespace, "-o", "json", "-l",
		"app.kubernetes.io/component="+stage)
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(list.Items, func(p pod) bool {
		return p.Metadata.Annotations["batch.kubernetes.io/job-completion-index"] != fmt.Sprint(index)
	})
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Minute); !holds(); time.Sleep(300 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s does not come true", what)
		}
	}
}

// What pods make of a chain, whatever happens to them, equals what one process makes.
func TestKubernetes(t *testing.T) {
	k := startKubernetes(t)
	server := storagetest.S3On(t, k.script(t, "address"))
	whole, args := k.place(t, "whole", "")
	k.must(t, whole, append([]string{"run"}, args...)...)
	same := func(t *testing.T, dir string) {
		t.Helper()
		sameRun(t, filepath.Join(dir, "runs/digits"), filepath.Join(whole, "runs/digits"))
	}

	t.Run("two nodes", func(t *testing.T) {
		t.Run("chain with tasks that fail once", func(t *testing.T) {
			t.Parallel()
			dir, args := k.place(t, "once", `
	if [ "$1 $JOB_COMPLETION_INDEX" = "precompute 1" ] || [ "$1 $JOB_COMPLETION_INDEX" = "distill 0" ]; then
		[ -e "failed-$1" ] || { : >"failed-$1"; exit 1; }
	fi`)
			r := k.must(t, dir, append([]string{"batch", "submit", "--engine", "kubernetes", "--wait"}, args...)...)
			if strings.Count(r.stdout, "\n") != 6 || !strings.Contains(r.stdout, "collect digits-collect") ||
				!strings.Contains(r.stderr, "precompute: 3 of 3 tasks") {
				t.Errorf("submit prints\n%s%s", r.stdout, r.stderr)
			}
			same(t, dir)
			for stage, tries := range map[string]int{"precompute": 2, "distill": 1} {
				if got := len(pods(t, "once", stage, 1)); got != tries {
					t.Errorf("task 1 of %s had %d pods, expected %d", stage, got, tries)
				}
			}
			if status := k.must(t, dir, append([]string{"batch", "status"}, args...)...).stdout; !strings.Contains(status,
				"evaluate    done") || strings.Contains(status, "kubernetes:") {
				t.Errorf("status is\n%s", status)
			}

			shards, err := filepath.Glob(filepath.Join(dir, "runs/digits/cache/shard-*.parquet"))
			if err != nil || len(shards) != 6 {
				t.Fatalf("%d shards (%v)", len(shards), err)
			}
			for _, lost := range []string{shards[0], shards[5]} { // of tasks 0 and 2
				if err := os.Remove(lost); err != nil {
					t.Fatal(err)
				}
			}
			k.must(t, dir, append([]string{"batch", "submit", "--engine", "kubernetes", "--wait", "--missing"}, args...)...)
			same(t, dir)
			if manifest := string(read(t, filepath.Join(dir, "runs/digits/jobs/1-precompute.yaml"))); !strings.Contains(manifest,
				"completions: 2") || !strings.Contains(manifest, "0,2") {
				t.Errorf("--missing renders\n%s", manifest)
			}
		})

		t.Run("exit code 2", func(t *testing.T) {
			t.Parallel()
			dir, args := k.place(t, "wrong", `
	if [ "$1 $JOB_COMPLETION_INDEX" = "precompute 1" ]; then echo "rkd: something is wrong" >&2; exit 2; fi`)
			r := k.rkd(t, dir, append([]string{"batch", "submit", "--engine", "kubernetes", "--wait"}, args...)...)
			if r.code != exitPartial || !strings.Contains(r.stderr, "failed indices 1") ||
				!strings.Contains(r.stderr, "exit code 2 (Error): rkd: something is wrong") {
				t.Errorf("exit code %d\n%s", r.code, r.stderr)
			}
			if got := pods(t, "wrong", "precompute", 1); len(got) != 1 {
				t.Errorf("the task had %d pods", len(got))
			}
			if got := pods(t, "wrong", "finalize", 0); len(got) != 0 {
				t.Errorf("the next stage has %d pods", len(got))
			}
			status := k.must(t, dir, append([]string{"batch", "status"}, args...)...).stdout
			if !strings.Contains(status, "precompute  2 of 3 tasks  missing 1") ||
				!strings.Contains(status, "kubernetes: precompute task 1 on rkd-n") {
				t.Errorf("status is\n%s", status)
			}
		})

		t.Run("memory limit", func(t *testing.T) {
			t.Parallel()
			dir, args := k.place(t, "memory", "", "batch.stages.precompute.memory=48M", "batch.retries=0")
			r := k.rkd(t, dir, append([]string{"batch", "submit", "--engine", "kubernetes", "--wait"}, args...)...)
			if r.code != exitPartial {
				t.Errorf("exit code %d\n%s", r.code, r.stderr)
			}
			status := k.must(t, dir, append([]string{"batch", "status"}, args...)...).stdout
			if !strings.Contains(status, "killed at its memory limit of 48Mi") {
				t.Errorf("status is\n%s", status)
			}
		})

		t.Run("image without the program", func(t *testing.T) {
			t.Parallel()
			dir, args := k.place(t, "empty", "", "batch.program=none")
			r := k.rkd(t, dir, append([]string{"batch", "submit", "--engine", "kubernetes", "--wait"}, args...)...)
			if r.code != exitPartial || !strings.Contains(r.stderr, `"none": executable file not found`) {
				t.Errorf("exit code %d\n%s", r.code, r.stderr)
			}
			if got := pods(t, "empty", "precompute", 0); len(got) != 1 {
				t.Errorf("the task had %d pods", len(got))
			}
		})

		t.Run("bucket", func(t *testing.T) {
			t.Parallel()
			longer := []string{"train.steps_per_epoch=400", "train.checkpoint_steps=100"}
			undisturbed, args := k.place(t, "longer", "", longer...)
			k.must(t, undisturbed, append([]string{"run"}, args...)...)
			dir, args := k.bucketPlace(t, server, "bucket", os.Getenv("AWS_SECRET_ACCESS_KEY"), longer...)
			done := make(chan result, 1)
			go func() {
				done <- k.rkd(t, dir, append([]string{"batch", "submit", "--engine", "kubernetes", "--wait"}, args...)...)
			}()
			eventually(t, "a checkpoint", func() bool {
				_, err := os.Stat(filepath.Join(server.Dir, "bucket/run/plain/seed-1/checkpoint.json"))
				return err == nil || len(done) > 0
			})
			for _, p := range pods(t, "bucket", "distill", 0) { // whose work goes on in another
				output(t, "kubectl", "delete", "pod", p.Metadata.Name, "-n", "bucket", "--wait=false")
			}
			if r := <-done; r.code != exitDone {
				t.Fatalf("exit code %d\n%s\n%s", r.code, r.stderr, output(t, "kubectl", "get", "jobs,pods", "-n", "bucket"))
			}
			sameRun(t, filepath.Join(server.Dir, "bucket/run"), filepath.Join(undisturbed, "runs/digits"))
			if status := k.must(t, dir, append([]string{"batch", "status"}, args...)...).stdout; !strings.Contains(status,
				"evaluate    done") {
				t.Errorf("status is\n%s", status)
			}
			if entries, err := os.ReadDir(filepath.Join(dir, "runs")); err != nil || len(entries) != 1 {
				t.Errorf("beside the jobs, on this machine there are %v (%v)", entries, err)
			}
		})

		t.Run("bucket without permission", func(t *testing.T) {
			t.Parallel()
			dir, args := k.bucketPlace(t, server, "refused", "another word")
			r := k.rkd(t, dir, append([]string{"batch", "submit", "--engine", "kubernetes", "--wait"}, args...)...)
			if r.code != exitPartial || !strings.Contains(r.stderr, "exit code 3 (Error): rkd: ") ||
				!strings.Contains(r.stderr, "the bucket refuses") {
				t.Errorf("exit code %d\n%s", r.code, r.stderr)
			}
			if got := pods(t, "refused", "precompute", 0); len(got) != 1 {
				t.Errorf("the task had %d pods", len(got))
			}
		})

		t.Run("time limit", func(t *testing.T) {
			t.Parallel()
			// The training stands still until Kubernetes says that the time is over.
			dir, args := k.place(t, "limit", `
	if [ "$1 $JOB_COMPLETION_INDEX" = "distill 0" ] && [ ! -e slow ]; then
		: >slow
		rkd "$@" &
		task=$!
		trap 'kill -CONT "$task"; kill -TERM "$task"' TERM
		until [ -e runs/digits/plain/seed-1/checkpoint.json ]; do :; done
		kill -STOP "$task"
		wait "$task" # until the signal
		wait "$task"
		exit
	fi`, "batch.stages.distill.time=00:00:45")
			k.must(t, dir, append([]string{"batch", "submit", "--engine", "kubernetes", "--wait"}, args...)...)
			same(t, dir)
			if got := pods(t, "limit", "distill", 0); len(got) != 2 {
				t.Errorf("the task had %d pods", len(got))
			}
		})
	})

	t.Run("death of a node", func(t *testing.T) { // which stays dead
		dir, args := k.place(t, "death", `
if [ "$1 $JOB_COMPLETION_INDEX" = "distill 0" ] && [ ! -e dead ]; then
	: >dead
	rkd "$@" &
	read -r never <fifo
fi`)
		if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o644); err != nil {
			t.Fatal(err)
		}
		done := make(chan result, 1)
		go func() {
			done <- k.rkd(t, dir, append([]string{"batch", "submit", "--engine", "kubernetes", "--wait"}, args...)...)
		}()
		eventually(t, "a checkpoint", func() bool {
			_, err := os.Stat(filepath.Join(dir, "runs/digits/plain/seed-1/checkpoint.json"))
			return err == nil
		})
		node := pods(t, "death", "distill", 0)[0].Spec.NodeName
		k.script(t, "kill", k.dir, strings.TrimPrefix(node, "rkd-n"))
		eventually(t, "word of the node's death", func() bool {
			return strings.Contains(k.must(t, dir, append([]string{"batch", "status"}, args...)...).stdout,
				"waits for node "+node+", which does not answer")
		})
		output(t, "kubectl", "taint", "nodes", node, "node.kubernetes.io/out-of-service=:NoExecute")
		if r := <-done; r.code != exitDone {
			t.Fatalf("exit code %d\n%s\n%s", r.code, r.stderr,
				output(t, "kubectl", "get", "nodes,jobs,pods", "-A", "-o", "wide"))
		}
		same(t, dir)
	})
}
