package batch

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Trouble is the reason why a task failed or cannot start, as its cluster reports it.
type Trouble struct {
	Stage   string `json:"stage"`
	Index   int    `json:"index"` // of the task; -1 for the whole stage
	Pod     string `json:"pod,omitempty"`
	Node    string `json:"node,omitempty"`
	Message string `json:"message"`
}

// String returns the trouble as one sentence.
func (t Trouble) String() string {
	what := t.Stage
	if t.Index >= 0 {
		what += fmt.Sprintf(" task %d", t.Index)
	}
	if t.Node != "" {
		what += " on " + t.Node
	}
	return what + ": " + t.Message
}

// look is the state of jobs on a cluster at one moment.
type look struct {
	jobs   []jobState
	pods   []podState
	events []event
}

// jobState, podState and event hold what is read of Kubernetes' objects.
type (
	objectState struct {
		Name        string            `json:"name"`
		UID         string            `json:"uid"`
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
		Created     time.Time         `json:"creationTimestamp"`
		Deleted     *time.Time        `json:"deletionTimestamp"`
	}
	conditionState struct {
		Type    string `json:"type"`
		Status  string `json:"status"`
		Reason  string `json:"reason"`
		Message string `json:"message"`
	}
	jobState struct {
		Metadata objectState `json:"metadata"`
		Spec     struct {
			Completions int `json:"completions"`
		} `json:"spec"`
		Status struct {
			Active        int              `json:"active"`
			Succeeded     int              `json:"succeeded"`
			FailedIndexes string           `json:"failedIndexes"`
			Conditions    []conditionState `json:"conditions"`
		} `json:"status"`
	}
	podState struct {
		Metadata objectState `json:"metadata"`
		Spec     struct {
			Node       string           `json:"nodeName"`
			Containers []containerState `json:"containers"`
		} `json:"spec"`
		Status struct {
			Phase      string            `json:"phase"`
			Reason     string            `json:"reason"`
			Message    string            `json:"message"`
			Conditions []conditionState  `json:"conditions"`
			Containers []containerStatus `json:"containerStatuses"`
		} `json:"status"`
	}
	containerState struct {
		Name      string   `json:"name"`
		Args      []string `json:"args"`
		Resources struct {
			Limits map[string]string `json:"limits"`
		} `json:"resources"`
	}
	containerStatus struct {
		Name  string `json:"name"`
		State struct {
			Waiting    *waitingState    `json:"waiting"`
			Terminated *terminatedState `json:"terminated"`
		} `json:"state"`
	}
	waitingState struct {
		Reason  string `json:"reason"`
		Message string `json:"message"`
	}
	terminatedState struct {
		ExitCode int    `json:"exitCode"`
		Reason   string `json:"reason"`
		Message  string `json:"message"`
	}
	event struct {
		Message  string `json:"message"`
		Involved struct {
			Name string `json:"name"`
		} `json:"involvedObject"`
	}
	eventList struct {
		Items []event `json:"items"`
	}
)

// dropOrphans drops the pods of jobs that are gone: those of before live on for a moment.
func (l *look) dropOrphans() {
	l.pods = slices.DeleteFunc(l.pods, func(p podState) bool {
		of := p.Metadata.Labels["batch.kubernetes.io/controller-uid"]
		return of != "" && !slices.ContainsFunc(l.jobs, func(j jobState) bool { return j.Metadata.UID == of })
	})
}

// finished says whether a job has ended, and what Kubernetes says of its failure.
func (j *jobState) finished() (done bool, failure string) {
	for _, c := range j.Status.Conditions {
		switch {
		case c.Status != "True":
		case c.Type == "Complete":
			done = true
		case c.Type == "Failed":
			done, failure = true, fmt.Sprintf("job %s: %s (%s)", j.Metadata.Name, c.Message, c.Reason)
			if j.Status.FailedIndexes != "" {
				failure += ", failed indices " + j.Status.FailedIndexes
			}
		}
	}
	return done, failure
}

// starved says whether a job has tasks left but not one pod, as when a quota is exhausted.
func (l *look) starved() bool {
	return slices.ContainsFunc(l.jobs, func(j jobState) bool {
		done, _ := j.finished()
		return !done && j.Status.Active == 0
	})
}

// stuck says whether no task runs, and there is one that cannot start.
func (l *look) stuck() bool {
	stuck := len(l.events) > 0
	for _, p := range l.pods {
		if p.Status.Phase == "Running" {
			return false
		}
		stuck = stuck || p.Status.Phase == "Pending" && p.waiting() != ""
	}
	return stuck
}

