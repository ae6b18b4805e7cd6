package objective

import (
	"errors"
	"fmt"
	"slices"

	"rkd/student/loss"
	"rkd/student/sampler"
)

// ErrOptions reports a `loss` or `student.head` section that cannot be used.
var ErrOptions = errors.New("objective")

// Loss is the `loss` section: the losses that are added up.
type Loss struct {
	RKDDistance Term        `yaml:"rkd_distance,omitempty"`
	RKDAngle    Term        `yaml:"rkd_angle,omitempty"`
	SP          Term        `yaml:"sp,omitempty"`
	PKT         Term        `yaml:"pkt,omitempty"`
	CC          Correlation `yaml:"cc,omitempty"`
	DarkRank    DarkRank    `yaml:"dark_rank,omitempty"`
	HKD         SoftTarget  `yaml:"hkd,omitempty"`
	Regression  Regression  `yaml:"regression,omitempty"`
	InfoNCE     Contrast    `yaml:"info_nce,omitempty"`
	Task        LabelLosses `yaml:"task,omitempty"`
}

// Term is what every loss has. A number alone is its weight.
type Term struct {
	Weight float64 `yaml:"weight,omitempty"`
	// Normalize says whose rows are brought to unit length for this loss: none (default), student, teacher or both.
	Normalize string `yaml:"normalize,omitempty"`
	// Schedule moves the weight over the epochs.
	Schedule loss.Schedule `yaml:"schedule,omitempty"`
}

// Shorthand names the key that a number alone is the value of.
func (*Term) Shorthand() string { return "weight" }

// Correlation is the `cc` section.
type Correlation struct {
	Term   `yaml:",inline"`
	Kernel string  `yaml:"kernel,omitempty"` // gaussian (default) or bilinear
	Gamma  float64 `yaml:"gamma,omitempty"`
	Order  int     `yaml:"order,omitempty"`
}

// DarkRank is the `dark_rank` section.
type DarkRank struct {
	Term   `yaml:",inline"`
	Alpha  float64 `yaml:"alpha,omitempty"`
	Beta   float64 `yaml:"beta,omitempty"`
	Length int     `yaml:"length,omitempty"`
}

// SoftTarget is the `hkd` section: KL on softened logits.
type SoftTarget struct {
	Term        `yaml:",inline"`
	Temperature float64 `yaml:"temperature,omitempty"` // default 4
	// SquareTemperature multiplies the loss by the temperature's square.
	SquareTemperature bool `yaml:"square_temperature,omitempty"`
}

// Projected is what losses share that compare student and teacher element by element.
type Projected struct {
	// Project learns a linear map from the student's width to the teacher's; default: where they differ.
	Project *bool `yaml:"project,omitempty"`
}

// Regression is the `regression` section.
type Regression struct {
	Term      `yaml:",inline"`
	Projected `yaml:",inline"`
	Kind      string `yaml:"kind,omitempty"` // mse (default) or cosine
}

// Contrast is the `info_nce` section.
type Contrast struct {
	Term        `yaml:",inline"`
	Projected   `yaml:",inline"`
	Temperature float64 `yaml:"temperature,omitempty"`
}

// lossTerm is one loss of the section with what its making needs.
type lossTerm struct {
	name string
	Term
	// input is what the loss is given: rows as they are, through a projection to the teacher's width, or logits.
	input lossInput
	make  func() (loss.Loss[float32], error)
}

type lossInput int

const (
	onRows lossInput = iota
	onProjection
	onLogits
)

// terms lists the losses with a weight above 0.
func (l Loss) terms(w Widths) []lossTerm {
	terms := []lossTerm{
		{name: "rkd_distance", Term: l.RKDDistance, make: func() (loss.Loss[float32], error) { return loss.NewRelational[float32](1, 0), nil }},
		{name: "rkd_angle", Term: l.RKDAngle, make: func() (loss.Loss[float32], error) { return loss.NewRelational[float32](0, 1), nil }},
		{name: "sp", Term: l.SP, make: func() (loss.Loss[float32], error) { return loss.NewSimilarity[float32](), nil }},
		{name: "pkt", Term: l.PKT, make: func() (loss.Loss[float32], error) { return loss.NewPKT[float32](), nil }},
		{name: "cc", Term: l.CC.Term, make: func() (loss.Loss[float32], error) {
			return loss.NewCorrelation[float32](loss.CorrelationOptions{Kernel: l.CC.Kernel, Gamma: l.CC.Gamma, Order: l.CC.Order})
		}},
		{name: "dark_rank", Term: l.DarkRank.Term, make: func() (loss.Loss[float32], error) {
			return loss.NewDarkRank[float32](loss.DarkRankOptions{Alpha: l.DarkRank.Alpha, Beta: l.DarkRank.Beta, Length: l.DarkRank.Length})
		}},
		{name: "hkd", Term: l.HKD.Term, input: onLogits, make: func() (loss.Loss[float32], error) {
			return loss.NewSoftTarget[float32](loss.SoftTargetOptions{
				Temperature: l.HKD.Temperature, SquareTemperature: l.HKD.SquareTemperature,
			})
		}},
		{name: "regression", Term: l.Regression.Term, input: l.Regression.input(w), make: func() (loss.Loss[float32], error) {
			return loss.NewRegression[float32](loss.RegressionOptions{Kind: l.Regression.Kind})
		}},
		{name: "info_nce", Term: l.InfoNCE.Term, input: l.InfoNCE.input(w), make: func() (loss.Loss[float32], error) {
			return loss.NewInfoNCE[float32](loss.InfoNCEOptions{Temperature: l.InfoNCE.Temperature})
		}},
	}
	for i, t := range l.Task {
		terms = append(terms, t.term(i, len(l.Task), w))
	}
	return terms
}

