package main

import (
	"context"
	"os"
	"strconv"

	"github.com/urfave/cli/v2"

	"rkd/pipeline"
	"rkd/pipeline/batch"
)

// taskVariables hold the index of a task where a scheduler runs it: that of a Kubernetes Indexed Job, and that of a
// Slurm job array.
var taskVariables = []string{"JOB_COMPLETION_INDEX", "SLURM_ARRAY_TASK_ID"}

// indexOptions say which of the tasks of a batch job a command does.
type indexOptions struct {
	Index string
	List  string
}

func (o *indexOptions) indexFlag(what string) cli.Flag {
	return &cli.StringFlag{
		Name: "task-index", Destination: &o.Index,
		Usage: "do one " + what + " only, that of `INDEX`, from 0 (else $JOB_COMPLETION_INDEX, $SLURM_ARRAY_TASK_ID)",
	}
}

func (o *indexOptions) listFlag() cli.Flag {
	return &cli.StringFlag{
		Name: "task-list", Destination: &o.List,
		Usage: "`LIST` of tasks, e.g. 0-3,7, in which the index counts; else it counts all of them",
	}
}

// index returns the index that is asked for, by flag or by a scheduler, and whether one is.
func (o *indexOptions) index() (index int, named bool, err error) {
	name, text := "--task-index", o.Index
	for _, variable := range taskVariables {
		if text == "" {
			name, text = variable, os.Getenv(variable)
		}
	}
	if text == "" && o.List != "" {
		return 0, false, usage("--task-list", "--task-list goes with an index, of --task-index or of a scheduler")
	}
	if text == "" {
		return 0, false, nil
	}
	index, err = strconv.Atoi(text)
	if err != nil || index < 0 {
		return 0, false, usage("--task-index", "%s is %q, expected the index of a task, a whole number from 0 up", name, text)
	}
	if o.List == "" {
		return index, true, nil
	}
	list, err := batch.Numbers(o.List)
	switch {
	case err != nil:
		return 0, false, usage("--task-list", "--task-list: %v", err)
	case index >= len(list):
		return 0, false, usage("--task-index", "%s is %d, expected 0 to %d: --task-list has %d tasks", name, index,
			len(list)-1, len(list))
	}
	return list[index], true, nil
}

// keepOutcome keeps for `rkd batch status` how the task of an index ended. An interrupted one goes on later and has not
// failed.
func keepOutcome(ctx context.Context, r *pipeline.Runner, stage string, index int, err error) {
	if err == nil {
		r.Succeeded(context.WithoutCancel(ctx), stage, index)
		return
	}
	if f := newFailure(ctx, err); f.Code != exitInterrupted && f.Code != exitHeld {
		r.Failed(context.WithoutCancel(ctx), pipeline.Failure{Stage: stage, Index: index, Code: f.Code, Message: f.Message})
	}
}
