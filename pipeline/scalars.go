package pipeline

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"path/filepath"
	"strconv"

	"rkd/student/train"
	"rkd/student/train/tensorboard"
)

// WriteTensorBoard writes an event file beside the metrics of each training of the run in dir, and returns the files;
// of a run in a bucket they stay on this machine.
// Errors are those of Report.
func (m Machine) WriteTensorBoard(ctx context.Context, dir string) ([]string, error) {
	var files []string
	err := m.eachTraining(ctx, dir, func(t Task, c *train.Checkpoint, selection string) error {
		files = append(files, filepath.Join(t.Dir(), tensorboard.FileName))
		return c.WriteEvents(t.Dir(), selection)
	})
	return files, err
}

// WriteCSV writes the figures of all epochs of the run in dir, one a line: variant, seed, epoch, step, the name of the
// figure and its value. Errors are those of Report and of w.
func (m Machine) WriteCSV(ctx context.Context, dir string, w io.Writer) error {
	out := csv.NewWriter(w)
	if err := out.Write([]string{"variant", "seed", "epoch", "step", "scalar", "value"}); err != nil {
		return err
	}
	err := m.eachTraining(ctx, dir, func(t Task, c *train.Checkpoint, selection string) error {
		for _, e := range c.Epochs {
			for _, s := range e.Scalars(selection) {
				line := []string{
					t.row(), strconv.FormatUint(t.Seed, 10), strconv.Itoa(e.Epoch), strconv.Itoa(e.Step), s.Tag,
					strconv.FormatFloat(s.Value, 'g', -1, 64),
				}
				if err := out.Write(line); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	out.Flush()
	return out.Error()
}

// eachTraining calls visit with the checkpoints of a run that there are.
func (m Machine) eachTraining(ctx context.Context, dir string,
	visit func(t Task, c *train.Checkpoint, selection string) error,
) error {
	r, err := m.openRun(ctx, dir)
	if err != nil {
		return err
	}
	for _, row := range r.rows {
		for i, t := range row.trained {
			if err := visit(t, row.checkpoints[i], row.selection); err != nil {
				return fmt.Errorf("%s: %w", t, err)
			}
		}
	}
	return nil
}