// troubles lists the reasons of tasks whose last pod did not succeed, by stage and index.
func (l *look) troubles() []Trouble {
	type task struct {
		stage string
		index int
	}
	last := map[task]podState{}
	for _, p := range l.pods {
		at := task{p.Metadata.Labels[componentLabel], p.index()}
		if before, ok := last[at]; !ok || before.Metadata.Created.Before(p.Metadata.Created) ||
			before.Status.Phase == "Failed" && before.Metadata.Created.Equal(p.Metadata.Created) {
			last[at] = p
		}
	}
	list := []Trouble{}
	for at, p := range last {
		if message := p.trouble(at.stage); message != "" {
			list = append(list, Trouble{at.stage, at.index, p.Metadata.Name, p.Spec.Node, message})
		}
	}
	told := map[string]bool{}
	for _, e := range l.events {
		for _, j := range l.jobs {
			stage := j.Metadata.Labels[componentLabel]
			if done, _ := j.finished(); e.Involved.Name == j.Metadata.Name && !done && !told[stage] {
				told[stage] = true
				list = append(list, Trouble{Stage: stage, Index: -1, Message: oneLine(e.Message)})
			}
		}
	}
	slices.SortFunc(list, func(a, b Trouble) int {
		return cmp.Or(cmp.Compare(a.Stage, b.Stage), cmp.Compare(a.Index, b.Index))
	})
	return list
}

// index is the index of the pod's task: Kubernetes' index is a place in --task-list.
func (p *podState) index() int {
	i, err := strconv.Atoi(p.Metadata.Annotations["batch.kubernetes.io/job-completion-index"])
	if err != nil {
		return -1
	}
	for _, c := range p.Spec.Containers {
		if at := slices.Index(c.Args, "--task-list"); c.Name == containerName && at >= 0 && at+1 < len(c.Args) {
			if list, err := Numbers(c.Args[at+1]); err == nil && i < len(list) {
				return list[i]
			}
		}
	}
	return i
}

// waiting is why the pod's container cannot start, or why it is placed on no node; empty if it is only on its way.
func (p *podState) waiting() string {
	for _, c := range p.Status.Containers {
		if w := c.State.Waiting; w != nil && w.Reason != "ContainerCreating" && w.Reason != "PodInitializing" {
			return oneLine(strings.TrimSuffix(w.Reason+": "+w.Message, ": "))
		}
	}
	for _, c := range p.Status.Conditions {
		if c.Type == "PodScheduled" && c.Status == "False" {
			return oneLine(c.Reason + ": " + c.Message)
		}
	}
	return ""
}

// trouble is the reason why a pod failed or cannot start, empty for a healthy one.
func (p *podState) trouble(stage string) string {
	for _, c := range p.Status.Containers {
		t := c.State.Terminated
		switch {
		case c.Name != containerName || t == nil || t.ExitCode == 0:
		case t.Reason == "OOMKilled":
			return fmt.Sprintf("killed at its memory limit of %s (OOMKilled): raise batch.stages.%s.memory or "+
				"batch.resources.memory", p.memory(), stage)
		case p.Status.Reason != "": // of the pod, as a time limit
			return oneLine(fmt.Sprintf("%s (%s), exit code %d", p.Status.Message, p.Status.Reason, t.ExitCode))
		case t.ExitCode == interrupted:
			return "" // goes on in another pod
		default:
			return oneLine(fmt.Sprintf("exit code %d (%s): %s", t.ExitCode, t.Reason, lastLines(t.Message)))
		}
	}
	switch {
	case p.Metadata.Deleted != nil && p.Status.Phase == "Running" && time.Since(*p.Metadata.Deleted) > 10*time.Second:
		return fmt.Sprintf("waits for node %s, which does not answer: where that is gone for good, \"kubectl taint node %s "+
			"node.kubernetes.io/out-of-service=:NoExecute\" lets another do it", p.Spec.Node, p.Spec.Node)
	case p.Status.Phase == "Failed":
		return oneLine(fmt.Sprintf("%s (%s)", p.Status.Message, p.Status.Reason))
	case p.Status.Phase == "Pending":
		return p.waiting()
	}
	return ""
}

func (p *podState) memory() string {
	for _, c := range p.Spec.Containers {
		if limit := c.Resources.Limits["memory"]; c.Name == containerName && limit != "" {
			return limit
		}
	}
	return "the node"
}

// lastLines is the end of a program's log: its error, and what to do.
func lastLines(log string) string {
	lines := strings.Split(strings.TrimSpace(log), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "rkd: ") {
			lines = lines[i:]
			break
		}
	}
	return strings.Join(lines[max(0, len(lines)-2):], " ")
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
