package batch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// ErrStage says that a stage has ended without all of its tasks.
var ErrStage = errors.New("tasks have failed")

// ErrStuck says that none of a stage's tasks can start.
var ErrStuck = errors.New("tasks do not start")

// The interval between two queries of the cluster, and the time after which tasks that cannot start are given up.
const (
	lookEvery = 2 * time.Second
	patience  = 2 * time.Minute
)

// SubmitKubernetes hands the rendered jobs to kubectl: the first stage's, or with wait each stage's when the one before
// is complete. It returns the jobs that Kubernetes has taken, with an error too. say is told how far a stage is.
func (c *Chain) SubmitKubernetes(ctx context.Context, wait bool, say func(string, ...any)) ([]Job, error) {
	k, err := findKubectl(c.Batch.Namespace)
	if err != nil {
		return nil, fmt.Errorf("%w: submit where it is, there too with \"kubectl apply -f\" of the files in %q", err, c.Dir)
	}
	if _, err := k.output(ctx, "apply", "-f", filepath.Join(c.Dir, "0-config.yaml")); err != nil {
		return nil, fmt.Errorf("submitting the configuration: kubectl %w", err)
	}
	var jobs []Job
	stages := c.stages()
	for i, s := range stages {
		name := c.jobName(s.name)
		if err := c.replace(ctx, k, s.name); err != nil {
			return jobs, err
		}
		if _, err := k.output(ctx, "apply", "-f", filepath.Join(c.Dir, manifestName(i, s))); err != nil {
			return jobs, fmt.Errorf("submitting %s: kubectl %w", s.name, err)
		}
		jobs = append(jobs, Job{s.name, name})
		if !wait {
			if i+1 < len(stages) {
				say("submitted %s alone, for Kubernetes knows no order of jobs: --wait submits the stages behind it", s.name)
			}
			return jobs, nil
		}
		if err := c.await(ctx, k, s.name, say); err != nil {
			return jobs, err
		}
	}
	return jobs, nil
}

// replace removes a stage's job of before, which is finished. One that still runs stays: it is gone on with where it is
// the same, and Kubernetes refuses another of its name.
func (c *Chain) replace(ctx context.Context, k *kubectl, stage string) error {
	l, err := k.look(ctx, c.selector(stage), false)
	if err != nil {
		return fmt.Errorf("looking for a job of before: kubectl %w", err)
	}
	for _, j := range l.jobs {
		if done, _ := j.finished(); !done {
			continue
		}
		if _, err := k.output(ctx, "delete", "job", j.Metadata.Name, "--ignore-not-found"); err != nil {
			return fmt.Errorf("removing the finished job %s: kubectl %w", j.Metadata.Name, err)
		}
	}
	return nil
}

func (c *Chain) selector(stage string) string {
	s := "app.kubernetes.io/name=rkd," + instanceLabel + "=" + c.base()
	if stage != "" {
		s += "," + componentLabel + "=" + stage
	}
	return s
}

// await waits until a stage's job is complete.
func (c *Chain) await(ctx context.Context, k *kubectl, stage string, say func(string, ...any)) error {
	var stuckSince time.Time
	said := map[string]bool{}
	for {
		l, err := k.look(ctx, c.selector(stage), true)
		if err != nil {
			return fmt.Errorf("waiting for %s: kubectl %w", stage, err)
		}
		if len(l.jobs) == 0 {
			return fmt.Errorf("waiting for %s: %w: job %s is gone, somebody has deleted it", stage, ErrStage, c.jobName(stage))
		}
		j := l.jobs[0]
		troubles := l.troubles()
		for _, t := range troubles {
			if line := t.String(); !said[line] {
				said[line] = true
				say("%s", line)
			}
		}
		if line := fmt.Sprintf("%s: %d of %d tasks", stage, j.Status.Succeeded, j.Spec.Completions); !said[line] {
			said[line] = true
			say("%s", line)
		}
		done, failure := j.finished()
		switch {
		case failure != "":
			return fmt.Errorf("%s: %w: %s", stage, ErrStage, strings.Join(append([]string{failure}, texts(troubles)...), "; "))
		case done:
			return nil
		}
		if !l.stuck() {
			stuckSince = time.Time{}
		} else if stuckSince.IsZero() {
			stuckSince = time.Now()
		}
		if !stuckSince.IsZero() && time.Since(stuckSince) > patience {
			return fmt.Errorf("%s: %w: %s; \"kubectl delete job %s\" takes the job back", stage, ErrStuck,
				strings.Join(texts(troubles), "; "), j.Metadata.Name)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for job %s, which goes on: %w", j.Metadata.Name, ctx.Err())
		case <-time.After(lookEvery):
		}
	}
}

func texts(troubles []Trouble) []string {
	var list []string
	for _, t := range troubles {
		list = append(list, t.String())
	}
	return list
}

// Troubles asks kubectl why tasks of the chain have failed or cannot start: a task that was killed has written no
// message. It returns ErrNoEngine if there is no kubectl.
func (c *Chain) Troubles(ctx context.Context) ([]Trouble, error) {
	k, err := findKubectl(c.Batch.Namespace)
	if err != nil {
		return nil, err
	}
	l, err := k.look(ctx, c.selector(""), true)
	if err != nil {
		return nil, fmt.Errorf("asking Kubernetes: kubectl %w", err)
	}
	return l.troubles(), nil
}

// kubectl runs kubectl in a namespace.
type kubectl struct {
	path      string
	namespace []string
}

func findKubectl(namespace string) (*kubectl, error) {
	found, err := exec.LookPath("kubectl")
	if err != nil {
		return nil, fmt.Errorf("kubectl is %w", ErrNoEngine)
	}
	k := &kubectl{path: found}
	if namespace != "" {
		k.namespace = []string{"--namespace", namespace}
	}
	return k, nil
}

func (k *kubectl) output(ctx context.Context, args ...string) (string, error) {
	return output(ctx, k.path, append(args, k.namespace...)...)
}

// look queries the jobs of a selector, and with pods their pods and events, too.
func (k *kubectl) look(ctx context.Context, selector string, pods bool) (*look, error) {
	kinds := "jobs"
	if pods {
		kinds = "jobs,pods"
	}
	var items struct {
		Items []json.RawMessage `json:"items"`
	}
	if err := k.get(ctx, &items, kinds, "--selector", selector); err != nil {
		return nil, err
	}
	l := new(look)
	for _, item := range items.Items {
		var of struct {
			Kind string `json:"kind"`
		}
		err := json.Unmarshal(item, &of)
		switch {
		case err == nil && of.Kind == "Job":
			var j jobState
			err = json.Unmarshal(item, &j)
			l.jobs = append(l.jobs, j)
		case err == nil && of.Kind == "Pod":
			var p podState
			err = json.Unmarshal(item, &p)
			l.pods = append(l.pods, p)
		}
		if err != nil {
			return nil, fmt.Errorf("reading kubectl's answer: %w", err)
		}
	}
	l.dropOrphans()
	if pods && l.starved() {
		var events eventList
		if err := k.get(ctx, &events, "events", "--field-selector", "reason=FailedCreate"); err != nil {
			return nil, err
		}
		l.events = events.Items
	}
	return l, nil
}

func (k *kubectl) get(ctx context.Context, v any, args ...string) error {
	text, err := k.output(ctx, append(append([]string{"get"}, args...), "--output", "json")...)
	if err == nil {
		err = json.Unmarshal([]byte(text), v)
	}
	return err
}
