package pipeline

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"rkd/datasets"
	"rkd/models/onnx"
	"rkd/pipeline/eval"
	"rkd/student/train"
	"rkd/teacher"
)

// Metrics beside recall@K.
const (
	rPrecision = "r-precision"
	mapAtR     = "map@r"
)

// latencyRuns is the number of runs of one sample whose median is reported.
const latencyRuns = 200

// ks returns the K of every recall@K among the metrics. An unknown metric is an error.
func (e Eval) ks() ([]int, error) {
	var ks []int
	for _, m := range e.Metrics {
		digits, isRecall := strings.CutPrefix(m, "recall@")
		if m == rPrecision || m == mapAtR {
			continue
		}
		k, err := strconv.Atoi(digits)
		if !isRecall || err != nil || k < 1 {
			return nil, fmt.Errorf("metrics has %q, expected recall@K with K from 1 up, r-precision or map@r", m)
		}
		ks = append(ks, k)
	}
	return ks, nil
}

// Evaluate measures teacher and students, as ONNX files, on the test data and writes results.json. Where it is there and
// made from the same files, data and metrics, it is returned as it is.
func (r *Runner) Evaluate(ctx context.Context, tasks []Task) (*Results, error) {
	c := &r.Experiment.Base
	data, err := r.dataset(ctx, "test")
	if err != nil {
		return nil, err
	}
	key, err := r.resultsKey(data, tasks)
	if err != nil {
		return nil, err
	}
	old, err := readResults(c.Dir)
	if err != nil {
		return nil, err
	}
	if old != nil && old.Key == key {
		r.Progress.Say("evaluate: up to date (%d test samples)", old.Samples)
		return old, nil
	}
	res := &Results{Name: c.Name, Variants: map[string]VariantResult{}, Metrics: c.Eval.Metrics, Key: key}
	r.Progress.Start("evaluate", "images", 0, (1+len(tasks))*data.Len())
	defer r.Progress.Finish()
	m, err := r.measure(ctx, data, c.Teacher, res)
	if err != nil {
		return nil, err
	}
	res.Teacher = *m
	for _, v := range r.Experiment.Variants {
		var of []Task
		for _, t := range tasks {
			if t.Variant == v.Name {
				of = append(of, t)
			}
		}
		if len(of) == 0 {
			continue
		}
		if res.Variants[v.Name], err = r.measureVariant(ctx, data, of, res); err != nil {
			return nil, err
		}
		res.Order = append(res.Order, v.Name)
	}
	return res, res.write(c.Dir)
}

// EvaluateModel measures one ONNX model on the test data.
func (r *Runner) EvaluateModel(ctx context.Context, o teacher.Options) (*Results, error) {
	data, err := r.dataset(ctx, "test")
	if err != nil {
		return nil, err
	}
	res := &Results{Name: o.Model, Metrics: r.Experiment.Base.Eval.Metrics}
	r.Progress.Start("evaluate", "images", 0, data.Len())
	defer r.Progress.Finish()
	m, err := r.measure(ctx, data, o, res)
	if err != nil {
		return nil, err
	}
	res.Teacher = *m
	return res, nil
}

// resultsKey identifies what an evaluation measures.
func (r *Runner) resultsKey(data datasets.Dataset, tasks []Task) (string, error) {
	c := &r.Experiment.Base
	model, err := onnx.Load(c.Teacher.Model)
	if err != nil {
		return "", err
	}
	hash, err := model.Hash()
	if err != nil {
		return "", err
	}
	parts := []any{data.Fingerprint(), c.Eval.Metrics, c.Teacher, hash}
	for _, t := range tasks {
		m, err := onnx.Load(t.Model())
		if err != nil {
			return "", fmt.Errorf("%s: %w", t, err)
		}
		hash, err := m.Hash()
		if err != nil {
			return "", err
		}
		parts = append(parts, t.Variant, t.Seed, hash)
	}
	return fingerprint(parts...)
}

