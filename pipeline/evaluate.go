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
	data, err := r.dataset(ctx, "test")
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
	models := len(c.EachTeacher()) + 1 + len(tasks) // the teachers, the baseline, and the students
	for _, t := range tasks {
		if q, _ := readQuantized(t.Model(), t.Config.Export.Quantize); q != nil && !q.Refused {
			models++
		}
	}
	r.Progress.Start("evaluate", "images", 0, models*data.Len())
	defer r.Progress.Finish()
	saw := func(out outputs) { // the same for all models
		if res.Samples+res.Skipped == 0 {
			saySkipped(r.Progress, "evaluate", out.skipped, data.Len())
			res.Samples, res.Skipped = len(out.Labels), len(out.skipped)
		}
	}
	var out outputs // none of a teacher that is not here
	if !anyDeclared(c) {
		if out, err = r.measureTeachers(ctx, data, res); err != nil {
			return nil, err
		}
		saw(out)
	}
	alike := newFidelity(out)
	res.FidelitySamples = len(alike.rows)
	first := tasks[0]
	for len(tasks) > 0 {
		name := tasks[0].row()
		n := slices.IndexFunc(tasks, func(t Task) bool { return t.row() != name })
		if n < 0 {
			n = len(tasks)
		}
		if res.Models[name], err = r.measureVariant(ctx, data, alike, tasks[:n], Task.Model, saw); err != nil {
			return nil, err
		}
		res.Order = append(res.Order, name)
		if err := r.measureQuantized(ctx, data, alike, tasks[:n], saw, res); err != nil {
			return nil, err
		}
		tasks = tasks[n:]
	}
	if res.Baseline, err = r.baseline(ctx, data, alike, first, res.Models); err != nil {
		return nil, fmt.Errorf("measuring the baseline: %w", err)
	}
	res.closeGaps()
	return res, res.write(workDir(c))
}

// anyDeclared tells whether a teacher is declared, and not here to be measured.
func anyDeclared(c *config.Config) bool {
	return slices.ContainsFunc(c.EachTeacher(), func(t config.Taught) bool { return t.Config.Teacher.Declared != "" })
}

// EvaluateModel measures one ONNX model on the test data of e, opened as modelOptions says.
func (m Machine) EvaluateModel(ctx context.Context, path string, e *config.Experiment) (*ModelResults, error) {
	o, err := modelOptions(e, path)
	if err != nil {
		return nil, err
	}
	r := &Runner{Machine: m, Experiment: e}
	data, err := r.dataset(ctx, "test")
	if err != nil {
		return nil, err
	}
	r.Progress.Start("evaluate", "images", 0, data.Len())
	defer r.Progress.Finish()
	figures, out, err := r.measure(ctx, data, o)
	if err != nil {
		return nil, err
	}
	saySkipped(r.Progress, "evaluate", out.skipped, data.Len())
	return &ModelResults{
		Models: []NamedResult{{Name: path, ModelResult: *figures}}, Samples: len(out.Labels), Skipped: len(out.skipped),
		Metrics: e.Base.Eval.Metrics,
	}, nil
}

// measureTeachers measures the teacher, or each of several and their embeddings, times the teachers' weights, behind
// each other. Without a teacher there is nothing to measure.
func (r *Runner) measureTeachers(ctx context.Context, data datasets.Dataset, res *Results) (all outputs, err error) {
	teachers := r.Experiment.Base.EachTeacher()
	switch len(teachers) {
	case 0:
		return outputs{}, nil
	case 1:
		m, out, err := r.measure(ctx, data, teachers[0].Config.Teacher)
		if err != nil {
			return out, err
		}
		res.Teacher = *m
		return out, nil
	}
	var parts []outputs
	for _, t := range teachers {
		m, out, err := r.measure(ctx, data, t.Config.Teacher)
		if err != nil {
			return out, fmt.Errorf("teacher %s: %w", t.Name, err)
		}
		if len(parts) > 0 && !slices.Equal(out.ids, parts[0].ids) {
			return out, fmt.Errorf("%w: teachers %s and %s were shown different test samples", datasets.ErrChanged,
				teachers[0].Name, t.Name)
		}
		for i := range out.Embeddings {
			out.Embeddings[i] *= float32(t.Weight)
		}
		parts = append(parts, out)
		res.Teachers = append(res.Teachers, NamedResult{Name: t.Name, ModelResult: *m})
		res.Teacher.Parameters += m.Parameters
		res.Teacher.Bytes += m.Bytes
		res.Teacher.LatencyMillis += m.LatencyMillis
	}
	all = parts[0]
	for _, p := range parts[1:] {
		all.Embeddings = beside(all.Embeddings, all.Dim, p.Embeddings, p.Dim)
		all.Dim += p.Dim
		if p.Classes > 0 {
			all.Logits, all.Classes = p.Logits, p.Classes
		}
	}
	figures, err := measure(ctx, r.Experiment.Base.Eval, all.Outputs)
	res.Teacher.Metrics, res.Teacher.CI95 = figures.Values, figures.CI95
	return all, err
}

// beside concatenates the columns of two matrices of equally many rows.
func beside(a []float32, widthA int, b []float32, widthB int) []float32 {
	both := make([]float32, 0, len(a)+len(b))
	for i := range len(a) / widthA {
		both = append(both, a[i*widthA:(i+1)*widthA]...)
		both = append(both, b[i*widthB:(i+1)*widthB]...)
	}
	return both
}

// measureVariant measures a variant's students, one a seed, in the files that model names. saw is told
// what each of them says.
func (r *Runner) measureVariant(
	ctx context.Context, data datasets.Dataset, alike *fidelity, tasks []Task,
	model func(Task) string, saw func(outputs),
) (VariantResult, error) {
	v := VariantResult{Metrics: map[string]Statistic{}, Fidelity: map[string]Statistic{}}
	values, intervals, fidelities := map[string][]float64{}, map[string][]float64{}, map[string][]float64{}
	var latencies, steps []float64
	for _, t := range tasks {
		m, out, err := r.measure(ctx, data, studentOptions(model(t), t.Config))
		if err != nil {
			return v, fmt.Errorf("%s: %w", t, err)
		}
		saw(out)
		likeness, err := alike.to(ctx, out)
		if err != nil {
			return v, fmt.Errorf("%s: %w", t, err)
		}
		for name, value := range likeness {
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
	figures, err := measure(ctx, r.Experiment.Base.Eval, out.Outputs)
	if err != nil {
		return nil, out, err
	}
	m = &ModelResult{
		Metrics: figures.Values, CI95: figures.CI95, Parameters: model.Parameters(), Bytes: model.Bytes(),
	}
	m.LatencyMillis, err = model.Latency(ctx, sample, latencyRuns)
	return m, out, err
}

// measure computes the metrics of the `eval` section.
func measure(ctx context.Context, e config.Eval, out eval.Outputs) (eval.Figures, error) {
	metrics, err := eval.ParseMetrics(e.Metrics)
	if err != nil {
		return eval.Figures{}, err
	}
	return eval.Measure(ctx, metrics, out, metricOptions(e))
}
