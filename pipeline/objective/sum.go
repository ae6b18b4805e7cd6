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
	// Shares are the columns of Teacher that are one of several teachers', each with losses of its own; empty for one.
	Shares []Share
}

// Share is one of several teachers whose rows lie behind each other.
type Share struct {
	Name     string
	From, To int     // its columns
	Weight   float64 // of its losses, beside their own
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

// Relational says whether all losses are on the relations between rows: none sees a sample by itself.
func (l Losses) Relational() bool {
	for _, t := range l.terms(Widths{}) {
		if t.Weight > 0 && (t.kind != "" || t.input != onRows) {
			return false
		}
	}
	return true
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
// themselves. A loss on the teacher's rows is there once for each share. It returns ErrOptions where a loss does not
// fit the widths.
func (l Losses) Build(w Widths, head Head, seed uint64) (*Objective, error) {
	o := &Objective{Sum: new(loss.Sum[float32])}
	shares := w.Shares
	if len(shares) == 0 {
		shares = []Share{{Weight: 1, To: w.Teacher}}
	}
	together := l.shareDistances()
	if together {
		for _, s := range shares {
			d := l.RKDDistance
			o.Sum.AddScheduled(s.Weight, d.Schedule, s.of(d.on(loss.NewRelational[float32](d.Weight, l.RKDAngle.Weight))))
		}
	}
	for _, t := range l.terms(w) {
		if t.Weight == 0 || together && (t.name == distanceName || t.name == angleName) {
			continue
		}
		if t.input == onLogits || t.input == onTeacherLogits {
			of, err := t.options.New()
			if err != nil {
				return nil, fmt.Errorf("%w: loss.%s: %w", ErrOptions, t.name, err)
			}
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
			of = t.on(loss.NewProjected(o.Head, of))
			if t.kind != "" {
				of = loss.NewLabelled(of)
			}
			o.Sum.AddScheduled(t.Weight, t.Schedule, of)
			continue
		}
		if t.kind != "" { // on labels: no teacher takes part
			of, err := t.options.New()
			if err != nil {
				return nil, fmt.Errorf("%w: loss.%s: %w", ErrOptions, t.name, err)
			}
			o.Sum.AddScheduled(t.Weight, t.Schedule, loss.NewLabelled(t.on(of)))
			continue
		}
		for _, s := range shares {
			of, err := l.onShare(t, s, w.Student, seed)
			if err != nil {
				return nil, err
			}
			o.Sum.AddScheduled(t.Weight*s.Weight, t.Schedule, s.of(t.on(of)))
		}
	}
	return o, nil
}

// onShare makes a loss on the rows of student and one teacher.
func (l Losses) onShare(t term, s Share, student int, seed uint64) (loss.Loss[float32], error) {
	of, err := t.options.New()
	if err != nil {
		return nil, fmt.Errorf("%w: loss.%s: %w", ErrOptions, t.name, err)
	}
	input, width, name := t.input, s.To-s.From, t.name
	if s.Name != "" {
		name = fmt.Sprintf("%s[%s]", t.name, s.Name)
		input = l.inputOf(t.name, Widths{Student: student, Teacher: width})
	}
	switch input {
	case onProjection:
		p, err := loss.NewProjection[float32](name, loss.ProjectionOptions{Bias: true}, student, width,
			sampler.Stream(seed, name, 0))
		if err != nil {
			return nil, err
		}
		return loss.NewProjected(p, of), nil
	case onEqualRows:
		if student != width {
			return nil, fmt.Errorf("%w: loss.%s without a projection needs a student as wide as its teacher, but "+
				"student.embedding_dim is %d and the cache has %d",
				ErrOptions, name, student, width)
		}
	}
	return of, nil
}

// inputOf is what the loss of that name is computed on where student and teacher are so wide.
func (l Losses) inputOf(name string, w Widths) input {
	for _, t := range l.terms(w) {
		if t.name == name {
			return t.input
		}
	}
	return onRows
}

// of returns l on the share's columns; a single teacher's are all there are.
func (s Share) of(l loss.Loss[float32]) loss.Loss[float32] {
	if s.Name == "" {
		return l
	}
	return loss.NewColumns(l, s.Name, s.From, s.To)
}

// Keys of the losses that can be computed together.
const (
	distanceName = "rkd_distance"
	angleName    = "rkd_angle"
)

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

// OnTeacher returns the key of the first loss that needs a teacher, empty without one.
func (l Losses) OnTeacher() string {
	for _, t := range l.terms(Widths{}) {
		if t.Weight > 0 && t.kind == "" {
			return t.name
		}
	}
	return ""
}

// Ties says whether some loss pulls each of the student's rows to the teacher's row of the sample, without a map
// between them that learns to: places, if in direction, lengths, if in length too.
func (l Losses) Ties() (places, lengths bool) {
	direct := func(t Term, project *bool) bool { return t.Weight > 0 && (project == nil || !*project) }
	regression := direct(l.Regression.Term, l.Regression.Project)
	places = regression || direct(l.InfoNCE.Term, l.InfoNCE.Project)
	sides := l.Regression.sides()
	lengths = regression && l.Regression.Options.WithDefaults().Kind == loss.RegressionMSE && !sides.student &&
		!sides.teacher
	return places, lengths
}

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
