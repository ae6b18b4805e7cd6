package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"rkd/pipeline/cache"
)

// Run carries out all stages, precompute, distill, export, evaluate, skipping what is up to date and going on with what was
// interrupted.
func (r *Runner) Run(ctx context.Context) (*Results, error) {
	if err := r.writeConfig(); err != nil {
		return nil, err
	}
	tasks := Tasks(r.Experiment)
	for generation := 1; ; generation++ {
		if err := r.generation(ctx, tasks); err != nil {
			return nil, err
		}
		if generation == r.Experiment.Base.Generations {
			return r.Evaluate(ctx)
		}
		tasks = next(tasks)
	}
}

// generation carries out the stages that make the students of tasks.
func (r *Runner) generation(ctx context.Context, tasks []Task) error {
	filled := ""
	for _, t := range tasks {
		if t.Config.Cache.Dir == filled {
			continue // variants and seeds of the first generation share a cache
		}
		_, err := r.precompute(ctx, t.Config)
		if t.Generation > 1 && errors.Is(err, cache.ErrMismatch) {
			// Its teacher was trained anew by this very run: the folder is the task's own, and nobody else's cache.
			r.Progress.Say("precompute: made again, %v", err)
			if err := os.RemoveAll(t.Config.Cache.Dir); err != nil {
				return fmt.Errorf("removing the cache of an earlier teacher: %w", err)
			}
			_, err = r.precompute(ctx, t.Config)
		}
		if err != nil {
			return err
		}
		filled = t.Config.Cache.Dir
	}
	if err := r.Distill(ctx, tasks, true); err != nil {
		return err
	}
	_, err := r.Export(ctx, tasks)
	return err
}

// writeConfig keeps the resolved configuration in the run directory.
func (r *Runner) writeConfig() error {
	data, err := r.Experiment.Resolved()
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(r.Experiment.Base.Dir, "config.yaml"), data)
}
