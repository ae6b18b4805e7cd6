package pipeline

import (
	"fmt"
	"slices"

	"rkd/student/loss"
	"rkd/student/sampler"
)

// Kinds of loss on labels.
const (
	lossTriplet         = "triplet"
	lossContrastive     = "contrastive"
	lossMultiSimilarity = "multi_similarity"
	lossCrossEntropy    = "cross_entropy"
	lossPrototypical    = "prototypical"
)

// TaskLossList is the `loss.task` section: one loss on labels, or a list of them.
type TaskLossList []TaskLoss

func (*TaskLossList) single() {}

// TaskLoss is a loss on labels.
type TaskLoss struct {
	// Kind is triplet, contrastive, multi_similarity, cross_entropy or prototypical; the default is the task's.
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

func (t *TaskLoss) fillIn(kind string) {
	if t.Kind == "" {
		t.Kind = kind
	}
	margins := map[string]float64{lossTriplet: 0.2, lossContrastive: 1}
	if margin, ok := margins[t.Kind]; ok && t.Margin == nil {
		t.Margin = &margin
	}
	if t.Miner == "" && t.Kind == lossTriplet {
		t.Miner = loss.MinerDistanceWeighted
	}
}

// name is the key of the i-th of n losses on labels.
func (t TaskLoss) name(i, n int) string {
	if n == 1 {
		return "task"
	}
	return fmt.Sprintf("task[%d]", i)
}

// term is the i-th of n losses on labels.
func (t TaskLoss) term(i, n int, w widths) lossTerm {
	term := lossTerm{name: t.name(i, n), Term: t.Term}
	if t.Kind == lossCrossEntropy {
		term.input = onLogits
	}
	term.make = func() (loss.Loss[float32], error) { return t.build(w.shots) }
	return term
}

// build makes the loss; shots is the size of the support set of an episode's class.
func (t TaskLoss) build(shots int) (loss.Loss[float32], error) {
	if err := t.checkKeys(); err != nil {
		return nil, err
	}
	switch t.Kind {
	case lossTriplet:
		return loss.NewTriplet[float32](loss.TripletOptions{Margin: *t.Margin, Miner: t.Miner, Squared: t.Squared})
	case lossContrastive:
		return loss.NewContrastive[float32](loss.ContrastiveOptions{Margin: *t.Margin})
	case lossMultiSimilarity:
		return loss.NewMultiSimilarity[float32](loss.MultiSimilarityOptions{
			Alpha: t.Alpha, Beta: t.Beta, Base: t.Base, Epsilon: t.Epsilon,
		})
	case lossCrossEntropy:
		return loss.NewCrossEntropy[float32](loss.CrossEntropyOptions{Smoothing: t.Smoothing})
	case lossPrototypical:
		return loss.NewPrototypical[float32](loss.PrototypicalOptions{Shots: shots})
	}
	return nil, fmt.Errorf("kind is %q, expected one of %v", t.Kind,
		[]string{lossTriplet, lossContrastive, lossMultiSimilarity, lossCrossEntropy, lossPrototypical})
}

// checkKeys returns an error for a key that belongs to another kind.
func (t TaskLoss) checkKeys() error {
	for _, key := range []struct {
		name  string
		given bool
		kinds []string
	}{
		{"margin", t.Margin != nil, []string{lossTriplet, lossContrastive}},
		{"squared", t.Squared, []string{lossTriplet}},
		{"miner", t.Miner != "", []string{lossTriplet}},
		{"smoothing", t.Smoothing != 0, []string{lossCrossEntropy}},
		{"alpha", t.Alpha != 0, []string{lossMultiSimilarity}},
		{"beta", t.Beta != 0, []string{lossMultiSimilarity}},
		{"base", t.Base != 0, []string{lossMultiSimilarity}},
		{"epsilon", t.Epsilon != 0, []string{lossMultiSimilarity}},
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
func (t TaskLoss) fits(batch sampler.Shape) error {
	switch t.Kind {
	case lossPrototypical:
		if batch.Kind != sampler.Episodes {
			return fmt.Errorf("kind %s needs episodes, but train.batch.kind is %q", t.Kind, batch.Kind)
		}
	case lossTriplet, lossContrastive, lossMultiSimilarity:
		if n := batch.ClassesInBatch(); n < 2 && batch.Kind != sampler.Shuffled {
			return fmt.Errorf("kind %s needs batches of 2 classes or more, but train.batch gives %d", t.Kind, n)
		}
	}
	return nil
}
