package main

import (
	"context"

	"github.com/urfave/cli/v2"

	"rkd/pipeline"
	"rkd/pipeline/cache"
	"rkd/pipeline/config"
	"rkd/pipeline/storage"
)

// precomputeOptions are those of `rkd precompute`.
type precomputeOptions struct {
	console
	experimentOptions
	indexOptions
	Plan  bool
	Tasks int
}

func precomputeCommand(out console) *cli.Command {
	o := precomputeOptions{console: out}
	return command(cli.Command{
		Name:      "precompute",
		Usage:     "run the teacher over the training data, once, and cache its embeddings",
		ArgsUsage: "CONFIG | PLAN",
		Flags: []cli.Flag{
			&cli.BoolFlag{
				Name: "plan", Usage: "only write the plan, PLAN.json in the cache folder, for tasks to carry out",
				Destination: &o.Plan,
			},
			&cli.IntFlag{
				Name: "tasks", Usage: "`NUMBER` of tasks of the plan; default one a shard, 1000 at most",
				Destination: &o.Tasks,
			},
			o.indexFlag("task of the plan"), o.listFlag(),
			o.setFlag(), o.providerFlag(), o.providerOptionFlag(), o.libraryFlag(), o.jsonFlag(), o.quietFlag(),
		},
		Action: func(c *cli.Context) error {
			if c.IsSet("tasks") && o.Tasks < 1 {
				return usage("--tasks", "--tasks is %d, expected 1 or more", o.Tasks)
			}
			return runPrecompute(c.Context, o, c.Args().Slice())
		},
	}, onWriters, "rkd precompute examples/mnist-unseen.yaml",
		"rkd precompute examples/mnist-unseen.yaml --plan --tasks 2",
		"rkd precompute runs/mnist-unseen/cache/PLAN.json --task-index 1")
}

func runPrecompute(ctx context.Context, o precomputeOptions, args []string) error {
	file, err := one(args, "precompute", "CONFIG or PLAN")
	if err != nil {
		return err
	}
	o.at.again = goesOn
	dir, planned := cache.PlanDir(file)
	task, named, err := o.index()
	switch {
	case err != nil:
		return err
	case o.Plan && (planned || o.Index != ""):
		return usage("--plan", "--plan writes a plan for a configuration, and does no task of one")
	case o.Tasks > 0 && !o.Plan:
		return usage("--tasks", "--tasks is for --plan: a plan's number of tasks does not change any more")
	}
	var r *pipeline.Runner
	if planned {
		r, err = o.loadPlan(ctx, &o.console, dir)
	} else {
		r, err = o.load(&o.console, file)
	}
	switch {
	case err != nil:
		return err
	case o.Plan:
		return writePlan(ctx, o, r)
	case named:
		err := runTask(ctx, o, r, task)
		keepOutcome(ctx, r, "precompute", task, err)
		return err
	}
	filled, err := r.Precompute(ctx)
	if err != nil {
		return err
	}
	if o.JSON {
		return o.printJSON(oneOrAll(manifests(filled)))
	}
	for i, t := range r.Experiment.Base.EachTeacher() {
		m := filled[i].Manifest()
		o.printf("%s: %d rows of %d dimensions in %d shards\n", t.Config.Cache.Dir, m.Rows, m.Dim, len(m.Shards))
	}
	return nil
}

func manifests(of []*cache.Cache) []cache.Manifest {
	all := make([]cache.Manifest, len(of))
	for i, c := range of {
		all[i] = c.Manifest()
	}
	return all
}

// oneOrAll is the only element of a list, or the list: one teacher is the rule.
func oneOrAll[T any](list []T) any {
	if len(list) == 1 {
		return list[0]
	}
	return list
}

// loadPlan makes the runner of a plan: its configuration, on the folder in which it lies.
func (o *experimentOptions) loadPlan(ctx context.Context, out *console, dir string) (*pipeline.Runner, error) {
	p, err := cache.ReadPlan(ctx, dir)
	if err != nil {
		return nil, err
	}
	e, err := config.Parse(storage.Join(dir, cache.PlanName), []byte(p.Config), append(o.overrides(), "cache.dir="+dir))
	if err != nil {
		return nil, err
	}
	m, err := o.machine(out)
	if err != nil {
		return nil, err
	}
	return &pipeline.Runner{Machine: m, Experiment: e}, nil
}

func writePlan(ctx context.Context, o precomputeOptions, r *pipeline.Runner) error {
	plans, err := r.Plan(ctx, o.Tasks)
	if err != nil {
		return err
	}
	if o.JSON {
		return o.printJSON(oneOrAll(plans))
	}
	for i, t := range r.Experiment.Base.EachTeacher() {
		p, dir := plans[i], t.Config.Cache.Dir
		o.printf("%s: %d rows to compute in %d shards, %d tasks: rkd precompute %s --task-index 0 to %d, then rkd cache "+
			"finalize %s\n",
			dir, p.Rows, p.ShardCount, p.Tasks, storage.Join(dir, cache.PlanName), p.Tasks-1, dir)
	}
	return nil
}

func runTask(ctx context.Context, o precomputeOptions, r *pipeline.Runner, task int) error {
	t, err := r.PrecomputeTask(ctx, task)
	if err != nil {
		return err
	}
	from, to, err := t.Plan.TaskShards(t.Task)
	if err != nil {
		return err
	}
	if o.JSON {
		return o.printJSON(map[string]any{
			"dir": t.Dir, "plan": t.Plan.Plan, "task": t.Task, "tasks": t.Plan.Tasks, "first_shard": from,
			"shards": to - from,
		})
	}
	o.printf("%s: task %d of %d is done, %d shards from %d on\n", t.Dir, t.Task, t.Plan.Tasks, to-from, from)
	return nil
}
