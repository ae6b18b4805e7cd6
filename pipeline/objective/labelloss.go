package objective

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"rkd/student/loss"
	"rkd/student/sampler"
)

// Kinds of [LabelLoss].
const (
	Triplet         = "triplet"
	Contrastive     = "contrastive"
	MultiSimilarity = "multi_similarity"
	CrossEntropy    = "cross_entropy"
	Prototypical    = "prototypical"
)

// labelKinds is the table of the losses on labels: a kind, what it is computed on, its settings where nothing is given,
// and what it asks of batches.
var labelKinds = []labelKind{
	newLabelKind(Triplet, onRows, loss.TripletOptions{Margin: 0.2, Miner: loss.MinerDistanceWeighted}, severalClasses),
	newLabelKind(Contrastive, onRows, loss.ContrastiveOptions{Margin: 1}, severalClasses),
	newLabelKind(MultiSimilarity, onRows, loss.MultiSimilarityOptions{}, severalClasses),
	newLabelKind(CrossEntropy, onLogits, loss.CrossEntropyOptions{}, nil),
	newLabelKind(Prototypical, onRows, loss.PrototypicalOptions{}, episodes),
}

type labelKind struct {
	name     string
	input    input
	fits     func(sampler.Shape) error
	options  func() loss.Options // a pointer to new settings
	resolved func(o loss.Options, weight float64) loss.Options
}

func newLabelKind[O loss.Options](name string, in input, settings O, fits func(sampler.Shape) error) labelKind {
	pointer := func(o O) loss.Options { return any(&o).(loss.Options) } // a pointer has the methods of its value
	return labelKind{
		name: name, input: in, fits: fits, options: func() loss.Options { return pointer(settings) },
		resolved: func(o loss.Options, weight float64) loss.Options { return pointer(withDefaults(*any(o).(*O), weight)) },
	}
}

func severalClasses(batch sampler.Shape) error {
	if n := batch.ClassesInBatch(); n < 2 && batch.Kind != sampler.Shuffled {
		return fmt.Errorf("needs batches of 2 classes or more, but train.batch gives %d", n)
	}
	return nil
}

func episodes(batch sampler.Shape) error {
	if batch.Kind != sampler.Episodes {
		return fmt.Errorf("needs episodes, but train.batch.kind is %q", batch.Kind)
	}
	return nil
}

// findLabelKind returns the kind of a name, or an error that lists them all.
func findLabelKind(name string) (labelKind, error) {
	var known []string
	for _, k := range labelKinds {
		if k.name == name {
			return k, nil
		}
		known = append(known, k.name)
	}
	return labelKind{}, fmt.Errorf("%q, expected one of %v", name, known)
}

// LabelLosses is the `loss.task` section: one loss on labels, or a list of them.
type LabelLosses []LabelLoss

// Single says that one loss may stand for a list of one.
func (*LabelLosses) Single() {}

// name is the key of the i-th loss.
func (l LabelLosses) name(i int) string {
	if len(l) == 1 {
		return "task"
	}
	return fmt.Sprintf("task[%d]", i)
}

// LabelLoss is a loss on labels.
type LabelLoss struct {
	// Kind is triplet, contrastive, multi_similarity, cross_entropy or prototypical; the default is the experiment's
	// goal's.
	Kind string `yaml:"kind,omitempty"`
	Term `yaml:",inline"`
	// Options are a pointer to the settings of the kind, whose keys are the section's.
	Options loss.Options `yaml:"-"`
}

// OfKind makes the loss one of a kind and returns a pointer to the struct of its further keys.
func (l *LabelLoss) OfKind(kind string) (any, error) {
	k, err := findLabelKind(kind)
	if err != nil {
		return nil, err
	}
	l.Kind, l.Options = k.name, k.options()
	return l.Options, nil
}

// KindsWith lists the kinds that have a key.
func (*LabelLoss) KindsWith(key string) []string {
	var kinds []string
	for _, k := range labelKinds {
		for _, field := range reflect.VisibleFields(reflect.TypeOf(k.options()).Elem()) {
			if name, _, _ := strings.Cut(field.Tag.Get("yaml"), ","); name == key {
				kinds = append(kinds, k.name)
			}
		}
	}
	return kinds
}

// MarshalYAML writes the keys of the kind behind those of all.
func (l LabelLoss) MarshalYAML() (any, error) {
	var section, options yaml.Node
	type common LabelLoss // without this method
	if err := section.Encode(common(l)); err != nil {
		return nil, err
	}
	if err := options.Encode(l.Options); err != nil {
		return nil, err
	}
	section.Content = slices.Concat(section.Content, options.Content)
	return &section, nil
}

// term is the loss with the key name, in episodes with so many shots.
func (l LabelLoss) term(name string, shots int) term {
	k, _ := findLabelKind(l.Kind) // known since the section was read
	options := l.Options
	if _, ok := options.(*loss.PrototypicalOptions); ok {
		options = loss.PrototypicalOptions{Shots: shots}
	}
	return term{Term: l.Term, name: name, kind: l.Kind, input: k.input, options: options, fits: k.fits}
}

func (l LabelLoss) resolved() LabelLoss {
	if k, err := findLabelKind(l.Kind); err == nil {
		l.Options = k.resolved(l.Options, l.Weight)
	}
	return l
}
