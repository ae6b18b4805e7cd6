package pipeline

import (
	"context"
	"errors"
	"fmt"

	"rkd/datasets"
	"rkd/pipeline/cache"
)

// Check is one thing that an experiment needs, and what Checkup found.
type Check struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	Text string `json:"text"` // what is there, or what is wrong
}

// Checkup looks at what an experiment needs before hours are spent: both parts of the data, the teachers, the students'
// networks, the cache. It goes on after a fault, computes nothing but one sample, and writes nothing. The error joins
// those of all checks that failed.
func (r *Runner) Checkup(ctx context.Context) (checks []Check, err error) {
	check := func(name string, look func() (string, error)) {
		text, fault := look()
		if fault != nil {
			text = fault.Error()
			err = errors.Join(err, fmt.Errorf("%s: %w", name, fault))
		}
		checks = append(checks, Check{name, fault == nil, text})
	}
	c := &r.Experiment.Base
	parts := []string{"train"}
	if c.Data.Tested() {
		parts = append(parts, "test")
	}
	for _, part := range parts {
		check("data."+part, func() (string, error) {
			d, err := r.dataset(ctx, part)
			if err != nil {
				return "", err
			}
			return fmt.Sprintf("%d samples of %d classes in %s", d.Len(), len(d.Classes()), d.Name()), nil
		})
	}
	train, dataErr := r.dataset(ctx, "train")
	if dataErr != nil {
		return checks, err // the rest needs a sample
	}
	for _, t := range c.EachTeacher() {
		check("teacher "+t.Config.Teacher.Model, func() (string, error) {
			m, _, err := r.openModel(ctx, t.Config.Teacher, train)
			if err != nil {
				return "", err
			}
			defer m.Close()
			return fmt.Sprintf("%d numbers a sample, %d parameters", m.Dim(), m.Parameters()), nil
		})
	}
	for i := range r.Experiment.Variants {
		v := &r.Experiment.Variants[i]
		check("student "+v.Name, func() (string, error) {
			_, img, err := datasets.First(ctx, train)
			if err != nil {
				return "", err
			}
			input, err := studentInput(&v.Config, img)
			if err != nil {
				return "", err
			}
			width, err := r.widthFor(ctx, &v.Config)
			if err != nil {
				return "", err
			}
			n, _, err := newNetwork(&v.Config, input, width)
			if err != nil {
				return "", err
			}
			return fmt.Sprintf("%d numbers a sample, input %v", n.Dim, input), nil
		})
	}
	for _, t := range c.EachTeacher() {
		check("cache "+t.Config.Cache.Dir, func() (string, error) {
			source, err := openCache(ctx, train, t.Config)
			if errors.Is(err, cache.ErrNoCache) || errors.Is(err, cache.ErrIncomplete) {
				return "not complete: 'rkd precompute' fills it", nil
			}
			if err != nil {
				return "", err
			}
			return fmt.Sprintf("%d rows of this experiment", source.Rows()), nil
		})
	}
	if err != nil {
		return checks, err // what follows would say the same again
	}
	check("experiment", func() (string, error) {
		if err := r.check(ctx); err != nil {
			return "", err
		}
		return fmt.Sprintf("engines, batches and metrics of %d trainings fit the data", len(r.checks)), nil
	})
	return checks, err
}
