package pipeline

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"rkd/pipeline/config"
	"rkd/student/engine"
	"rkd/student/train"
)

// state is how far a training is.
type state int

const (
	fresh       state = iota // there is nothing, or nothing that is to be kept
	interrupted              // it goes on from its checkpoint
	extended                 // it was finished with fewer epochs and goes on from there
	upToDate                 // it is finished
)

// found looks at what is in a training's folder and prepares it for continuing where that is possible.
func (r *Runner) found(t *training) (state, error) {
	c, err := train.ReadCheckpoint(t.Dir())
	if errors.Is(err, train.ErrNoCheckpoint) || err != nil && (r.Restart || r.Overwrite) {
		return fresh, nil
	}
	if err != nil {
		return fresh, err
	}
	differences, err := t.differences(c)
	switch {
	case err != nil:
		return fresh, err
	case len(differences) == 0 && r.Restart, len(differences) > 0 && r.Overwrite:
		return fresh, nil
	case len(differences) == 0 && c.Done:
		return upToDate, t.intact(c)
	case len(differences) == 0:
		r.sayElsewhere(t, c)
		if c.Format < train.CheckpointFormat {
			err = t.adopt(c)
		}
		return interrupted, err
	}
	grows, why := t.grows(c, differences)
	if grows {
		r.sayElsewhere(t, c)
		return extended, t.adopt(c)
	}
	return fresh, fmt.Errorf("%q holds %s of %w: %s%s; choose another name, dir or variant, or replace it with "+
		"--overwrite",
		t.Dir(), how(c), ErrMismatch, strings.Join(differences, "; "), why)
}

// sayElsewhere reports a training that continues with other vector instructions than it began with.
func (r *Runner) sayElsewhere(t *training, c *train.Checkpoint) {
	if began := c.Elsewhere(); began != "" {
		r.Progress.Say("distill %s: goes on with %s instructions after %s: weights will differ in their last bits from "+
			"those of a training without a change", t, engine.Instructions(), began)
	}
}

func how(c *train.Checkpoint) string {
	if c.Done {
		return "a finished training"
	}
	return fmt.Sprintf("a training of %d steps so far", c.Step)
}

// differences lists what this training and that of a checkpoint differ in: nothing where it is the same.
func (t *training) differences(c *train.Checkpoint) ([]string, error) {
	if c.Key == t.key {
		return nil, nil
	}
	a, made, err := describedStudent(c, t.Dir())
	if err != nil {
		return nil, err
	}
	old, err := a.trainingKey(made, t.source.Rows())
	if err != nil {
		return nil, err
	}
	now, err := t.about.trainingKey(t.Config, t.source.Rows())
	if err != nil {
		return nil, err
	}
	differences := now.Differences(old)
	switch {
	case c.Format < train.CheckpointFormat && len(made.Student.Preprocess.Resize) > 0:
		differences = append(differences,
			"student.preprocess.resize gives other pixels than in the version of rkd that trained it")
	case len(differences) == 0 && c.Format == train.CheckpointFormat:
		differences = append(differences, "the version of rkd is another")
	}
	return differences, nil
}

// grows says whether the training is that of a checkpoint but for a larger number of epochs, and can go on from there;
// where only the schedule is in the way, why says so.
func (t *training) grows(c *train.Checkpoint, differences []string) (ok bool, why string) {
	if len(differences) != 1 || !strings.HasPrefix(differences[0], "train.epochs is ") {
		return false, ""
	}
	total := t.options.Epochs * t.options.StepsPerEpoch
	switch {
	case c.Step > total:
		return false, fmt.Sprintf(" (%d steps are taken already)", c.Step)
	case t.options.Schedule.SpreadsOverAll():
		return false, fmt.Sprintf(" (schedule %s spreads over all epochs, so more of them are another training)",
			t.options.Schedule.Kind)
	}
	return true, ""
}

// adopt makes a checkpoint that of this training.
func (t *training) adopt(c *train.Checkpoint) error {
	about, err := json.Marshal(t.about)
	if err != nil {
		return fmt.Errorf("describing the student: %w", err)
	}
	return c.Adopt(t.Dir(), t.key, about)
}

// intact checks the student that a finished training ended with, and that its metrics are there.
func (t *training) intact(c *train.Checkpoint) error {
	if _, err := readStudent(t.Dir()); err != nil {
		return err
	}
	return c.RestoreMetrics(t.Dir())
}

// holdAgainst returns ErrMismatch if a student was trained from another configuration than its task's.
func (s *student) holdAgainst(t Task) error {
	made, err := s.about.trainingKey(s.config, 1)
	if err != nil {
		return err
	}
	wanted, err := s.about.trainingKey(t.Config, 1)
	if err != nil {
		return err
	}
	if differences := wanted.Differences(made); len(differences) > 0 {
		return fmt.Errorf("%q holds a student of %w: %s; 'rkd distill' trains the one that is asked for",
			s.dir, ErrMismatch, strings.Join(differences, "; "))
	}
	return nil
}

// trainingKey is what identifies the training of the student with configuration c on a cache of so many rows.
func (a *about) trainingKey(c *config.Config, rows int) (config.Key, error) {
	return c.TrainingKey(config.Training{Cache: a.Cache, Rows: rows, Input: a.Input, Start: a.Start, Seed: a.Seed})
}
