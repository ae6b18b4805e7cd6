package objective

import (
	"fmt"
	"slices"

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

// LabelLosses is the `loss.task` section: one loss on labels, or a list of them.
type LabelLosses []LabelLoss

// Single says that one loss may stand for a list of one.
func (*LabelLosses) Single() {}

// LabelLoss is a loss on labels.
type LabelLoss struct {
	// Kind is triplet, contrastive, multi_similarity, cross_entropy or prototypical; the default is the experiment's goal's.
	Kind string `yaml:"kind,omitempty"`
	Term `yaml:",inline"`
	// Margin of triplet and contrastive; default 0.2 and 1.
	Margin *float64 `yaml:"margin,omitempty"`
	// Squared measures the distances of triplet squared.
	Squared bool `yaml:"squared,omitempty"`
	// Miner of triplet is distance_weighted (default), all, random, hard or semi_hard.
	Miner string `yaml:"miner,omitempty"`
	// Smoothing of cross_entropy is the share of a label's weight that is spread over all classes.
	Smoothing float64 `yaml:"smoothing,omitempty"`
	// Alpha, Beta, Base and Epsilon of multi_similarity; default 2, 50, 0.5 and 0.1.
	Alpha   float64 `yaml:"alpha,omitempty"`
	Beta    float64 `yaml:"beta,omitempty"`
	Base    float64 `yaml:"base,omitempty"`
	Epsilon float64 `yaml:"epsilon,omitempty"`
}

// FillIn fills in what the section leaves out; kind is the default one.
func (t *LabelLoss) FillIn(kind string) {
	if t.Kind == "" {
		t.Kind = kind
	}
	margins := map[string]float64{Triplet: 0.2, Contrastive: 1}
	if margin, ok := margins[t.Kind]; ok && t.Margin == nil {
		t.Margin = &margin
	}
	if t.Miner == "" && t.Kind == Triplet {
		t.Miner = loss.MinerDistanceWeighted
	}
}

// name is the key of the i-th of n losses on labels.
func (t LabelLoss) name(i, n int) string {
	if n == 1 {
		return "task"
	}
	return fmt.Sprintf("task[%d]", i)
}

// term is the i-th of n losses on labels.
func (t LabelLoss) term(i, n int, w Widths) lossTerm {
	term := lossTerm{name: t.name(i, n), Term: t.Term}
	if t.Kind == CrossEntropy {
		term.input = onLogits
	}
	term.make = func() (loss.Loss[float32], error) { return t.build(w.Shots) }
	return term
}

// build makes the loss; shots is the size of the support set of an episode's class.
func (t LabelLoss) build(shots int) (loss.Loss[float32], error) {
	if err := t.checkKeys(); err != nil {
		return nil, err
	}
	switch t.Kind {
	case Triplet:
		return loss.NewTriplet[float32](loss.TripletOptions{Margin: *t.Margin, Miner: t.Miner, Squared: t.Squared})
	case Contrastive:
		return loss.NewContrastive[float32](loss.ContrastiveOptions{Margin: *t.Margin})
	case MultiSimilarity:
		return loss.NewMultiSimilarity[float32](loss.MultiSimilarityOptions{
			Alpha: t.Alpha, Beta: t.Beta, Base: t.Base, Epsilon: t.Epsilon,
		})
	case CrossEntropy:
		return loss.NewCrossEntropy[float32](loss.CrossEntropyOptions{Smoothing: t.Smoothing})
	case Prototypical:
		return loss.NewPrototypical[float32](loss.PrototypicalOptions{Shots: shots})
	}
	return nil, fmt.Errorf("kind is %q, expected one of %v", t.Kind,
		[]string{Triplet, Contrastive, MultiSimilarity, CrossEntropy, Prototypical})
}

// checkKeys returns an error for a key that belongs to another kind.
func (t LabelLoss) checkKeys() error {
	for _, key := range []struct {
		name  string
		given bool
		kinds []string
	}{
		{"margin", t.Margin != nil, []string{Triplet, Contrastive}},
		{"squared", t.Squared, []string{Triplet}},
		{"miner", t.Miner != "", []string{Triplet}},
		{"smoothing", t.Smoothing != 0, []string{CrossEntropy}},
		{"alpha", t.Alpha != 0, []string{MultiSimilarity}},
		{"beta", t.Beta != 0, []string{MultiSimilarity}},
		{"base", t.Base != 0, []string{MultiSimilarity}},
		{"epsilon", t.Epsilon != 0, []string{MultiSimilarity}},
	} {
		if key.given && !slices.Contains(key.kinds, t.Kind) {
			return fmt.Errorf("%s belongs to %v, but kind is %q", key.name, key.kinds, t.Kind)
		}
	}
	if t.sides().teacher {
		return fmt.Errorf("normalize is %q, expected none or student: a loss on labels has no teacher", t.Normalize)
	}
	return nil
}

// fits returns an error where batches of this shape cannot serve the loss.
func (t LabelLoss) fits(batch sampler.Shape) error {
	switch t.Kind {
	case Prototypical:
		if batch.Kind != sampler.Episodes {
			return fmt.Errorf("kind %s needs episodes, but train.batch.kind is %q", t.Kind, batch.Kind)
		}
	case Triplet, Contrastive, MultiSimilarity:
		if n := batch.ClassesInBatch(); n < 2 && batch.Kind != sampler.Shuffled {
			return fmt.Errorf("kind %s needs batches of 2 classes or more, but train.batch gives %d", t.Kind, n)
		}
	}
	return nil
}
