package train

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// MetricsFile is the name of the file with one JSON object an epoch.
const MetricsFile = "metrics.jsonl"

// Metrics are the figures of one epoch. Losses are means over its steps.
type Metrics struct {
	Epoch int     `json:"epoch"` // from 1
	Step  int     `json:"step"`  // steps taken so far
	Loss  float64 `json:"loss"`  // the weighted sum
	// Terms are the single losses, unweighted.
	Terms        map[string]float64 `json:"terms"`
	GradNorm     float64            `json:"grad_norm"`
	LearningRate float64            `json:"learning_rate"` // of the last step
	// Selection is the score on the selection split, absent without one.
	Selection *float64 `json:"selection,omitempty"`
	// Watched are the figures of the data that are followed, absent without such.
	Watched map[string]float64 `json:"watched,omitempty"`
	// StepMillis is the mean time of a training step: waiting for the batch, forward, losses, backward, optimiser.
	StepMillis float64 `json:"step_ms"`
}

// epochSums adds up the steps of an epoch under way.
type epochSums struct {
	Steps    int                `json:"steps"`
	Loss     float64            `json:"loss"`
	Terms    map[string]float64 `json:"terms,omitempty"`
	GradNorm float64            `json:"grad_norm"`
	Seconds  float64            `json:"seconds"`
}

func (s *epochSums) mean(epoch, step int, rate float64) Metrics {
	n := float64(s.Steps)
	m := Metrics{
		Epoch: epoch, Step: step, Loss: s.Loss / n, Terms: map[string]float64{}, GradNorm: s.GradNorm / n,
		LearningRate: rate, StepMillis: 1000 * s.Seconds / n,
	}
	for name, sum := range s.Terms {
		m.Terms[name] = sum / n
	}
	return m
}

// metrics writes the epochs so far.
func (s *store) metrics(epochs []Metrics) error {
	var lines bytes.Buffer
	encoder := json.NewEncoder(&lines)
	for _, m := range epochs {
		if err := encoder.Encode(m); err != nil {
			return fmt.Errorf("writing %s: %w", MetricsFile, err)
		}
	}
	return s.replace(MetricsFile, lines.Bytes())
}
