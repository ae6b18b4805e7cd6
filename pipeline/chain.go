package pipeline

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"rkd/datasets/regular"
	"rkd/pipeline/batch"
	"rkd/pipeline/cache"
	"rkd/pipeline/config"
	"rkd/pipeline/storage"
)

// ErrNotShared says that a task does not see the run directory of its chain.
var ErrNotShared = errors.New("the run directory is not shared")

// ChainOptions say how an experiment is rendered as batch jobs.
type ChainOptions struct {
	Engine    batch.Engine
	Config    string   // path of the configuration
	Overrides []string // of its keys
	Program   string   // that runs in jobs unless the configuration names one
	Out       string   // folder for jobs and logs
	Missing   bool     // only what is not there yet
}

// Chain makes the chain of batch jobs of the experiment: over the tasks of the plan of each teacher's cache, which is
// written where there is none, and over its trainings. Without a teacher it begins with these.
func (r *Runner) Chain(ctx context.Context, o ChainOptions) (*batch.Chain, error) {
	e := r.Experiment
	if e.Base.Generations > 1 {
		return nil, fmt.Errorf("%w: %s: generations is %d, but batch jobs make one: what the cache of a second one holds is "+
			"known when the first is trained; use \"rkd run\", or a configuration whose teacher is the student of another",
			config.ErrConfig, e.File, e.Base.Generations)
	}
	c := &batch.Chain{
		Name: e.Base.Name, Config: o.Config, Set: o.Overrides, RunDir: e.Base.Dir, Program: o.Program, Batch: e.Batch,
	}
	for _, t := range e.Base.EachTeacher() {
		c.CacheDirs = append(c.CacheDirs, t.Config.Cache.Dir)
	}
	var err error
	if c.ConfigText, err = regular.ReadFile(o.Config); err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	if c.WorkDir, err = os.Getwd(); err != nil {
		return nil, fmt.Errorf("finding the working directory: %w", err)
	}
	if c.Dir, err = filepath.Abs(o.Out); err != nil {
		return nil, fmt.Errorf("finding %q: %w", o.Out, err)
	}
	if err := c.Check(o.Engine); err != nil {
		return nil, err
	}
	if err := r.planChain(ctx); err != nil {
		return nil, err
	}
	s, err := r.Status(ctx)
	if err != nil {
		return nil, err
	}
	c.Work = s.Work(o.Missing)
	c.Mark, err = r.mark(ctx)
	return c, err
}

// planChain makes sure that the cache of each teacher has its plan. Without a teacher the experiment itself is checked.
func (r *Runner) planChain(ctx context.Context) error {
	e := r.Experiment
	if e.Base.Untaught() {
		return r.check(ctx)
	}
	missing := false
	for _, t := range e.Base.EachTeacher() {
		p, err := cache.ReadPlan(ctx, t.Config.Cache.Dir)
		switch {
		case errors.Is(err, cache.ErrNoPlan):
			missing = true
			continue
		case err == nil:
			err = checkPlan(p, t.Config)
		}
		if err != nil {
			return t.Named(err)
		}
	}
	if !missing {
		return nil
	}
	_, err := r.Plan(ctx, e.Batch.Tasks)
	return err
}

// markName is the name of the mark beside the tasks' failures.
const markName = "mark"

// mark returns the mark of the run directory, a random word by which tasks on other machines know it. Where there is
// none, it makes one.
func (r *Runner) mark(ctx context.Context) (string, error) {
	store := r.failureStore()
	data, err := storage.ReadFile(ctx, store, markName, 1000)
	if errors.Is(err, fs.ErrNotExist) {
		err = store.Create(ctx, markName, storage.Bytes([]byte(rand.Text())))
		if err == nil || errors.Is(err, fs.ErrExist) { // ours, or that of who was faster
			data, err = storage.ReadFile(ctx, store, markName, 1000)
		}
	}
	if err != nil {
		return "", fmt.Errorf("marking the run directory: %w", err)
	}
	return strings.TrimSpace(string(data)), nil
}

// CheckMark refuses, with ErrNotShared, a run directory that is another than that of the chain with the mark: what a
// task wrote there would be lost.
func (r *Runner) CheckMark(ctx context.Context, mark string) error {
	store := r.failureStore()
	data, err := storage.ReadFile(ctx, store, markName, 1000)
	if err == nil && strings.TrimSpace(string(data)) == mark {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("looking for the mark of the run directory: %w", err)
	}
	host, _ := os.Hostname() // for people
	what := "has another mark"
	if err != nil {
		what = "is missing"
	}
	return fmt.Errorf("%w: on %s, %q, written when the jobs were rendered, %s: %q has to be the same folder on all nodes",
		ErrNotShared, host, store.Path(markName), what, r.Experiment.Base.Dir)
}
