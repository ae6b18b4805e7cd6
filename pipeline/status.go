package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"rkd/pipeline/batch"
	"rkd/pipeline/cache"
	"rkd/pipeline/storage"
	"rkd/student/train"
)

// Status says how far an experiment is, by what lies in its folders: no scheduler is asked.
type Status struct {
	Name string `json:"name"`
	// Caches say how far those of the teachers are, in the order of config.Config.EachTeacher.
	Caches    []CacheStatus    `json:"caches"`
	Trainings []TrainingStatus `json:"trainings"`
	// Evaluated says that there are results; evaluation itself looks whether they are those of these students.
	Evaluated bool `json:"evaluated"`
	// Failures are those of tasks that nothing has been done about since.
	Failures []Failure `json:"failures"`
	// Troubles are what a cluster says about its tasks, for who asks it: of some ends the task itself cannot tell.
	Troubles []batch.Trouble `json:"troubles,omitempty"`
}

// CacheStatus says how far the cache of a teacher is.
type CacheStatus struct {
	Teacher string `json:"teacher,omitempty"` // empty where it is the only one
	Dir     string `json:"dir"`
	// Plan is how far its newest plan is, nil where there is none.
	Plan *cache.Status `json:"plan"`
}

// TrainingStatus says how far a training is.
type TrainingStatus struct {
	Index   int    `json:"index"`
	Variant string `json:"variant"`
	Seed    uint64 `json:"seed"`
	Step    int    `json:"step"`  // of the last checkpoint
	Steps   int    `json:"steps"` // of the whole training; 0 where it depends on a number of rows that is not known yet
	// Trained says that it is finished, Exported that its student is there as a model, too.
	Trained  bool `json:"trained"`
	Exported bool `json:"exported"`
	// Problem says why what is there is of no use.
	Problem string `json:"problem,omitempty"`
}

// Failure is how a task of a batch job ended last.
type Failure struct {
	Stage   string `json:"stage"`
	Index   int    `json:"index"`
	Code    int    `json:"code"`
	Message string `json:"message"`
	Host    string `json:"host"`
}

// failureStore is where tasks' failures are kept: in the run directory, each in a file that nobody else writes.
func (r *Runner) failureStore() storage.Store {
	return storage.At(storage.Join(r.Experiment.Base.Dir, "batch"))
}

const failureSuffix = ".failed.json"

func failureFile(stage string, index int) string {
	return fmt.Sprintf("%s-%d%s", stage, index, failureSuffix)
}

// Failed keeps, for the status, that a task has failed; Succeeded forgets it. That this cannot be written hides no
// other failure.
func (r *Runner) Failed(ctx context.Context, f Failure) {
	f.Host, _ = os.Hostname() // for people
	data, err := json.MarshalIndent(f, "", "  ")
	if err == nil {
		err = r.failureStore().Replace(ctx, failureFile(f.Stage, f.Index), storage.Bytes(append(data, '\n')))
	}
	if err != nil {
		r.Progress.Say("keeping for the status that task %d of %s failed: %v", f.Index, f.Stage, err)
	}
}

// Succeeded forgets a task's failure.
func (r *Runner) Succeeded(ctx context.Context, stage string, index int) {
	if err := r.failureStore().Remove(ctx, failureFile(stage, index)); err != nil {
		r.Progress.Say("forgetting that task %d of %s had failed: %v", index, stage, err)
	}
}

// failures lists the failures of tasks.
func (r *Runner) failures(ctx context.Context) ([]Failure, error) {
	found, store := []Failure{}, r.failureStore()
	entries, err := store.List(ctx)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading %q: %w", store.Path(""), err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name, failureSuffix) {
			continue
		}
		data, err := storage.ReadFile(ctx, store, e.Name, 1<<20)
		if errors.Is(err, fs.ErrNotExist) {
			continue // forgotten in between
		}
		var f Failure
		if err == nil {
			err = json.Unmarshal(data, &f)
		}
		if err != nil {
			return nil, fmt.Errorf("reading how a task failed in %q: %w", store.Path(e.Name), err)
		}
		found = append(found, f)
	}
	return found, nil
}

