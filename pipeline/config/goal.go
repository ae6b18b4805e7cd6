package config

import (
	"rkd/pipeline/eval"
	"rkd/pipeline/objective"
	"rkd/student/sampler"
)

// Goal is what an experiment's students are made for: the configuration's key is `task`.
type Goal string

// The goals of an experiment.
const (
	MetricLearning Goal = "metric_learning"
	Classification Goal = "classification"
	FewShot        Goal = "few_shot"
)

// goalDefaults are what an experiment's goal decides where the configuration does not.
var goalDefaults = map[Goal]struct {
	batch, loss string
	metrics     []string
}{
	MetricLearning: {sampler.PK, objective.Triplet, []string{"recall@1", "recall@5", eval.MAPAtR}},
	Classification: {sampler.Shuffled, objective.CrossEntropy, []string{"top-1", "top-5"}},
	FewShot:        {sampler.Episodes, objective.Prototypical, []string{"5-way-1-shot", "5-way-5-shot"}},
}

// labelLossOf is the kind of a loss on labels that names none, by the goal that a file has before it is read.
func labelLossOf(doc *document) string {
	if node := lookup(doc.root, "task"); node != nil {
		if defaults, ok := goalDefaults[Goal(node.Value)]; ok {
			return defaults.loss
		}
	}
	return goalDefaults[MetricLearning].loss
}
