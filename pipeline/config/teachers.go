package config

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"rkd/pipeline/storage"
	"rkd/teacher"
)

// Teachers is the `teachers` section: several teachers of one student, by their names.
type Teachers map[string]WeightedTeacher

// WeightedTeacher is a teacher with the weight of its losses.
type WeightedTeacher struct {
	teacher.Options `yaml:",inline"`
	// Weight multiplies the losses on this teacher's rows, or the rows themselves where they are concatenated; default 1.
	Weight float64 `yaml:"weight,omitempty" within:"(0,1000000]"`
}

// Values of Config.Combine.
const (
	CombineLosses = "losses" // each loss once for each teacher, by the teachers' weights
	CombineConcat = "concat" // the teachers' rows, each times its weight, behind each other: one teacher for every loss
)

// Taught is one of the teachers of a configuration.
type Taught struct {
	Name   string  // empty where it is the only one
	Weight float64 // of its losses
	// Config is the configuration as if it were the only one, with a cache of its own.
	Config *Config
}

// Named says which of several teachers an error is about.
func (t Taught) Named(err error) error {
	if err == nil || t.Name == "" {
		return err
	}
	return fmt.Errorf("teacher %s: %w", t.Name, err)
}

// Untaught says that there is no teacher: `teacher: none`.
func (c *Config) Untaught() bool { return len(c.Teachers) == 0 && c.Teacher.Model == teacher.NoModel }

// EachTeacher lists the teachers, none where there is none: the one of the `teacher` section, or those of `teachers` by
// their names, whose caches are folders of those names in the cache folder.
func (c *Config) EachTeacher() []Taught {
	if c.Untaught() {
		return nil
	}
	if len(c.Teachers) == 0 {
		return []Taught{{Weight: 1, Config: c}}
	}
	var all []Taught
	for _, name := range slices.Sorted(maps.Keys(c.Teachers)) {
		one := *c
		one.Teachers, one.Combine = nil, ""
		one.Teacher = c.Teachers[name].Options
		one.Cache.Dir = storage.Join(c.Cache.Dir, name)
		all = append(all, Taught{Name: name, Weight: c.Teachers[name].Weight, Config: &one})
	}
	return all
}

// TaughtBy returns the experiment with the teacher and the cache of one, a configuration of EachTeacher, alone.
func (e *Experiment) TaughtBy(one *Config) *Experiment {
	if len(e.Base.Teachers) == 0 {
		return e
	}
	alone := *e
	alone.Base = *one
	alone.Variants = slices.Clone(e.Variants)
	for i := range alone.Variants {
		c := &alone.Variants[i].Config
		c.Teacher, c.Teachers, c.Combine, c.Cache = one.Teacher, nil, "", one.Cache
	}
	return &alone
}

// TeacherLogits says whether a teacher gives logits.
func (c *Config) TeacherLogits() bool {
	return slices.ContainsFunc(c.EachTeacher(), func(t Taught) bool { return t.Config.Teacher.Logits.Tensor != "" })
}

// fillInTeachers gives several teachers what the `teacher` section says for all of them.
func (c *Config) fillInTeachers() {
	if len(c.Teachers) == 0 {
		return
	}
	if c.Combine == "" {
		c.Combine = CombineLosses
	}
	c.Teachers = maps.Clone(c.Teachers)
	shared := c.Teacher
	for name, t := range c.Teachers {
		if t.Weight == 0 {
			t.Weight = 1
		}
		if t.Batch == 0 {
			t.Batch = shared.Batch
		}
		if t.Threads == 0 {
			t.Threads = shared.Threads
		}
		if t.Provider == "" {
			t.Provider, t.ProviderOptions = shared.Provider, shared.ProviderOptions
		}
		c.Teachers[name] = t
	}
}

// topLogits says whether a teacher's cache keeps the largest logits only.
func (c *Config) topLogits() bool {
	return slices.ContainsFunc(c.EachTeacher(), func(t Taught) bool { return t.Config.Teacher.Logits.Top > 0 })
}

// checkTeachers checks the sections `teacher` and `teachers`.
func (c *Config) checkTeachers() error {
	if len(c.Teachers) == 0 {
		if c.Combine != "" {
			return fmt.Errorf("combine is %q, but there is one teacher: name several in teachers", c.Combine)
		}
		if err := c.Teacher.Validate(); err != nil {
			return fmt.Errorf("teacher: %w", err)
		}
		return c.checkUntaught()
	}
	if c.Combine != CombineLosses && c.Combine != CombineConcat {
		return fmt.Errorf("combine is %q, expected %s or %s", c.Combine, CombineLosses, CombineConcat)
	}
	own := c.Teacher
	own.Batch, own.Threads, own.Provider, own.ProviderOptions = 0, 0, "", nil
	if !reflect.ValueOf(own).IsZero() {
		return errors.New("teacher: there is a section teachers too, beside which it may only hold batch, threads, " +
			"provider and provider_options, for all of them")
	}
	withLogits := ""
	for _, name := range slices.Sorted(maps.Keys(c.Teachers)) {
		t := c.Teachers[name]
		if !namePattern.MatchString(name) {
			return fmt.Errorf("teachers: name %q, expected letters, digits, '.', '_' and '-'", name)
		}
		if err := t.Validate(); err != nil {
			return fmt.Errorf("teachers.%s: %w", name, err)
		}
		if t.Logits.Tensor != "" && withLogits != "" {
			return fmt.Errorf("teachers.%s.logits: teachers.%s has logits too, expected one teacher with logits", name,
				withLogits)
		}
		if t.Logits.Tensor != "" {
			withLogits = name
		}
	}
	return nil
}

// checkUntaught refuses what takes a teacher where there is none.
func (c *Config) checkUntaught() error {
	switch {
	case !c.Untaught():
		return nil
	case c.Loss.OnTeacher() != "":
		return fmt.Errorf("loss.%s needs a teacher, but teacher is none: expected losses on labels, loss.task",
			c.Loss.OnTeacher())
	case c.Generations > 1:
		return fmt.Errorf("generations is %d, but teacher is none: the first of them has no teacher, and the others need "+
			"losses that it cannot have", c.Generations)
	}
	return nil
}

// commonPreprocess is the teachers' preprocessing where all have the same.
func (c *Config) commonPreprocess() (teacher.Options, error) {
	all := c.EachTeacher()
	if len(all) == 0 {
		return c.Teacher, nil
	}
	first := all[0].Config.Teacher
	for _, t := range all[1:] {
		if t.Config.Teacher.Preprocess.Canonical() != first.Preprocess.Canonical() {
			return first,
				fmt.Errorf("student.preprocess is missing: the teachers %s and %s preprocess differently, so that there "+
					"is no default for the student", all[0].Name, t.Name)
		}
	}
	return first, nil
}
