package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"rkd/datasets"
	"rkd/pipeline/config"
	"rkd/pipeline/eval"
	"rkd/pipeline/storage"
	"rkd/student/train"
	"rkd/teacher"
)

// evaluated are the units of an evaluation's progress: each model embeds each sample once, and looks once for the
// others that are near it.
const evaluated = "embeddings and queries"

// latencyRuns is the number of runs of one sample whose median is reported.
const latencyRuns = 200

// Evaluate measures teacher and students of all generations, as ONNX files, on the test data and writes results.json.
// Where that is there and made from the same files, data and metrics, it is returned as it is. A student that was
// trained from another configuration is ErrMismatch.
func (r *Runner) Evaluate(ctx context.Context) (res *Results, err error) {
	release, err := r.holdRun(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, release()) }()
	return r.evaluate(ctx, generations(r.Experiment))
}

// evaluate measures the teacher and the students of tasks, those of one variant together.
func (r *Runner) evaluate(ctx context.Context, tasks []Task) (*Results, error) {
	c := &r.Experiment.Base
	if !c.Data.Tested() {
		return r.describeOnly(ctx, tasks)
	}
	data, err := r.testData(ctx)
	if err != nil {
		return nil, err
	}
	key, err := r.resultsKey(data.Fingerprint(), tasks)
	if err != nil {
		return nil, err
	}
	old, err := readResults(workDir(c))
	if err != nil {
		return nil, err
	}
	if old != nil && (old.Key == key.Hash() || old.Key == key.hashV1()) {
		r.Progress.Say("evaluate: up to date (%d test samples)", old.Samples)
		if old.Baseline == nil {
			r.Progress.Say("evaluate: measured by an earlier version of rkd, without baseline and fidelity: remove %q to "+
				"measure again", storage.Join(c.Dir, ResultsFile))
		}
		return old, nil
	}
	res := &Results{
		Format: resultsFormat, Name: c.Name, Models: map[string]VariantResult{}, Metrics: c.Eval.Metrics, Key: key.Hash(),
	}
	if r.measured, err = readMeasured(workDir(c)); err != nil {
		return nil, err
	}
	if err := r.referTo(ctx, c); err != nil {
		return nil, err
	}
	models := r.reference.models() + 1 + len(tasks) // the teachers, the baseline, and the students
	for _, t := range tasks {
		if q, _ := readQuantized(t.Model(), t.Config.Export.Quantize); q != nil && !q.Refused {
			models++
		}
	}
	steps := 2 * models
	if r.reference.models() > 1 {
		steps++ // what they say together
	}
	r.Progress.Start("evaluate", evaluated, 0, steps*data.Len())
	defer r.Progress.Finish()
	if err := r.measureTeachers(ctx, data, res); err != nil {
		return nil, err
	}
	alike := newFidelity(r.reference.outputs())
	res.FidelitySamples = len(alike.rows)
	for _, group := range byRow(tasks) {
		name := group[0].row()
		if res.Models[name], err = r.measureVariant(ctx, data, alike, group, Task.Model, res); err != nil {
			return nil, err
		}
		res.Order = append(res.Order, name)
		if err := r.measureQuantized(ctx, data, alike, group, res); err != nil {
			return nil, err
		}
	}
	if res.Baseline, err = r.baseline(ctx, data, alike, tasks[0], res.Models); err != nil {
		return nil, fmt.Errorf("measuring the baseline: %w", err)
	}
	res.closeGaps()
	return res, res.write(workDir(c))
}

// anyDeclared tells whether a teacher is declared, and not here to be measured.
func anyDeclared(c *config.Config) bool {
	return slices.ContainsFunc(c.EachTeacher(), func(t config.Taught) bool { return t.Config.Teacher.Declared != "" })
}

// testData opens the test data and checks that they are enough for the metrics, before a model runs. Where a metric is
// about logits, which are in the order of the training data's classes, they get the labels of those.
func (r *Runner) testData(ctx context.Context) (datasets.Dataset, error) {
	test, err := r.dataset(ctx, "test")
	if err != nil {
		return nil, err
	}
	metrics, err := eval.ParseMetrics(r.Experiment.Base.Eval.Metrics)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(metrics, eval.Metric.OnLogits) {
		return test, checkMetrics(r.Experiment.Base.Eval, nil, test)
	}
	data, err := r.dataset(ctx, "train")
	if err != nil {
		return nil, err
	}
	return datasets.WithClasses(test, data.Classes()), checkMetrics(r.Experiment.Base.Eval, data.Classes(), test)
}

// byRow cuts tasks where the row of the table changes.
func byRow(tasks []Task) (groups [][]Task) {
	for i, t := range tasks {
		if i == 0 || t.row() != tasks[i-1].row() {
			groups = append(groups, nil)
		}
		last := len(groups) - 1
		groups[last] = append(groups[last], t)
	}
	return groups
}

// measureTeachers measures the teacher, or each of several and their embeddings, times the teachers' weights, behind
// each other. Without a teacher there is nothing to measure.
func (r *Runner) measureTeachers(ctx context.Context, data datasets.Dataset, res *Results) error {
	if r.reference == nil {
		return nil
	}
	for _, t := range r.reference.teachers {
		m, err := r.measureTeacher(ctx, data, t)
		if err != nil {
			return t.Named(err)
		}
		res.Samples, res.Skipped = m.Samples, m.Skipped
		if len(r.reference.teachers) == 1 {
			res.Teacher = m.ModelResult
			return nil
		}
		res.Teachers = append(res.Teachers, NamedResult{Name: t.Name, ModelResult: m.ModelResult})
		res.Teacher.Parameters += m.Parameters
		res.Teacher.Bytes += m.Bytes
		res.Teacher.LatencyMillis += m.LatencyMillis
	}
	figures, err := measure(ctx, r.Experiment.Base.Eval, r.reference.joined.Outputs, r.Progress, data.Len())
	res.Teacher.Metrics, res.Teacher.CI95 = figures.Values, figures.CI95
	return err
}

