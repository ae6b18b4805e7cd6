package pipeline

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"rkd/datasets"
	"rkd/pipeline/config"
	"rkd/pipeline/eval"
	"rkd/student/arch"
	"rkd/student/sampler"
	"rkd/student/train"
)

// checked is what the check of an experiment found out about one of its variants.
type checked struct {
	Task
	options train.Options
	network *arch.Network
	notes   []string
}

// check refuses, before the teacher runs, what a later stage would refuse: data that cannot be read, losses and metrics
// that lack labels, classes or samples, batches that cannot be drawn, students that do not fit their samples. What
// depends on the teachers' outputs is left to checkWidths.
func (r *Runner) check(ctx context.Context) (err error) {
	if r.checks == nil {
		r.checks, err = r.checkAll(ctx)
	}
	return err
}

func (r *Runner) checkAll(ctx context.Context) ([]*checked, error) {
	data, err := r.dataset(ctx, "train")
	if err != nil {
		return nil, err
	}
	_, size, err := datasets.First(ctx, data)
	if err != nil {
		return nil, err
	}
	labels, groups := rowsOf(data, r.Experiment.Base.Cache.Views)
	var all []*checked
	for _, t := range Tasks(r.Experiment) {
		c := &checked{Task: t, options: trainingOptions(t.Config, len(labels), mixes(data))}
		err := r.checkEngine(t.Config.Engine)
		var width int
		if err == nil {
			width, err = r.widthFor(ctx, t.Config)
		}
		if err == nil {
			err = c.check(data, size, labels, groups, width)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t, err)
		}
		all = append(all, c)
	}
	if !r.Experiment.Base.Data.Tested() {
		return all, nil
	}
	return all, r.checkTest(ctx, data, size)
}

// rowsOf are the labels and the samples of the rows that a cache of a data set has.
func rowsOf(d datasets.Dataset, views int) (labels []int32, samples []int64) {
	for i := range d.Len() {
		for range views {
			labels, samples = append(labels, d.Label(i)), append(samples, d.ID(i))
		}
	}
	return labels, samples
}

func (c *checked) check(data datasets.Dataset, size datasets.Image, labels []int32, groups []int64, width int) error {
	if with, _ := labelCounts(data); with == 0 {
		for _, l := range c.Config.Loss.Labels {
			if l.Weight > 0 {
				return fmt.Errorf("%w: loss.task: kind %s needs labels, and none of the %d samples of %s has one",
					config.ErrConfig, l.Kind, data.Len(), data.Name())
			}
		}
	}
	rows, _, err := sampler.Split(labels, groups, *c.options.Selection, c.Seed)
	if err != nil {
		return err
	}
	if _, err := sampler.New(labels, rows, c.options.Batch, c.Seed); err != nil {
		return fmt.Errorf("train.batch: %w (training samples after the %g held out by train.selection: %s)", err,
			*c.options.Selection, countsLine(data.Classes(), labels, rows))
	}
	if short := sampler.Short(labels, rows, c.options.Batch); len(short) > 0 {
		c.notes = append(c.notes, shortLine(short, c.options.Batch, data.Classes()))
	}
	input, err := studentInput(c.Config, size)
	if err != nil {
		return err
	}
	if c.network, _, err = newNetwork(c.Config, input, width); err != nil {
		return err
	}
	return checkMemory(c.network, c.options, c.options.Batch.Rows())
}

// countsLine lists the smallest classes of some rows with their numbers of samples.
func countsLine(classes []string, labels []int32, rows []int) string {
	counts := map[int32]int{}
	for _, row := range rows {
		counts[labels[row]]++
	}
	order := slices.Sorted(maps.Keys(counts))
	slices.SortStableFunc(order, func(a, b int32) int { return counts[a] - counts[b] })
	text := ""
	for i, label := range order {
		if i == sayShown {
			text += fmt.Sprintf(", and %d classes more", len(order)-sayShown)
			break
		}
		if i > 0 {
			text += ", "
		}
		name := "without a label"
		if label != datasets.NoLabel {
			name = classes[label]
		}
		text += fmt.Sprintf("%s %d", name, counts[label])
	}
	return text
}

