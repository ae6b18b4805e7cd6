package pipeline

import (
	"context"
	"fmt"
	"reflect"

	"rkd/datasets"
	"rkd/pipeline/config"
	"rkd/pipeline/eval"
)

// checkTrainings holds what the trainings of tasks ask for against the training data, as far as that can be done
// without the teacher, which would run for hours before the first training fails: batches, the architecture, and its
// memory.
func (r *Runner) checkTrainings(ctx context.Context, tasks []Task) error {
	data, err := r.dataset(ctx, "train")
	if err != nil {
		return err
	}
	_, img, err := datasets.First(ctx, data)
	if err != nil {
		return err
	}
	labels := labelsOf(data)
	var last *config.Config // whose network is checked
	for _, t := range tasks {
		c := t.Config
		options := c.Train.WithDefaults(data.Len() * c.Cache.Views)
		if err := options.Batch.Fits(labels, c.Cache.Views, *options.Selection, t.Seed); err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
		if last != nil && reflect.DeepEqual(last.Student, c.Student) && last.Train.Batch == c.Train.Batch {
			continue
		}
		last = c
		input, err := studentInput(c, img)
		if err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
		network, _, err := newNetwork(c, input)
		if err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
		if err := checkMemory(network, options, options.Batch.Rows()); err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
	}
	return nil
}

// warnOfTrainings says before the teacher runs that trainings will not. A cache serves other configurations too, so
// that is no error of who fills it.
func (r *Runner) warnOfTrainings(ctx context.Context) {
	if err := r.checkTrainings(ctx, Tasks(r.Experiment)); err != nil && ctx.Err() == nil {
		r.Progress.Say("precompute: trainings of this configuration would fail: %v", err)
	}
}

// checkEvaluation holds the metrics against the test data: classes and samples of episodes, numbers of neighbours.
func (r *Runner) checkEvaluation(ctx context.Context) error {
	data, err := r.dataset(ctx, "test")
	if err != nil {
		return err
	}
	e := r.Experiment.Base.Eval
	metrics, err := eval.ParseMetrics(e.Metrics)
	if err != nil {
		return err
	}
	if err := eval.Fits(metrics, labelsOf(data), metricOptions(e)); err != nil {
		return fmt.Errorf("eval.metrics on data.test: %w", err)
	}
	return nil
}

func metricOptions(e config.Eval) eval.MetricOptions {
	return eval.MetricOptions{Queries: e.Queries, Episodes: e.Episodes, Seed: e.Seed}
}

func labelsOf(data datasets.Dataset) []int32 {
	labels := make([]int32, data.Len())
	for i := range labels {
		labels[i] = data.Label(i)
	}
	return labels
}
