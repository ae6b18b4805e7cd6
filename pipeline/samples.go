package pipeline

import (
	"errors"
	"fmt"

	"rkd/datasets"
	"rkd/pipeline/cache"
)

// input is the student's input of the rows of one cache. Trainings that preprocess alike share it, and by that what has
// been read.
type input struct {
	*datasets.Loader
	table      *cache.Table
	preprocess string
}

// open makes the input of a training, unless it has it already. No row may be missing: strict.
func (in *input) open(r *Runner, t *training, data datasets.Dataset, table *cache.Table) error {
	preprocess := t.Config.Student.Preprocess.Canonical()
	if in.Loader != nil {
		if in.table == table && in.preprocess == preprocess {
			return nil
		}
		if err := in.Close(); err != nil {
			return err
		}
	}
	rows, err := datasets.RowsOf(data, table.IDs, table.Views)
	if errors.Is(err, datasets.ErrUnknownSample) {
		return fmt.Errorf("%w: %w", cache.ErrCorrupt, err)
	}
	if err != nil {
		return err
	}
	in.table, in.preprocess = table, preprocess
	in.Loader, err = r.studentLoader(t, data, rows, 0, true)
	return err
}

// close gives the input back.
func (in *input) close() error {
	if in.Loader == nil {
		return nil
	}
	return in.Close()
}

// studentLoader reads a student's input for rows of data, nil for all samples in view 0, and keeps what it has read
// within the configuration's limits, of which used bytes are taken.
func (r *Runner) studentLoader(
	t *training, data datasets.Dataset, rows []datasets.Row, used int64, strict bool,
) (*datasets.Loader, error) {
	c := t.Config
	transform, err := datasets.NewTransform(*c.Student.Preprocess, datasets.Float32, t.about.size())
	if err != nil {
		return nil, fmt.Errorf("student.preprocess: %w", err)
	}
	if p, ok := transform.(*datasets.Pictures); ok {
		transform = p.WithViews(c.Data.Augment, c.Data.ViewSeed, t.source.DrawsByID())
	}
	return datasets.NewLoader(data, rows, transform,
		datasets.LoaderOptions{
			Batch: t.options.Batch.Rows(), Strict: strict,
			Keep: c.Data.Keep(used, workDir(c), func(err error) { r.Progress.Say("distill: %v", err) }),
		}), nil
}
