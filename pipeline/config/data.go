package config

import (
	"errors"
	"fmt"

	"rkd/datasets"
	"rkd/pipeline/eval"
)

// tests are the sources of the test data, none where there are none.
func (d *Data) tests() datasets.Sources {
	if d.Split != (datasets.Division{}) {
		return d.Train
	}
	return d.Test
}

// Tested says that there are test data.
func (d *Data) Tested() bool { return len(d.tests()) > 0 }

func (d *Data) validateTest() error {
	switch {
	case len(d.Test) == 0:
		return nil
	case d.Split != datasets.Division{}:
		return errors.New("it stands beside data.split, which makes test data of data.train: expected one of them")
	case d.Test.Vectors() != d.Train.Vectors():
		return errors.New("expected pictures or vectors in both data.train and data.test")
	}
	return d.Test.Validate()
}

// checkEvalLabels refuses metrics on labels of test data that have none, and any where there are no test data.
func (c *Config) checkEvalLabels() error {
	metrics, err := eval.ParseMetrics(c.Eval.Metrics)
	if err != nil {
		return err
	}
	if c.Eval.Curve && !c.Data.Tested() {
		return errors.New("curve follows the test data, and there are none: name data.test or data.split")
	}
	for _, m := range metrics {
		if m.NeedsTeacher() && c.Untaught() {
			return fmt.Errorf("metrics has %s, which compares with a teacher, but teacher is none: expected metrics on labels",
				m.Name)
		}
	}
	if !c.Data.Tested() || !c.Data.tests().Unlabelled() {
		return nil
	}
	for _, m := range metrics {
		if !m.OnTeacher() {
			return fmt.Errorf("metrics has %s, which needs labels, but the test data have none: expected %s, overlap@K or %s",
				m.Name, eval.Spearman, eval.CKA)
		}
	}
	return nil
}

// checkLossLabels refuses losses on labels of training data that have none.
func (c *Config) checkLossLabels() error {
	if !c.Data.Train.Unlabelled() {
		return nil
	}
	for _, l := range c.Loss.Labels {
		if l.Weight > 0 {
			return fmt.Errorf("task: kind %s needs labels, but no source of data.train has any: give it the weight 0, or add "+
				"a source with labels", l.Kind)
		}
	}
	if kind := c.Train.Batch.Kind; kind != "shuffled" {
		return fmt.Errorf("train.batch.kind is %s, which draws by class, but no source of data.train has labels: expected "+
			"shuffled", kind)
	}
	return nil
}

// checkVectors refuses what is about pictures where samples are vectors.
func (c *Config) checkVectors() error {
	switch {
	case !c.Data.Train.Vectors():
		return nil
	case c.Cache.Views > 1:
		return fmt.Errorf("cache.views is %d, but samples are vectors, of which there are no views: expected 1",
			c.Cache.Views)
	case c.Export.Preprocess:
		return errors.New("export.preprocess is true, but samples are vectors, which nothing is done to: expected false")
	}
	return nil
}
