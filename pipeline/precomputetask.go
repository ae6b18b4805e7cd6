package pipeline

import (
	"context"
	"errors"
	"fmt"

	"rkd/datasets"
	"rkd/pipeline/cache"
	"rkd/pipeline/config"
)

// Plan writes the plans of the first generation's caches, one for each teacher, which any number of processes then
// carry out by PrecomputeTask: the data are fingerprinted and the teachers are opened here, once. Where a folder has
// its plan already nothing is done. tasks is the number of tasks of each, 0 for one a shard up to cache.DefaultTasks.
func (r *Runner) Plan(ctx context.Context, tasks int) (plans []*cache.PlanFile, err error) {
	if err := r.taught(); err != nil {
		return nil, err
	}
	if err := r.check(ctx); err != nil {
		return nil, err
	}
	data, err := r.dataset(ctx, "train")
	if err != nil {
		return nil, err
	}
	if err := r.checkTeachers(ctx, data); err != nil {
		return nil, err
	}
	for _, t := range r.Experiment.Base.EachTeacher() {
		p, err := r.planTeacher(ctx, data, t.Config, tasks)
		if err != nil {
			return nil, err
		}
		plans = append(plans, p)
	}
	return plans, nil
}

func (r *Runner) planTeacher(ctx context.Context, data datasets.Dataset, c *config.Config, tasks int,
) (*cache.PlanFile, error) {
	key, err := cacheKey(data, c)
	if err != nil {
		return nil, err
	}
	if err := cache.Admits(ctx, c.Cache.Dir, key); err != nil {
		return nil, refused(err)
	}
	plan, model, err := r.plan(ctx, c, data, key)
	if err != nil {
		return nil, err
	}
	if err := model.Close(); err != nil {
		return nil, err
	}
	plan.Tasks = tasks
	w, err := cache.Create(ctx, c.Cache.Dir, plan)
	if err != nil {
		return nil, refused(err)
	}
	r.sayKept(w.Plan(), c.Cache.Dir, c.Cache.RowsPerShard, tasks)
	return w.Plan(), nil
}

// PlannedTask is a task of the newest plan of one of the caches of an experiment.
type PlannedTask struct {
	Dir  string // of the cache
	Plan *cache.PlanFile
	Task int // of the plan

	of config.Taught
}

// PlannedTask finds the task of an index: those of several teachers are counted behind each other, in the order of
// config.Config.EachTeacher. It returns cache.ErrNoPlan and cache.ErrTask.
func (r *Runner) PlannedTask(ctx context.Context, index int) (*PlannedTask, error) {
	if err := r.taught(); err != nil {
		return nil, err
	}
	teachers, tasks := r.Experiment.Base.EachTeacher(), 0
	for _, t := range teachers {
		p, err := cache.ReadPlan(ctx, t.Config.Cache.Dir)
		if err != nil {
			return nil, t.Named(err)
		}
		if index < tasks+p.Tasks {
			return &PlannedTask{Dir: t.Config.Cache.Dir, Plan: p, Task: index - tasks, of: t}, nil
		}
		tasks += p.Tasks
	}
	plans := "the plan has"
	if len(teachers) > 1 {
		plans = fmt.Sprintf("the plans of %d teachers have", len(teachers))
	}
	return nil, fmt.Errorf("%w: index %d, expected 0 to %d: %s %d tasks", cache.ErrTask, index, tasks-1, plans, tasks)
}

// PrecomputeTask makes the shards of the task of an index, those that are not there yet. The data are not fingerprinted
// again: each sample is held against the plan when it is read.
//
// It returns the errors of PlannedTask, and cache.ErrMismatch where the teacher or the data have changed since the plan
// was written.
func (r *Runner) PrecomputeTask(ctx context.Context, index int) (*PlannedTask, error) {
	t, err := r.PlannedTask(ctx, index)
	if err != nil {
		return nil, err
	}
	return t, t.of.Named(r.precomputeTask(ctx, t))
}

func (r *Runner) precomputeTask(ctx context.Context, t *PlannedTask) error {
	c := t.of.Config
	w, err := cache.Resume(ctx, t.Dir, t.Task)
	if err != nil {
		return err
	}
	t.Plan = w.Plan()
	if err := checkPlan(t.Plan, c); err != nil {
		return err
	}
	if w.Done() {
		r.Progress.Say("precompute: task %d of %s is up to date", t.Task, t.Dir)
		return w.CommitTask(ctx, t.Task)
	}
	_, mixed, err := plannedKey(t.Plan.Key, c)
	if err != nil {
		return err
	}
	data, err := r.plannedData(ctx, w, mixed)
	if err != nil {
		return err
	}
	model, _, err := r.openModel(ctx, c.Teacher, data)
	if err != nil {
		return changed(err)
	}
	defer model.Close()
	logits := logitsWidth(c.Teacher.Logits, model.LogitsDim())
	if p := t.Plan; p.Basis == "" && model.Dim() != p.Dim || logits != p.LogitsDim {
		return fmt.Errorf("%w: the teacher gives %d numbers and %d logits, the plan says %d and %d", cache.ErrMismatch,
			model.Dim(), logits, p.Dim, p.LogitsDim)
	}
	if err := r.fill(ctx, c, w, model, data); err != nil {
		return err
	}
	return w.CommitTask(ctx, t.Task)
}

// checkPlan refuses, with cache.ErrMismatch, a plan for another teacher or other settings than those of c. The data are
// not looked at: of them the plan's samples are the details.
func checkPlan(p *cache.PlanFile, c *config.Config) error {
	key, _, err := plannedKey(p.Key, c)
	if err != nil {
		return err
	}
	if diffs := p.Key.Diff(key); len(diffs) > 0 {
		return fmt.Errorf("%w: what the plan is made for has changed since; write a new plan with \"rkd precompute --plan\"",
			&cache.MismatchError{Dir: c.Cache.Dir, Differences: diffs})
	}
	return nil
}

// plannedData opens the training data with the sums that the plan knows of the samples that a task reads, and with what
// it knows of all.
func (r *Runner) plannedData(ctx context.Context, w *cache.Writer, mixed bool) (datasets.Dataset, error) {
	sums := map[string][32]byte{}
	for _, shard := range w.Missing() {
		for _, a := range w.Rows(shard).About {
			sums[a.Path] = a.Content
		}
	}
	data, err := r.openData(ctx, "train", sums, mixed)
	if errors.Is(err, errNoSample) {
		err = fmt.Errorf("%w: the data have changed since the plan was written: none of the task's %d samples is there any "+
			"more", cache.ErrMismatch,
			len(sums))
	}
	return data, err
}

// changed says that the plan is of other data, in the error of a file that differs from the plan.
func changed(err error) error {
	if errors.Is(err, datasets.ErrChanged) {
		return fmt.Errorf("%w: the data have changed since the plan was written: %w", cache.ErrMismatch, err)
	}
	return err
}

// sayKept says of a plan that was there already in what it differs from what is asked for.
func (r *Runner) sayKept(p *cache.PlanFile, dir string, rowsPerShard, tasks int) {
	if p.RowsPerShard != rowsPerShard {
		r.Progress.Say("precompute: the plan in %s stays, of %d rows a shard; cache.rows_per_shard %d is for further plans",
			dir, p.RowsPerShard, rowsPerShard)
	}
	if tasks > 0 && p.Tasks != tasks {
		r.Progress.Say("precompute: the plan in %s stays, of %d tasks, not %d: a plan never changes", dir, p.Tasks, tasks)
	}
}
