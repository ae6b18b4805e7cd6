package batch_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"rkd/pipeline/batch"
	"rkd/pipeline/config"
)

// onKubernetes gives a chain the keys that Kubernetes reads.
func onKubernetes(t *testing.T, c *batch.Chain, text string) *batch.Chain {
	t.Helper()
	e, err := config.Parse("x.yaml", fmt.Appendf(nil, `
name: x
data: {train: {source: sample, split: train}, test: {source: sample, split: test}}
teacher: {model: t.onnx, output: embedding}
student: {arch: {conv: [8]}, embedding_dim: 4}
loss: {rkd_distance: 1}
batch: %s`, text), nil)
	if err != nil {
		t.Fatal(err)
	}
	c.Batch.Kubernetes = e.Batch.Kubernetes
	return c
}

const everything = `
  image: registry.example/rkd:1
  namespace: vision
  service_account: trainer
  node_selector: {example.com/gpu: a100}
  tolerations:
    - {key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}
    - {key: spot, value: "yes", effect: NoExecute, seconds: 30}
  volume: {host_path: /home/ann, mount: /data}
  secrets: [bucket]
  user: 1000
  group: 100
  grace_seconds: 300
  lost_node_seconds: 30
  job:
    metadata: {labels: {kueue.x-k8s.io/queue-name: vision}}
    spec:
      suspend: true
      template:
        spec:
          priorityClassName: low
          containers:
            - {name: rkd, env: [{name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]}
`

// gaps is work of which some tasks are done: its indices are not consecutive.
func gaps() *batch.Chain {
	c := plain()
	c.Name, c.Batch.Environment = "Digits_of.all KINDS", map[string]string{"HOME": "/root", "A": "$(PATH) it's"}
	c.Work = batch.Work{
		Precompute: []int{1, 4, 5}, Finalize: c.CacheDirs, Distill: []int{2}, Export: []int{0, 1, 2},
	}
	return c
}

func chains(t *testing.T) map[string]*batch.Chain {
	t.Helper()
	return map[string]*batch.Chain{
		"full":     onKubernetes(t, full(), everything),
		"plain":    onKubernetes(t, plain(), `{image: rkd, volume: {claim: shared, mount: /data}}`),
		"gaps":     onKubernetes(t, gaps(), `{image: rkd, volume: {host_path: /srv}}`),
		"teachers": onKubernetes(t, teachers(), `{image: rkd, volume: {claim: shared, mount: /data}}`),
	}
}

// Every document is compared with its golden file.
func TestKubernetes(t *testing.T) {
	for name, chain := range chains(t) {
		if err := chain.Check(batch.Kubernetes); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		files, err := chain.Render(batch.Kubernetes)
		if err != nil {
			t.Fatal(err)
		}
		compare(t, filepath.Join("testdata", "kubernetes", name), files)
	}
}

// Whatever an experiment is called, Kubernetes takes the names of its jobs, and different names stay different.
func TestNames(t *testing.T) {
	label := regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)
	seen := map[string]string{}
	for _, name := range []string{
		"digits", "Digits", "di.gits", "di_gits", "9", "a-", "A", strings.Repeat("a", 40), strings.Repeat("a", 41),
		strings.Repeat("a", 42), strings.Repeat("x_", 100),
	} {
		c := onKubernetes(t, full(), everything)
		c.Name = name
		files, err := c.Render(batch.Kubernetes)
		if err != nil {
			t.Fatal(err)
		}
		var job struct{ Metadata struct{ Name string } }
		if err := yaml.Unmarshal(files[1].Data, &job); err != nil {
			t.Fatal(err)
		}
		got := job.Metadata.Name
		if !label.MatchString(got) || len(got)+len("-9999") > 63 {
			t.Errorf("%q becomes %q", name, got)
		}
		if other, twice := seen[got]; twice {
			t.Errorf("%q and %q both become %q", name, other, got)
		}
		seen[got] = name
	}
}

// What no task of Kubernetes could do is refused before anything is queued.
func TestKubernetesRefusals(t *testing.T) {
	for says, change := range map[string]func(*batch.Chain){
		"batch.image is missing":       func(c *batch.Chain) { c.Batch.Image = "" },
		`dir is "runs/`:                func(c *batch.Chain) { c.Batch.Volume = config.Volume{} },
		`dir is "/else/x", expected`:   func(c *batch.Chain) { c.RunDir = "/else/x" },
		`cache.dir is "/home/ann/c", `: func(c *batch.Chain) { c.CacheDirs[0] = "/home/ann/c" },
	} {
		c := onKubernetes(t, full(), everything)
		change(c)
		if err := c.Check(batch.Kubernetes); !errors.Is(err, config.ErrConfig) || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, expected %q", err, says)
		}
	}
	c := onKubernetes(t, full(), everything)
	c.Batch.Volume, c.CacheDirs, c.RunDir = config.Volume{}, []string{"s3://bucket/cache"}, "s3://bucket/run"
	if err := c.Check(batch.Kubernetes); err != nil {
		t.Errorf("with buckets alone: %v", err)
	}
	c.Work.Precompute = upTo(10001)
	if _, err := c.Render(batch.Kubernetes); !errors.Is(err, config.ErrConfig) ||
		!strings.Contains(err.Error(), "batch.tasks") {
		t.Errorf("more tasks than a job has: %v", err)
	}
}