// measureTeacher measures one teacher by what its cache of the test data holds.
func (r *Runner) measureTeacher(ctx context.Context, data datasets.Dataset, t referred) (*measuredModel, error) {
	o := t.Config.Teacher
	return r.once(data, o, func() (*measuredModel, error) {
		model, sample, err := r.openModel(ctx, o, data)
		if err != nil {
			return nil, err
		}
		defer model.Close()
		r.Progress.Add(data.Len())
		figures, err := measure(ctx, r.Experiment.Base.Eval, t.out.Outputs, r.Progress, data.Len())
		if err != nil {
			return nil, err
		}
		m := &measuredModel{Samples: len(t.out.Labels), Skipped: data.Len() - len(t.out.Labels)}
		m.Metrics, m.CI95, m.Parameters, m.Bytes = figures.Values, figures.CI95, model.Parameters(), model.Bytes()
		m.LatencyMillis, err = model.Latency(ctx, sample, latencyRuns)
		return m, err
	})
}

// measureVariant measures a variant's students, one a seed, in the files that model names.
func (r *Runner) measureVariant(ctx context.Context, data datasets.Dataset, alike *fidelity, tasks []Task,
	model func(Task) string, res *Results,
) (VariantResult, error) {
	return r.gather(tasks, func(t Task) (*measuredModel, error) {
		m, err := r.measureOnce(ctx, data, alike, studentOptions(model(t), t.Config))
		if err == nil && res.Samples+res.Skipped == 0 { // the same for all models
			res.Samples, res.Skipped = m.Samples, m.Skipped
		}
		return m, err
	})
}

// gather puts the figures of a variant's students together, one a seed.
func (r *Runner) gather(tasks []Task, measure func(Task) (*measuredModel, error)) (VariantResult, error) {
	v := VariantResult{Metrics: map[string]Statistic{}, Fidelity: map[string]Statistic{}}
	values, intervals, fidelities := map[string][]float64{}, map[string][]float64{}, map[string][]float64{}
	var latencies, steps []float64
	for _, t := range tasks {
		m, err := measure(t)
		if err != nil {
			return v, fmt.Errorf("%s: %w", t, err)
		}
		for name, value := range m.Fidelity {
			fidelities[name] = append(fidelities[name], value)
		}
		c, err := train.ReadCheckpoint(t.Dir())
		if err != nil {
			return v, fmt.Errorf("%s: %w", t, err)
		}
		for _, e := range c.Epochs {
			steps = append(steps, e.StepMillis)
		}
		for name, value := range m.Metrics {
			values[name] = append(values[name], value)
			if half, ok := m.CI95[name]; ok {
				intervals[name] = append(intervals[name], half)
			}
		}
		latencies = append(latencies, m.LatencyMillis)
		v.Parameters, v.Bytes = m.Parameters, m.Bytes
		v.Seeds = append(v.Seeds, t.Seed)
	}
	for name, of := range values {
		v.Metrics[name] = newStatistic(of, intervals[name])
	}
	for name, of := range fidelities {
		v.Fidelity[name] = newStatistic(of, nil)
	}
	v.LatencyMillis, _ = eval.MeanStd(latencies)
	v.StepMillis, _ = eval.MeanStd(steps)
	return v, nil
}

// studentOptions opens an exported student as the evaluation does.
func studentOptions(path string, c *config.Config) teacher.Options {
	o := teacher.Options{
		Model: path, Output: teacher.Names{embeddingOutput}, Preprocess: *c.Student.Preprocess, Batch: c.Teacher.Batch,
		Threads: c.Teacher.Threads, Normalizes: true,
		Provider: c.Teacher.Provider, ProviderOptions: c.Teacher.ProviderOptions,
	}
	if c.Loss.OnLogits() {
		o.Logits.Tensor = logitsOutput
	}
	return o
}

// measure embeds the test data with a model and computes the metrics. It returns what the model says, too.
func (r *Runner) measure(ctx context.Context, data datasets.Dataset, o teacher.Options) (m *ModelResult,
	out outputs, err error,
) {
	model, sample, err := r.openModel(ctx, o, data)
	if err != nil {
		return nil, out, err
	}
	defer model.Close()
	out, err = newEmbedder(model, data, nil, model.Transform()).all(ctx, r.Progress)
	if err != nil {
		return nil, out, err
	}
	if err := r.reference.beside(&out); err != nil {
		return nil, out, err
	}
	figures, err := measure(ctx, r.Experiment.Base.Eval, out.Outputs, r.Progress, data.Len())
	if err != nil {
		return nil, out, err
	}
	m = &ModelResult{
		Metrics: figures.Values, CI95: figures.CI95, Parameters: model.Parameters(), Bytes: model.Bytes(),
	}
	m.LatencyMillis, err = model.Latency(ctx, sample, latencyRuns)
	return m, out, err
}

// measure computes the metrics of the `eval` section and moves progress by so many units meanwhile.
func measure(ctx context.Context, e config.Eval, out eval.Outputs, progress Progress, units int) (eval.Figures, error) {
	metrics, err := eval.ParseMetrics(e.Metrics)
	if err != nil {
		return eval.Figures{}, err
	}
	o, told := metricOptions(e), 0
	o.Progress = func(share float64) {
		now := int(share * float64(units))
		progress.Add(now - told)
		told = now
	}
	return eval.Measure(ctx, metrics, out, o)
}