// input says whether the loss needs a projection between sides of these widths.
func (p Projected) input(w Widths) lossInput {
	if p.Project == nil && w.Student != w.Teacher || p.Project != nil && *p.Project {
		return onProjection
	}
	return onRows
}

// Widths are the sizes that losses stand between.
type Widths struct {
	Student, Teacher int
	Logits           int // of the teacher, 0 without
	Classes          int // that a head tells apart
	Shots            int // of an episode
}

// CheckWeights returns an error unless some loss has a weight above 0.
func (l Loss) CheckWeights() error {
	names := []string{}
	for _, t := range l.terms(Widths{}) {
		if t.Weight > 0 {
			return nil
		}
		names = append(names, t.name)
	}
	if len(l.Task) == 0 {
		names = append(names, "task")
	}
	return fmt.Errorf("loss: all weights are 0, expected one above 0 among %v", names)
}

// Validate checks the loss section but for its weights, which variants may change, and for what only a cache can tell.
func (l Loss) Validate(head Head, batch sampler.Shape) error {
	nominal := Widths{Student: 2, Teacher: 2, Logits: 2, Classes: 2, Shots: max(batch.Shots, 1)}
	for _, t := range l.terms(nominal) {
		if t.Weight < 0 {
			return fmt.Errorf("%s is %g, expected 0 or more", t.name, t.Weight)
		}
		if choices := []string{"", "none", "student", "teacher", "both"}; !slices.Contains(choices, t.Normalize) {
			return fmt.Errorf("%s.normalize is %q, expected one of %v", t.name, t.Normalize, choices[1:])
		}
		if t.name == "hkd" && t.sides().teacher {
			return fmt.Errorf("hkd.normalize is %q, expected none or student: it is about embeddings, and the teacher's side are logits", t.Normalize)
		}
		if err := t.Schedule.Validate(); err != nil {
			return fmt.Errorf("%s.schedule: %w", t.name, err)
		}
		if _, err := t.make(); err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
	}
	for i, t := range l.Task {
		if err := t.fits(batch); t.Weight > 0 && err != nil {
			return fmt.Errorf("%s: %w", t.name(i, len(l.Task)), err)
		}
	}
	_, err := l.Build(nominal, head, 0)
	return err
}

// Objective is what a student is trained for.
type Objective struct {
	Sum *loss.Sum[float32]
	// Head makes logits of embeddings; nil where no loss needs them.
	Head *loss.Projection[float32]
}

// Build makes the sum of the losses with a weight above 0, and first weights, drawn from seed, for what they learn
// themselves. It returns ErrOptions where a loss does not fit the widths.
func (l Loss) Build(w Widths, head Head, seed uint64) (*Objective, error) {
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
		of, err := t.make()
		if err != nil {
			return nil, fmt.Errorf("%w: loss.%s: %w", ErrOptions, t.name, err)
		}
		switch t.input {
		case onLogits:
			if t.name == "hkd" && w.Logits != w.Classes {
				return nil, fmt.Errorf("%w: loss.hkd compares logits of the training data's %d classes with the teacher's %d, expected as many",
					ErrOptions, w.Classes, w.Logits)
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
		case onRows:
			if elementwise := t.name == "regression" || t.name == "info_nce"; elementwise && w.Student != w.Teacher {
				return nil, fmt.Errorf("%w: loss.%s without a projection needs a student as wide as its teacher, but student.embedding_dim is %d and the cache has %d",
					ErrOptions, t.name, w.Student, w.Teacher)
			}
		}
		o.Sum.AddScheduled(t.Weight, t.Schedule, t.on(of))
	}
	return o, nil
}

// shareDistances says whether both relational losses look at the same rows at all times, and can be computed together.
func (l Loss) shareDistances() bool {
	d, a := l.RKDDistance, l.RKDAngle
	return d.Weight > 0 && a.Weight > 0 && d.sides() == a.sides() && d.Schedule == a.Schedule
}

// OnLogits says whether a loss of l needs logits of the student.
func (l Loss) OnLogits() bool {
	return slices.ContainsFunc(l.terms(Widths{}), func(t lossTerm) bool { return t.Weight > 0 && t.input == onLogits })
}

// Classes is the number of classes that a head tells apart: the data's, or the teacher's where no loss is on labels.
func (l Loss) Classes(data, teacher int) int {
	for _, t := range l.Task {
		if t.Kind == CrossEntropy && t.Weight > 0 {
			return data
		}
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
