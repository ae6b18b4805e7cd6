package pipeline

import (
	"context"
	"fmt"

	"rkd/datasets"
	"rkd/pipeline/config"
	"rkd/pipeline/objective"
)

// outputWidths are the sizes of what a teacher's cache has for a sample.
type outputWidths struct {
	dim     int // of the embedding, principal components where only those are kept
	classes int // of the logits, 0 without
}

// lossWidths are the sizes of the teachers' side of the losses, of all teachers in their order.
func lossWidths(teachers []config.Taught, combine string, outputs []outputWidths) (w objective.Widths) {
	for i, t := range teachers {
		if t.Name != "" && combine == config.CombineLosses {
			to := w.Teacher + outputs[i].dim
			w.Shares = append(w.Shares, objective.Share{Name: t.Name, From: w.Teacher, To: to, Weight: t.Weight})
		}
		w.Teacher += outputs[i].dim
		w.Logits = max(w.Logits, outputs[i].classes)
	}
	return w
}

// checkWidths refuses losses that do not fit the widths of the teachers' outputs, before one runs over the data.
func (r *Runner) checkWidths(ctx context.Context, outputs []outputWidths) error {
	data, err := r.dataset(ctx, "train")
	if err != nil {
		return err
	}
	for _, c := range r.checks {
		w := lossWidths(c.Config.EachTeacher(), c.Config.Combine, outputs)
		w.Student, w.Shots = c.network.Dim, c.options.Batch.Shots
		if c.Config.Loss.OnLogits() {
			w.Classes = c.Config.Loss.Classes(len(data.Classes()), w.Logits)
		}
		if _, err := c.Config.Loss.Build(w, c.Config.Student.Head, c.Seed); err != nil {
			return fmt.Errorf("%s: %w", c.Task, err)
		}
	}
	return nil
}

// checkTeachers opens each of several teachers and checks the losses' widths before the first one runs. That of a cache
// which is complete is not opened.
func (r *Runner) checkTeachers(ctx context.Context, data datasets.Dataset) error {
	teachers := r.Experiment.Base.EachTeacher()
	if len(teachers) < 2 {
		return nil // plan does it, with the model that it opens
	}
	outputs := make([]outputWidths, len(teachers))
	for i, t := range teachers {
		var err error
		if outputs[i], err = r.outputWidths(ctx, t.Config, data); err != nil {
			return fmt.Errorf("teacher %s: %w", t.Name, err)
		}
	}
	return r.checkWidths(ctx, outputs)
}

func (r *Runner) outputWidths(ctx context.Context, c *config.Config, data datasets.Dataset) (outputWidths, error) {
	if done, err := openCache(ctx, data, c); err == nil {
		classes, err := cachedClasses(ctx, done, c.Teacher.Logits)
		return outputWidths{done.Manifest().Dim, classes}, err
	}
	model, _, err := r.openModel(ctx, c.Teacher, data)
	if err != nil {
		return outputWidths{}, err
	}
	return modelWidths(c, model.Dim(), model.LogitsDim()), model.Close()
}

// modelWidths are those of a cache that a model fills.
func modelWidths(c *config.Config, dim, classes int) outputWidths {
	if c.Cache.PCA > 0 {
		dim = min(dim, c.Cache.PCA)
	}
	return outputWidths{dim, classes}
}
