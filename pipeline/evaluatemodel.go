package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"rkd/datasets"
	"rkd/pipeline/config"
	"rkd/pipeline/eval"
	"rkd/student/train"
)

// EvaluateModel measures one ONNX model on the test data of e, opened as modelOptions says, beside the teacher, and
// beside the baseline where the run directory of e has the training that it belongs to. Where the teacher is not there,
// or is the model itself, the model's own figures are all.
func (m Machine) EvaluateModel(ctx context.Context, path string, e *config.Experiment) (*ModelResults, error) {
	o, err := modelOptions(e, path)
	if err != nil {
		return nil, err
	}
	r := &Runner{Machine: m, Experiment: e}
	if err := r.refresh(ctx); err != nil {
		return nil, err
	}
	data, err := r.testData(ctx)
	if err != nil {
		return nil, err
	}
	res := &ModelResults{Metrics: e.Base.Eval.Metrics}
	compared, err := r.referFor(ctx, path)
	if err != nil {
		return nil, err
	}
	models := 1
	if compared {
		models += r.reference.models() + 1 // the teachers and the baseline
	}
	r.Progress.Start("evaluate", evaluated, 0, 2*models*data.Len())
	defer r.Progress.Finish()
	if compared {
		if err := r.besideTeacher(ctx, data, res); err != nil {
			return nil, err
		}
	}
	figures, out, err := r.measure(ctx, data, o)
	if err != nil {
		return nil, err
	}
	saySkipped(r.Progress, "evaluate", out.skipped, data.Len())
	res.Samples, res.Skipped = len(out.Labels), len(out.skipped)
	one := ComparedModel{NamedResult: NamedResult{Name: path, ModelResult: *figures}}
	if res.Teacher != nil {
		alike := newFidelity(r.reference.outputs())
		res.FidelitySamples = len(alike.rows)
		if one.Fidelity, err = alike.to(ctx, out); err != nil {
			return nil, err
		}
	}
	if res.Baseline != nil {
		one.Gap = gapsClosed(res.Baseline.Metrics, res.Teacher.Metrics, figures.Metrics)
	}
	res.Models = []ComparedModel{one}
	return res, nil
}

// referFor makes ready what the teacher says of the test data, and says whether the model in path is held against it:
// not where that is the teacher itself, nor where it is not there and no metric needs it.
func (r *Runner) referFor(ctx context.Context, path string) (compared bool, err error) {
	c := &r.Experiment.Base
	metrics, err := eval.ParseMetrics(c.Eval.Metrics)
	if err != nil {
		return false, err
	}
	needed := slices.ContainsFunc(metrics, eval.Metric.NeedsTeacher)
	itself := slices.ContainsFunc(c.EachTeacher(), func(t config.Taught) bool {
		return filepath.Clean(t.Config.Teacher.Model) == filepath.Clean(path)
	})
	if itself && !needed || c.Untaught() {
		return false, nil
	}
	if err := r.referTo(ctx, c); err != nil {
		if needed || !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
			return false, err
		}
		r.Progress.Say("evaluate: without the teacher, whose agreement and gap are left out: %v", err)
		return false, nil
	}
	return r.reference != nil && !itself, nil
}

// besideTeacher measures what a single model is held against.
func (r *Runner) besideTeacher(ctx context.Context, data datasets.Dataset, res *ModelResults) (err error) {
	c := &r.Experiment.Base
	if r.measured, err = readMeasured(workDir(c)); err != nil {
		return err
	}
	figures := new(Results)
	if err := r.measureTeachers(ctx, data, figures); err != nil {
		return err
	}
	res.Teacher = &figures.Teacher
	tasks := Tasks(r.Experiment)
	alike := newFidelity(r.reference.outputs())
	students := map[string]VariantResult{}
	if kind := c.Eval.Baseline; kind != config.BaselineUntrained && kind != config.BaselinePixels {
		tasks = slices.DeleteFunc(tasks, func(t Task) bool { return t.Variant != kind })
		students[kind], err = r.measureVariant(ctx, data, alike, tasks, Task.Model, figures)
	}
	if err == nil {
		res.Baseline, err = r.baseline(ctx, data, alike, tasks[0], students)
	}
	if errors.Is(err, train.ErrNoCheckpoint) || errors.Is(err, ErrMismatch) || errors.Is(err, fs.ErrNotExist) {
		r.Progress.Say("evaluate: without the baseline %s, so that no gap is counted: %v", c.Eval.Baseline, err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("measuring the baseline: %w", err)
	}
	return nil
}