// Status looks how far the experiment is.
func (r *Runner) Status(ctx context.Context) (*Status, error) {
	s := &Status{Name: r.Experiment.Base.Name}
	if err := r.refresh(ctx); err != nil {
		return nil, err
	}
	s.Caches = []CacheStatus{}
	for _, t := range r.Experiment.Base.EachTeacher() {
		p, err := cache.ReadStatus(ctx, t.Config.Cache.Dir)
		if err != nil && !errors.Is(err, cache.ErrNoPlan) {
			return nil, t.Named(err)
		}
		s.Caches = append(s.Caches, CacheStatus{t.Name, t.Config.Cache.Dir, p})
	}
	for i, t := range Tasks(r.Experiment) {
		status, err := r.trainingStatus(t, s.rows())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t, err)
		}
		status.Index = i
		s.Trainings = append(s.Trainings, *status)
	}
	results, err := readResults(workDir(&r.Experiment.Base))
	if err != nil {
		return nil, err
	}
	s.Evaluated = results != nil
	s.Failures, err = r.failures(ctx)
	return s, err
}

// rows is the number of rows that trainings are planned to read, 0 where no plan says it.
func (s *Status) rows() int {
	if len(s.Caches) == 0 || s.Caches[0].Plan == nil {
		return 0
	}
	return s.Caches[0].Plan.AllRows
}

func (r *Runner) trainingStatus(t Task, rows int) (*TrainingStatus, error) {
	s := &TrainingStatus{Variant: t.Variant, Seed: t.Seed}
	if rows > 0 || t.Config.Train.StepsPerEpoch > 0 {
		o := t.Config.Train.WithDefaults(rows)
		s.Steps = o.Epochs * o.StepsPerEpoch
	}
	c, err := train.ReadCheckpoint(t.Dir())
	switch {
	case errors.Is(err, train.ErrNoCheckpoint):
		return s, nil
	case errors.Is(err, train.ErrCheckpoint):
		s.Problem = err.Error()
		return s, nil
	case err != nil:
		return nil, err
	}
	s.Step = c.Step
	if !c.Done {
		return s, nil
	}
	if _, err := t.trained(); err != nil {
		s.Problem = err.Error()
		return s, nil
	}
	s.Trained = true
	_, err = t.exportedModel()
	s.Exported = err == nil
	return s, nil
}

// Work lists what a chain of batch jobs has to do: all of it, or what is missing.
func (s *Status) Work(missing bool) batch.Work {
	var w batch.Work
	first := 0 // index of the first task of a cache
	for _, c := range s.Caches {
		if c.Plan == nil {
			continue
		}
		if !missing || !c.Plan.Complete {
			w.Finalize = append(w.Finalize, c.Dir)
		}
		for task := range c.Plan.Tasks {
			if _, found := slices.BinarySearch(c.Plan.MissingTasks, task); found || !missing {
				w.Precompute = append(w.Precompute, first+task)
			}
		}
		first += c.Plan.Tasks
	}
	for _, t := range s.Trainings {
		if !missing || !t.Trained {
			w.Distill = append(w.Distill, t.Index)
		}
		if !missing || !t.Exported {
			w.Export = append(w.Export, t.Index)
		}
	}
	return w
}

// ErrPartial says that trainings of an experiment are missing.
var ErrPartial = errors.New("some trainings are missing")

// Collect evaluates the students that are there, exporting those that are trained only. Where trainings are not
// finished the error is ErrPartial and names them, and the results, nil where there are none, leave them out.
func (r *Runner) Collect(ctx context.Context) (res *Results, err error) {
	release, err := r.holdRun(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, release()) }()
	var there []Task
	var missing []string
	for _, t := range generations(r.Experiment) {
		if _, err := t.trained(); err != nil {
			missing = append(missing, fmt.Sprintf("%s (%v)", t, err))
			continue
		}
		there = append(there, t)
	}
	if len(there) > 0 {
		if _, err := r.export(ctx, there); err != nil {
			return nil, err
		}
		if res, err = r.evaluate(ctx, there); err != nil {
			return nil, err
		}
	}
	if len(missing) > 0 {
		return res, fmt.Errorf("%w: %d of %d: %s", ErrPartial, len(missing), len(missing)+len(there),
			strings.Join(missing, "; "))
	}
	return res, nil
}
