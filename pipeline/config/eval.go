package config

import (
	"fmt"

	"rkd/pipeline/eval"
)

// Eval is the `eval` section.
type Eval struct {
	// Metrics lists metrics as package eval names them; the defaults are the goal's.
	Metrics []string `yaml:"metrics,flow,omitempty"`
	// Queries and Episodes of N-way-K-shot: queries of a class in an episode, default 15, and episodes, default 600.
	Queries  int `yaml:"queries,omitempty" within:"[1,1000000]"`
	Episodes int `yaml:"episodes,omitempty" within:"[2,10000000]"`
	// Curve measures the test data after every epoch, too, and writes the figures to metrics.jsonl. They choose nothing.
	Curve bool `yaml:"curve,omitempty"`
	// Baseline is what the gap to the teacher is counted from: BaselineUntrained (default), the first variant's network
	// with its first weights; BaselinePixels, its input; or the name of a variant.
	Baseline string `yaml:"baseline,omitempty"`
	// Seed draws the episodes and the first centres of nmi, the same for all models.
	Seed uint64 `yaml:"seed,omitempty"`
}

// Baselines that are no variant.
const (
	BaselineUntrained = "untrained"
	BaselinePixels    = "pixels"
)

func (e *Eval) fillIn() {
	if e.Baseline == "" {
		e.Baseline = BaselineUntrained
	}
	if e.Queries == 0 {
		e.Queries = 15
	}
	if e.Episodes == 0 {
		e.Episodes = 600
	}
}

func (e Eval) validate() error {
	if _, err := eval.ParseMetrics(e.Metrics); err != nil {
		return err
	}
	switch {
	case e.Queries < 1:
		return fmt.Errorf("queries is %d, expected 1 or more", e.Queries)
	case e.Episodes < 2:
		return fmt.Errorf("episodes is %d, expected 2 or more: one gives no confidence interval", e.Episodes)
	}
	return nil
}
