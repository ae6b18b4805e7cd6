package objective

import (
	"errors"
	"reflect"
	"slices"
	"strings"

	"rkd/student/loss"
	"rkd/student/sampler"
)

// ErrOptions reports a `loss` or `student.head` section that cannot be used.
var ErrOptions = errors.New("objective")

// Losses is the `loss` section: the losses that are added up. It is the table of the losses between student and
// teacher: the type of a field says what the loss is computed on, and which keys it has of its own.
type Losses struct {
	RKDDistance OnRows[loss.DistanceOptions]         `yaml:"rkd_distance,omitempty"`
	RKDAngle    OnRows[loss.AngleOptions]            `yaml:"rkd_angle,omitempty"`
	SP          OnRows[loss.SimilarityOptions]       `yaml:"sp,omitempty"`
	PKT         OnRows[loss.PKTOptions]              `yaml:"pkt,omitempty"`
	CC          OnRows[loss.CorrelationOptions]      `yaml:"cc,omitempty"`
	DarkRank    OnRows[loss.DarkRankOptions]         `yaml:"dark_rank,omitempty"`
	HKD         OnLogits[loss.SoftTargetOptions]     `yaml:"hkd,omitempty"`
	LogitMSE    OnLogits[loss.LogitMSEOptions]       `yaml:"logit_mse,omitempty"`
	Regression  OnPairedRows[loss.RegressionOptions] `yaml:"regression,omitempty"`
	InfoNCE     OnPairedRows[loss.InfoNCEOptions]    `yaml:"info_nce,omitempty"`
	Labels      LabelLosses                          `yaml:"task,omitempty"`
}

// Term is what every loss has. A bare number sets Weight.
type Term struct {
	Weight float64 `yaml:"weight,omitempty"`
	// Normalize says whose rows are brought to unit length for this loss: none (default), student, teacher or both.
	Normalize string `yaml:"normalize,omitempty"`
	// Schedule moves the weight over the epochs.
	Schedule loss.Schedule `yaml:"schedule,omitempty"`
}

// Shorthand names the key that a bare number sets.
func (*Term) Shorthand() string { return "weight" }

// OnRows is a loss on the rows of student and teacher, whose widths are free.
type OnRows[O loss.Options] struct {
	Term    `yaml:",inline"`
	Options O `yaml:",inline"`
}

// OnPairedRows is a loss that compares the rows of student and teacher element by element.
type OnPairedRows[O loss.Options] struct {
	Term `yaml:",inline"`
	// Project learns a linear map from the student's width to the teacher's; default: where they differ.
	Project *bool `yaml:"project,omitempty"`
	Options O     `yaml:",inline"`
}

// OnLogits is a loss on the logits of a head and of the teacher.
type OnLogits[O loss.Options] struct {
	Term    `yaml:",inline"`
	Options O `yaml:",inline"`
}

// input is what a loss is given.
type input int

const (
	onRows          input = iota
	onEqualRows           // both sides equally wide
	onProjection          // the student's rows through a map to the teacher's width
	onTeacherLogits       // a head's and the teacher's
	onLogits              // a head's
)

// term is one loss of the section with what its making needs.
type term struct {
	Term
	name    string // its key
	kind    string // of a loss on labels, else empty
	input   input
	options loss.Options
	fits    func(sampler.Shape) error // nil where any batch serves
}

// entry is a field of [Losses].
type entry interface {
	term(w Widths) term
	resolved() entry
}

func (l OnRows[O]) term(Widths) term { return term{Term: l.Term, options: l.Options} }

func (l OnPairedRows[O]) term(w Widths) term {
	t := term{Term: l.Term, input: onEqualRows, options: l.Options}
	if l.Project == nil && w.Student != w.Teacher || l.Project != nil && *l.Project {
		t.input = onProjection
	}
	return t
}

func (l OnLogits[O]) term(Widths) term {
	return term{Term: l.Term, input: onTeacherLogits, options: l.Options}
}

func (l OnRows[O]) resolved() entry { l.Options = withDefaults(l.Options, l.Weight); return l }

func (l OnPairedRows[O]) resolved() entry { l.Options = withDefaults(l.Options, l.Weight); return l }

func (l OnLogits[O]) resolved() entry { l.Options = withDefaults(l.Options, l.Weight); return l }

// withDefaults fills in the settings of a loss that has defaults and a weight: one without is not computed.
func withDefaults[O any](o O, weight float64) O {
	if weight == 0 {
		return o
	}
	if d, ok := any(o).(interface{ WithDefaults() O }); ok {
		return d.WithDefaults()
	}
	return o
}

// terms lists all losses of the section, those without a weight too.
func (l Losses) terms(w Widths) []term {
	var terms []term
	section := reflect.ValueOf(l)
	for i := range section.NumField() {
		if e, ok := section.Field(i).Interface().(entry); ok {
			t := e.term(w)
			t.name, _, _ = strings.Cut(section.Type().Field(i).Tag.Get("yaml"), ",")
			terms = append(terms, t)
		}
	}
	for i, label := range l.Labels {
		terms = append(terms, label.term(l.Labels.name(i), w.Shots))
	}
	return terms
}

// Resolved returns the section with all defaults filled in.
func (l Losses) Resolved() Losses {
	section := reflect.ValueOf(&l).Elem()
	for i := range section.NumField() {
		if e, ok := section.Field(i).Interface().(entry); ok {
			section.Field(i).Set(reflect.ValueOf(e.resolved()))
		}
	}
	l.Labels = slices.Clone(l.Labels)
	for i := range l.Labels {
		l.Labels[i] = l.Labels[i].resolved()
	}
	return l
}