// checkTest checks the test data: that they become the same tensors, and are enough for the metrics.
func (r *Runner) checkTest(ctx context.Context, data datasets.Dataset, size datasets.Image) error {
	test, err := r.dataset(ctx, "test")
	if err != nil {
		return err
	}
	sample, _, err := datasets.First(ctx, test)
	if err != nil {
		return err
	}
	for _, v := range r.Experiment.Variants {
		t, err := datasets.NewTransform(*v.Config.Student.Preprocess, datasets.Float32, size)
		if err == nil {
			_, err = datasets.Gather(ctx, t, 1, sample)
		}
		if err != nil {
			return fmt.Errorf("a test sample as a student is to see it: %w", err)
		}
	}
	return checkMetrics(r.Experiment.Base.Eval, data.Classes(), test)
}

// checkMetrics refuses metrics that the test data have too few classes or samples for, by name. Metrics on logits tell
// the training data's classes apart; no other metric asks for them.
func checkMetrics(e config.Eval, trained []string, test datasets.Dataset) error {
	metrics, err := eval.ParseMetrics(e.Metrics)
	if err != nil {
		return err
	}
	counts := map[int32]int{}
	for i := range test.Len() {
		counts[test.Label(i)]++
	}
	without := counts[datasets.NoLabel]
	delete(counts, datasets.NoLabel)
	labels := slices.Sorted(maps.Keys(counts))
	names := make([]string, len(labels))
	for i, label := range labels {
		names[i] = test.Classes()[label]
	}
	for _, m := range metrics {
		refuse := func(format string, args ...any) error {
			return fmt.Errorf("%w: eval.metrics: %s", config.ErrConfig, fmt.Sprintf(format, args...))
		}
		if m.OnTeacher() {
			if k := m.Number(); k >= test.Len() {
				return refuse("%s counts among %d nearest others, but data.test has %d samples", m.Name, k, test.Len())
			}
			continue
		}
		if len(counts) == 0 {
			return refuse("%s needs labels, and none of the %d test samples has one: expected %s, overlap@K or %s", m.Name,
				without,
				eval.Spearman, eval.CKA)
		}
		classes, samples := m.Labels(eval.MetricOptions{Queries: e.Queries})
		if len(counts) < classes {
			return refuse("%s needs %d classes or more, data.test has %d: %s", m.Name, classes, len(counts),
				classList(names))
		}
		for _, label := range labels {
			if counts[label] < samples {
				return refuse("class %s has %d samples, %s needs %d: leave it out by min_per_class: %d, or lower eval.queries",
					test.Classes()[label], counts[label], m.Name, samples, samples)
			}
		}
		if k := m.Number(); m.Ranks() && k >= test.Len()-without {
			return refuse("%s looks at %d nearest others, but data.test has %d samples", m.Name, k, test.Len()-without)
		}
		if m.Ranks() && len(counts) == test.Len()-without {
			return refuse("%s needs a class with two samples, and each of %d test samples has a class of its own", m.Name,
				len(counts))
		}
		if m.OnLogits() {
			for _, label := range labels {
				if class := test.Classes()[label]; !slices.Contains(trained, class) {
					return refuse("%s tells the classes of data.train apart, and %q of data.test is none of them, expected %s",
						m.Name, class, classList(trained))
				}
			}
		}
	}
	return nil
}

// classList names classes, not too many.
func classList(classes []string) string {
	text := ""
	for i, c := range classes {
		if i == 2*sayShown {
			return text + fmt.Sprintf(", … (%d)", len(classes))
		}
		if i > 0 {
			text += ", "
		}
		text += c
	}
	return text
}
