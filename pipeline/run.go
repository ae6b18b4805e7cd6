package pipeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"rkd/datasets/regular"
	"rkd/pipeline/cache"
	"rkd/pipeline/storage"
	"rkd/student/train/record"
)

// Run carries out all stages, precompute, distill, export, evaluate, skipping what is up to date and going on with what
// was interrupted. It holds the run directory meanwhile; see holdRun.
func (r *Runner) Run(ctx context.Context) (res *Results, err error) {
	if err := r.check(ctx); err != nil {
		return nil, err
	}
	release, err := r.holdRun(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, release()) }()
	data, err := r.dataset(ctx, "train")
	if err != nil {
		return nil, err
	}
	if err := r.checkTeachers(ctx, data); err != nil {
		return nil, err
	}
	tasks := Tasks(r.Experiment)
	for generation := 1; ; generation++ {
		if err := r.generation(ctx, tasks); err != nil {
			return nil, err
		}
		if generation == r.Experiment.Base.Generations {
			return r.evaluate(ctx, generations(r.Experiment))
		}
		tasks = next(tasks)
	}
}

// generation carries out the stages that make the students of tasks.
func (r *Runner) generation(ctx context.Context, tasks []Task) error {
	data, err := r.dataset(ctx, "train")
	if err != nil {
		return err
	}
	filled := ""
	for _, t := range tasks {
		if t.Config.Cache.Dir == filled {
			continue // variants and seeds of the first generation share a cache
		}
		err := r.precomputeAll(ctx, t.Config, data)
		if t.Generation > 1 && errors.Is(err, cache.ErrMismatch) {
			// This run has trained its teacher anew. The folder belongs to this task alone, so it can be removed.
			r.Progress.Say("precompute: made again, %v", err)
			if err := storage.RemoveAll(ctx, t.Config.Cache.Dir); err != nil {
				return fmt.Errorf("removing the cache of an earlier teacher: %w", err)
			}
			err = r.precomputeAll(ctx, t.Config, data)
		}
		if err != nil {
			return err
		}
		filled = t.Config.Cache.Dir
	}
	// Not before: the configuration there stays that of the students there.
	if err := r.distill(ctx, tasks, r.writeConfig); err != nil {
		return err
	}
	_, err = r.export(ctx, tasks)
	return err
}

// writeConfig keeps the resolved configuration in the run directory. A file that holds it already is left alone.
func (r *Runner) writeConfig() error {
	data, err := r.Experiment.Resolved()
	if err != nil {
		return err
	}
	path := filepath.Join(workDir(&r.Experiment.Base), configFile)
	if there, err := regular.ReadFile(path); err == nil && bytes.Equal(there, data) {
		return nil
	}
	return record.WriteFile(path, data)
}
