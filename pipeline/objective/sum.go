package objective

import (
	"fmt"
	"slices"

	"rkd/student/loss"
	"rkd/student/sampler"
)

// Widths are the sizes that losses depend on.
type Widths struct {
	Student, Teacher int
	Logits           int // of the teacher, 0 without
	Classes          int // that a head tells apart
	Shots            int // of an episode
}

// CheckWeights returns an error unless some loss has a weight above 0.
func (l Losses) CheckWeights() error {
	names := []string{}
	for _, t := range l.terms(Widths{}) {
		if t.Weight > 0 {
			return nil
		}
		names = append(names, t.name)
	}
	if len(l.Labels) == 0 {
		names = append(names, "task")
	}
	return fmt.Errorf("loss: all weights are 0, expected one above 0 among %v", names)
}

// Validate checks the loss section, except its weights, which variants may change, and what depends on the cache.
func (l Losses) Validate(head Head, batch sampler.Shape) error {
	nominal := Widths{Student: 2, Teacher: 2, Logits: 2, Classes: 2, Shots: max(batch.Shots, 1)}
	for _, t := range l.terms(nominal) {
		if err := t.validate(); err != nil {
			return err
		}
		if t.Weight > 0 && t.fits != nil {
			if err := t.fits(batch); err != nil {
				return fmt.Errorf("%s: kind %s %w", t.name, t.kind, err)
			}
		}
	}
	_, err := l.Build(nominal, head, 0)
	return err
}

func (t term) validate() error {
	if t.Weight < 0 {
		return fmt.Errorf("%s is %g, expected 0 or more", t.name, t.Weight)
	}
	if choices := []string{"", "none", "student", "teacher", "both"}; !slices.Contains(choices, t.Normalize) {
		return fmt.Errorf("%s.normalize is %q, expected one of %v", t.name, t.Normalize, choices[1:])
	}
	if t.sides().teacher {
		switch {
		case t.kind != "":
			return fmt.Errorf("%s: normalize is %q, expected none or student: a loss on labels has no teacher",
				t.name, t.Normalize)
		case t.input == onTeacherLogits:
			return fmt.Errorf("%s.normalize is %q, expected none or student: it is about embeddings, and the teacher's side "+
				"are logits",
				t.name, t.Normalize)
		}
	}
	if err := t.Schedule.Validate(); err != nil {
		return fmt.Errorf("%s.schedule: %w", t.name, err)
	}
	if _, err := t.options.New(); err != nil {
		return fmt.Errorf("%s: %w", t.name, err)
	}
	return nil
}

// Objective is what a student is trained for.
type Objective struct {
	Sum *loss.Sum[float32]
	// Head makes logits of embeddings; nil where no loss needs them.
	Head *loss.Projection[float32]
}

// Build makes the sum of the losses with a weight above 0, and first weights, drawn from seed, for what they learn
// themselves. It returns ErrOptions where a loss does not fit the widths.
func (l Losses) Build(w Widths, head Head, seed uint64) (*Objective, error) {
	o := &Objective{Sum: new(loss.Sum[float32])}
	if l.shareDistances() {
		o.Sum.AddScheduled(1, l.RKDDistance.Schedule,
			l.RKDDistance.on(loss.NewRelational[float32](l.RKDDistance.Weight, l.RKDAngle.Weight)))
		l.RKDDistance.Weight, l.RKDAngle.Weight = 0, 0
	}
	for _, t := range l.terms(w) {
		if t.Weight == 0 {
			continue
		}
		of, err := t.options.New()
		if err != nil {
			return nil, fmt.Errorf("%w: loss.%s: %w", ErrOptions, t.name, err)
		}
		switch t.input {
		case onLogits, onTeacherLogits:
			if t.input == onTeacherLogits && w.Logits != w.Classes {
				return nil, fmt.Errorf("%w: loss.%s compares logits of the training data's %d classes with the teacher's %d, "+
					"expected as many",
					ErrOptions, t.name, w.Classes, w.Logits)
			}
			if o.Head == nil {
				if o.Head, err = head.Projection(w.Student, w.Classes, sampler.Stream(seed, headName, 0)); err != nil {
					return nil, err
				}
			}
			of = loss.NewProjected(o.Head, of)
		case onProjection:
			p, err := loss.NewProjection[float32](t.name, loss.ProjectionOptions{Bias: true}, w.Student, w.Teacher,
				sampler.Stream(seed, t.name, 0))
			if err != nil {
				return nil, err
			}
			of = loss.NewProjected(p, of)
		case onEqualRows:
			if w.Student != w.Teacher {
				return nil, fmt.Errorf("%w: loss.%s without a projection needs a student as wide as its teacher, but "+
					"student.embedding_dim is %d and the cache has %d",
					ErrOptions, t.name, w.Student, w.Teacher)
			}
		case onRows:
		}
		o.Sum.AddScheduled(t.Weight, t.Schedule, t.on(of))
	}
	return o, nil
}

// shareDistances says whether both relational losses look at the same rows at all times, and can be computed together.
func (l Losses) shareDistances() bool {
	d, a := l.RKDDistance, l.RKDAngle
	return d.Weight > 0 && a.Weight > 0 && d.sides() == a.sides() && d.Schedule == a.Schedule
}

// OnLogits says whether a loss of l needs logits of the student.
func (l Losses) OnLogits() bool {
	return l.OnTeacherLogits() != "" || l.uses(onLogits) != ""
}

// OnTeacherLogits returns the key of the first loss that needs the teacher's logits, empty without one.
func (l Losses) OnTeacherLogits() string { return l.uses(onTeacherLogits) }

// uses returns the name of the first loss with a weight that is computed on in.
func (l Losses) uses(in input) string {
	for _, t := range l.terms(Widths{}) {
		if t.Weight > 0 && t.input == in {
			return t.name
		}
	}
	return ""
}

// Classes is the number of classes that a head tells apart: the data's, or the teacher's where no loss is on labels.
func (l Losses) Classes(data, teacher int) int {
	if l.uses(onLogits) != "" {
		return data
	}
	return teacher
}

// sides says which side's rows the loss wants at unit length.
func (t Term) sides() (sides struct{ student, teacher bool }) {
	sides.student = t.Normalize == "student" || t.Normalize == "both"
	sides.teacher = t.Normalize == "teacher" || t.Normalize == "both"
	return sides
}

// on returns l on the rows that the term is configured for.
func (t Term) on(l loss.Loss[float32]) loss.Loss[float32] {
	if sides := t.sides(); sides.student || sides.teacher {
		return loss.NewNormalized(l, sides.student, sides.teacher)
	}
	return l
}
