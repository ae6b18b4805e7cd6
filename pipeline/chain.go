package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"rkd/pipeline/batch"
	"rkd/pipeline/cache"
	"rkd/pipeline/config"
)

// ChainOptions say how an experiment is rendered as batch jobs.
type ChainOptions struct {
	Config    string   // path of the configuration
	Overrides []string // of its keys
	Program   string   // that runs in jobs unless the configuration names one
	Out       string   // folder for jobs and logs
	Missing   bool     // only what is not there yet
}

// Chain makes the chain of batch jobs of the experiment: over the tasks of the cache's plan, which is written where
// there is none, and over its trainings.
func (r *Runner) Chain(ctx context.Context, o ChainOptions) (*batch.Chain, error) {
	e := r.Experiment
	if e.Base.Generations > 1 {
		return nil, fmt.Errorf("%w: %s: generations is %d, but batch jobs make one: use \"rkd run\", or a configuration "+
			"whose teacher is "+
			"the student of another", config.ErrConfig, e.File, e.Base.Generations)
	}
	_, err := cache.ReadPlan(ctx, e.Base.Cache.Dir)
	if errors.Is(err, cache.ErrNoPlan) {
		_, err = r.Plan(ctx, e.Batch.Tasks)
	}
	if err != nil {
		return nil, err
	}
	s, err := r.Status(ctx)
	if err != nil {
		return nil, err
	}
	c := &batch.Chain{
		Name: e.Base.Name, Config: o.Config, Set: o.Overrides, CacheDir: e.Base.Cache.Dir, Program: e.Batch.Program,
		Batch: e.Batch,
		Work:  s.Work(o.Missing),
	}
	if c.Program == "" {
		c.Program = o.Program
	}
	if c.WorkDir, err = os.Getwd(); err != nil {
		return nil, fmt.Errorf("finding the working directory: %w", err)
	}
	if c.Dir, err = filepath.Abs(o.Out); err != nil {
		return nil, fmt.Errorf("finding %q: %w", o.Out, err)
	}
	return c, c.Check()
}
