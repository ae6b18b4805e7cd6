package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"gorgonia.org/tensor"

	"rkd/datasets"
	"rkd/pipeline/config"
	"rkd/pipeline/eval"
	"rkd/student/sampler"
)

// baseline measures what the configuration names as the start of the way to the teacher. first is the task whose
// network or input it is, where it is no variant.
func (r *Runner) baseline(
	ctx context.Context, data datasets.Dataset, alike *fidelity, first Task, students map[string]VariantResult,
) (*Baseline, error) {
	kind := r.Experiment.Base.Eval.Baseline
	b := &Baseline{Kind: kind}
	var of func(context.Context, datasets.Dataset, Task) (*ModelResult, outputs, error)
	switch kind {
	case config.BaselineUntrained:
		of = r.measureUntrained
	case config.BaselinePixels:
		of = r.measurePixels
	default:
		v := students[kind]
		b.ModelResult = ModelResult{
			Metrics: means(v.Metrics), Parameters: v.Parameters, Bytes: v.Bytes, LatencyMillis: v.LatencyMillis,
		}
		b.Fidelity = means(v.Fidelity)
		r.Progress.Add(2 * data.Len())
		return b, nil
	}
	s, err := first.trained()
	if err != nil {
		return nil, err
	}
	key, err := r.figuresKey(data, "baseline", map[string]any{"kind": kind, "student": string(s.text)})
	if err != nil {
		return nil, err
	}
	m, err := r.onceBy(key, data, func() (*measuredModel, error) {
		figures, out, err := of(ctx, data, first)
		if err != nil {
			return nil, err
		}
		m := &measuredModel{ModelResult: *figures, Samples: len(out.Labels), Skipped: len(out.skipped)}
		m.Fidelity, err = alike.to(ctx, out)
		return m, err
	})
	if err != nil {
		return nil, err
	}
	b.ModelResult, b.Fidelity = m.ModelResult, m.Fidelity
	return b, nil
}

func means(of map[string]Statistic) map[string]float64 {
	m := map[string]float64{}
	for name, s := range of {
		m[name] = s.Mean
	}
	return m
}

// measureUntrained measures the student of a task with the weights that its training starts from, those of a model file
// where it was imported.
func (r *Runner) measureUntrained(ctx context.Context, data datasets.Dataset, t Task) (m *ModelResult, out outputs,
	err error,
) {
	s, err := t.trained()
	if err != nil {
		return nil, out, err
	}
	s.weights = s.network.Init(s.about.Seed, tensor.Float32)
	if s.head != nil {
		if s.head, err = s.config.Student.Head.Projection(s.network.Dim, s.about.Classes,
			sampler.Stream(s.about.Seed, "head", 0)); err != nil {
			return nil, out, err
		}
	}
	model, err := s.model(t.Config.Export, r.Version, "untrained")
	if err != nil {
		return nil, out, err
	}
	dir, err := os.MkdirTemp("", "rkd-untrained-")
	if err != nil {
		return nil, out, fmt.Errorf("exporting the untrained student: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "student.onnx")
	if err := sealModel(model, path); err != nil {
		return nil, out, err
	}
	return r.measure(ctx, data, studentOptions(path, t.Config))
}

const (
	// maxPixelValues bounds the memory of measurePixels, 4 GiB.
	maxPixelValues = 1 << 30
	// pixelBatch is the number of samples that it reads at a time.
	pixelBatch = 64
)

// measurePixels measures the input of a task's student as if it were an embedding.
func (r *Runner) measurePixels(ctx context.Context, data datasets.Dataset, t Task) (m *ModelResult, out outputs,
	err error,
) {
	_, size, err := datasets.First(ctx, data)
	if err != nil {
		return nil, out, err
	}
	transform, err := datasets.NewTransform(*t.Config.Student.Preprocess, datasets.Float32, size)
	if err != nil {
		return nil, out, fmt.Errorf("student.preprocess: %w", err)
	}
	shape, err := studentInput(t.Config, size)
	if err != nil {
		return nil, out, err
	}
	out.Dim = tensor.Shape(shape).TotalSize()
	if data.Len() > maxPixelValues/out.Dim {
		return nil, out, fmt.Errorf("%w: eval.baseline is %s, but %d samples of %d values are too many to keep, expected %s",
			config.ErrConfig, config.BaselinePixels, data.Len(), out.Dim, config.BaselineUntrained)
	}
	loader := datasets.NewLoader(data, nil, transform, datasets.LoaderOptions{Batch: pixelBatch})
	defer loader.Close()
	for b, err := range loader.Batches(ctx, loader.InOrder(0, data.Len())) {
		if err != nil {
			return nil, out, err
		}
		out.Embeddings = append(out.Embeddings, b.Values.Float32[:b.Len()*out.Dim]...)
		for _, row := range b.Rows {
			out.ids, out.Labels = append(out.ids, data.ID(row)), append(out.Labels, data.Label(row))
		}
		r.Progress.Add(b.Len() + len(b.Skipped))
	}
	if err := r.reference.beside(&out); err != nil {
		return nil, out, err
	}
	figures, err := measure(ctx, r.Experiment.Base.Eval, out.Outputs, r.Progress, data.Len())
	return &ModelResult{Metrics: figures.Values, CI95: figures.CI95}, out, err
}

// closeGaps fills in how far students have come from the baseline to the teacher.
func (res *Results) closeGaps() {
	for name, v := range res.Models {
		v.Gap = gapsClosed(res.Baseline.Metrics, res.Teacher.Metrics, means(v.Metrics))
		res.Models[name] = v
	}
}

// gapsClosed is gapClosed of every metric.
func gapsClosed(baseline, teacher, values map[string]float64) map[string]float64 {
	gaps := map[string]float64{}
	for metric, value := range values {
		if gap, ok := gapClosed(baseline, teacher, metric, value); ok {
			gaps[metric] = gap
		}
	}
	return gaps
}

// gapClosed is (value − baseline)/(teacher − baseline), where the teacher is ahead of the baseline.
func gapClosed(baseline, teacher map[string]float64, metric string, value float64) (gap float64, ok bool) {
	from, known := baseline[metric]
	to, also := teacher[metric]
	if !known || !also || to <= from {
		return 0, false
	}
	return (value - from) / (to - from), true
}

// GapMetric is the metric whose gap tables show: MAP@R where it was measured, as it judges the order of a whole class,
// else the first.
func (res *Results) GapMetric() string { return gapMetric(res.Metrics) }

func gapMetric(metrics []string) string {
	switch {
	case slices.Contains(metrics, eval.MAPAtR):
		return eval.MAPAtR
	case len(metrics) == 0:
		return ""
	}
	return metrics[0]
}