// measureVariant measures a variant's students, one a seed.
func (r *Runner) measureVariant(ctx context.Context, data datasets.Dataset, tasks []Task, res *Results) (VariantResult, error) {
	v := VariantResult{Metrics: map[string]Statistic{}}
	values := map[string][]float64{}
	var latencies, steps []float64
	for _, t := range tasks {
		m, err := r.measure(ctx, data, studentOptions(t.Model(), t.Config), res)
		if err != nil {
			return v, fmt.Errorf("%s: %w", t, err)
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
		}
		latencies = append(latencies, m.LatencyMillis)
		v.Parameters, v.Bytes = m.Parameters, m.Bytes
		v.Seeds = append(v.Seeds, t.Seed)
	}
	for name, of := range values {
		mean, std := eval.MeanStd(of)
		v.Metrics[name] = Statistic{Mean: mean, Std: std, Values: of}
	}
	v.LatencyMillis, _ = eval.MeanStd(latencies)
	v.StepMillis, _ = eval.MeanStd(steps)
	return v, nil
}

// studentOptions opens an exported student as the evaluation does.
func studentOptions(path string, c *Config) teacher.Options {
	return teacher.Options{
		Model: path, Preprocess: *c.Student.Preprocess, Batch: c.Teacher.Batch, Threads: c.Teacher.Threads,
		Provider: c.Teacher.Provider, ProviderOptions: c.Teacher.ProviderOptions,
	}
}

// measure embeds the test data with a model and computes the metrics.
func (r *Runner) measure(ctx context.Context, data datasets.Dataset, o teacher.Options, res *Results) (*ModelResult, error) {
	if err := r.runtime(); err != nil {
		return nil, err
	}
	skip := r.Experiment.Base.Data.Test.OnError == "skip"
	img, err := firstImage(data, skip)
	if err != nil {
		return nil, err
	}
	model, err := teacher.Open(o, img)
	if err != nil {
		return nil, err
	}
	defer model.Close()
	requests := make([]request, data.Len())
	for i := range requests {
		requests[i].index = i
	}
	var embeddings []float32
	var labels []int32
	e := &embedder{model: model, data: data, skip: skip}
	err = e.embed(ctx, requests, func(done, skipped []request, out teacher.Embeddings) error {
		embeddings = append(embeddings, out.Embedding...)
		for _, q := range done {
			labels = append(labels, data.Label(q.index))
		}
		r.Progress.Add(len(done) + len(skipped))
		return nil
	})
	if err != nil {
		return nil, err
	}
	res.Samples, res.Skipped = len(labels), data.Len()-len(labels)
	ks, err := r.Experiment.Base.Eval.ks()
	if err != nil {
		return nil, err
	}
	scores, err := eval.Retrieval(ctx, embeddings, len(labels), model.Dim(), labels, ks)
	if err != nil {
		return nil, err
	}
	m := &ModelResult{Metrics: map[string]float64{}, Parameters: model.Parameters(), Bytes: model.Bytes()}
	for _, k := range ks {
		m.Metrics[fmt.Sprintf("recall@%d", k)] = scores.Recall[k]
	}
	for name, value := range map[string]float64{rPrecision: scores.RPrecision, mapAtR: scores.MAPAtR} {
		if slices.Contains(res.Metrics, name) {
			m.Metrics[name] = value
		}
	}
	m.LatencyMillis, err = model.Latency(ctx, img, latencyRuns)
	return m, err
}

// ReadStudentConfig returns the configuration in the metadata of an exported student, with overrides
// applied, and the options to open the model with.
func ReadStudentConfig(path string, overrides []string) (*Experiment, teacher.Options, error) {
	m, err := onnx.Load(path)
	if err != nil {
		return nil, teacher.Options{}, err
	}
	text, ok := m.Metadata()[metadataPrefix+"config"]
	if !ok {
		return nil, teacher.Options{}, fmt.Errorf("%w: %q was not exported by rkd and names no test data: give its configuration with --config",
			ErrConfig, path)
	}
	e, err := Parse(path, []byte(text), overrides)
	if err != nil {
		return nil, teacher.Options{}, err
	}
	return e, studentOptions(path, &e.Base), nil
}