// answers makes kubectl answer questions about jobs and pods with files of testdata, and log its calls.
func answers(t *testing.T, files ...string) (calls func() string) {
	t.Helper()
	dir := t.TempDir()
	for i, f := range files {
		data, err := os.ReadFile(filepath.Join("testdata", "kubectl", f))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, fmt.Sprint(i)), data, 0o644)
	}
	t.Setenv("ANSWERS", dir)
	standIn(t, "kubectl", `echo "$@" >>"$ANSWERS/calls"
case "$*" in
"get jobs "*) echo '{"items": []}';;
"get jobs,pods "*) # the last answer is given again and again
	n=$(cat "$ANSWERS/n" 2>/dev/null || echo 0)
	[ -e "$ANSWERS/$n" ] || n=$((n - 1))
	cat "$ANSWERS/$n"; echo $((n + 1)) >"$ANSWERS/n";;
"get events "*) cat "$ANSWERS/1";;
esac`)
	return func() string {
		data, err := os.ReadFile(filepath.Join(dir, "calls"))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
}

// A stage is applied when the one before is complete.
func TestSubmitToKubernetes(t *testing.T) {
	nothing := func(string, ...any) {}
	calls := answers(t, "complete.json")
	chain := chains(t)["plain"]
	jobs, err := chain.SubmitKubernetes(t.Context(), true, nothing)
	if err != nil || len(jobs) != 4 || jobs[0] != (batch.Job{Stage: "distill", ID: "sample-distill"}) {
		t.Errorf("jobs %v, error %v", jobs, err)
	}
	var got []string
	for line := range strings.Lines(calls()) {
		if strings.HasPrefix(line, "apply") || strings.HasPrefix(line, "get jobs,pods") {
			got = append(got, strings.TrimSpace(line))
		}
	}
	const get = "get jobs,pods --selector app.kubernetes.io/name=rkd,app.kubernetes.io/instance=sample," +
		"app.kubernetes.io/component=%s --output json"
	want := []string{"apply -f /data/with space/jobs/0-config.yaml"}
	for i, stage := range []string{"distill", "export", "evaluate", "collect"} {
		want = append(want, fmt.Sprintf("apply -f /data/with space/jobs/%d-%s.yaml", i+1, stage), fmt.Sprintf(get, stage))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("kubectl is called (-want +got):\n%s", diff)
	}

	var said []string
	calls = answers(t, "complete.json")
	jobs, err = chain.SubmitKubernetes(t.Context(), false, func(format string, a ...any) {
		said = append(said, fmt.Sprintf(format, a...))
	})
	if err != nil || len(jobs) != 1 || strings.Count(calls(), "apply") != 2 || len(said) != 1 ||
		!strings.Contains(said[0], "--wait") {
		t.Errorf("without waiting: jobs %v, error %v, said %q, called\n%s", jobs, err, said, calls())
	}
}

// A stage that fails ends the chain with the reasons of its tasks.
func TestFailedStage(t *testing.T) {
	answers(t, "failed.json")
	jobs, err := chains(t)["plain"].SubmitKubernetes(t.Context(), true, func(string, ...any) {})
	if !errors.Is(err, batch.ErrStage) || len(jobs) != 1 {
		t.Fatalf("jobs %v, error %v", jobs, err)
	}
	for _, says := range []string{
		"failed indices 1", "distill task 2 on n1: killed at its memory limit of 64Mi",
		`exit code 3 (Error): rkd: cache "runs/sample/cache" is damaged`,
	} {
		if !strings.Contains(err.Error(), says) {
			t.Errorf("error lacks %q: %v", says, err)
		}
	}
}

// What kubectl says about single tasks is told in a sentence each.
func TestTroubles(t *testing.T) {
	answers(t, "troubles.json", "events.json")
	list, err := chains(t)["plain"].Troubles(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, trouble := range list {
		got = append(got, trouble.String())
	}
	want := []string{
		`distill: Error creating: pods "sample-distill-0-abcde" is forbidden: exceeded quota: small, requested: pods=1`,
		`precompute task 1: ErrImagePull: failed to pull image "rkd": not found`,
		`precompute task 4: Unschedulable: 0/2 nodes are available: 2 Insufficient memory.`,
		`precompute task 5 on n0: waits for node n0, which does not answer: where that is gone for good, "kubectl taint ` +
			`node n0 node.kubernetes.io/out-of-service=:NoExecute" lets another do it`,
		`precompute task 6 on n0: exit code 128 (StartError): exec: "rkd": executable file not found in $PATH`,
		`precompute task 7 on n0: Pod was active on the node longer than the specified deadline (DeadlineExceeded), ` +
			`exit code 137`,
		`precompute task 8: The node was low on resource: ephemeral-storage. (Evicted)`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("troubles (-want +got):\n%s", diff)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := chains(t)["plain"].Troubles(t.Context()); !errors.Is(err, batch.ErrNoEngine) {
		t.Errorf("without kubectl: %v", err)
	}
	if _, err := chains(t)["plain"].SubmitKubernetes(t.Context(), true, nil); !errors.Is(err, batch.ErrNoEngine) ||
		!strings.Contains(err.Error(), "kubectl apply -f") {
		t.Errorf("submitting without kubectl: %v", err)
	}
}

// Kubernetes' refusal comes whole and once.
func TestKubernetesRefuses(t *testing.T) {
	standIn(t, "kubectl", `echo 'Error from server (Forbidden): jobs is forbidden: User "ann" cannot create' >&2; exit 1`)
	_, err := chains(t)["full"].SubmitKubernetes(t.Context(), true, func(string, ...any) {})
	if !errors.Is(err, batch.ErrRefused) || strings.Count(err.Error(), `User "ann" cannot create`) != 1 {
		t.Errorf("error %v", err)
	}
}
