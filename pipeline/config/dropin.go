package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"rkd/pipeline/eval"
	"rkd/teacher"
)

// teacherNormalize is what becomes of the teacher's rows: none or l2.
func (c *Config) teacherNormalize() string { return cmp.Or(c.Teacher.Normalize, teacher.NormalizeNone) }

// checkDropIn refuses a drop-in student that has no teacher's vectors to search, or not those of the teacher.
func (c *Config) checkDropIn() error {
	if !c.Student.DropIn {
		return nil
	}
	switch {
	case c.Untaught():
		return errors.New("student.drop_in is true, but teacher is none: there are no vectors for the student to search")
	case len(c.Teachers) > 0:
		return fmt.Errorf("student.drop_in is true, but there are %d teachers: expected one, whose vectors the "+
			"student searches",
			len(c.Teachers))
	case c.Cache.PCA > 0:
		return fmt.Errorf("student.drop_in is true, but cache.pca keeps %d components of the teacher's embedding, and its "+
			"vectors have all of them: expected cache.pca: 0", c.Cache.PCA)
	case c.Student.Normalize != c.teacherNormalize():
		return fmt.Errorf("student.normalize is %q, expected %q, as teacher.normalize is: the vectors of a drop-in student "+
			"(student.drop_in) are compared with the teacher's", c.Student.Normalize, c.teacherNormalize())
	}
	return nil
}

// checkLosses checks the weights of the losses, which variants may change.
func (c *Config) checkLosses() error {
	if err := c.Loss.CheckWeights(); err != nil || !c.Student.DropIn {
		return err
	}
	places, lengths := c.Loss.Ties()
	var err error
	switch {
	case !places:
		err = errors.New("student.drop_in is true, but no loss pulls a vector to the teacher's own of the sample: give " +
			"loss.info_nce or loss.regression a weight, without project: true")
	case !lengths && c.teacherNormalize() == teacher.NormalizeNone:
		err = errors.New("student.drop_in is true, but no loss sees how long the teacher's vectors are: give " +
			"loss.regression (kind mse, without normalize) a weight, or set teacher.normalize: l2, if those searched have " +
			"length 1")
	default:
		return nil
	}
	return aboutKey("student.drop_in", err)
}

// measureDropIn adds the metric of drop-in students to those that are measured, where there is such a variant: the
// asymmetric form of the first recall@K, or of overlap@K where no metric is on labels.
func (e *Experiment) measureDropIn() {
	if !slices.ContainsFunc(e.Variants, func(v Variant) bool { return v.Config.Student.DropIn }) || !e.Base.Data.Tested() {
		return
	}
	metrics := eval.WithAsymmetric(e.Base.Eval.Metrics)
	e.Base.Eval.Metrics = metrics
	for i := range e.Variants {
		e.Variants[i].Config.Eval.Metrics = metrics
	}
}
