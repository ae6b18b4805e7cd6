package train

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"rkd/datasets/regular"
	"rkd/student/train/record"
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
	// Selection is the score on the selection split, absent without one, and SelectionMetric its name.
	Selection       *float64 `json:"selection,omitempty"`
	SelectionMetric string   `json:"selection_metric,omitempty"`
	// Watched are the figures of the data that are followed, by metric, absent without such.
	Watched map[string]float64 `json:"watched,omitempty"`
	// StepMillis is the mean time of a training step, Profile its parts.
	StepMillis float64 `json:"step_ms"`
	Profile    Profile `json:"profile"`
}

// Profile says where the time of a step goes, in milliseconds.
type Profile struct {
	LoadMillis      float64 `json:"load_ms"` // waiting for the batch, which is read while earlier steps compute
	ForwardMillis   float64 `json:"forward_ms"`
	LossMillis      float64 `json:"loss_ms"`
	BackwardMillis  float64 `json:"backward_ms"`
	OptimizerMillis float64 `json:"optimizer_ms"` // clipping included
}

// add adds share times q to p.
func (p *Profile) add(q Profile, share float64) {
	p.LoadMillis += share * q.LoadMillis
	p.ForwardMillis += share * q.ForwardMillis
	p.LossMillis += share * q.LossMillis
	p.BackwardMillis += share * q.BackwardMillis
	p.OptimizerMillis += share * q.OptimizerMillis
}

// MeanProfile is the profile of a step over all epochs that are complete.
func (c *Checkpoint) MeanProfile() (profile Profile, stepMillis float64) {
	for _, e := range c.Epochs {
		profile.add(e.Profile, 1/float64(len(c.Epochs)))
		stepMillis += e.StepMillis / float64(len(c.Epochs))
	}
	return profile, stepMillis
}

// epochSums adds up the steps of an epoch under way.
type epochSums struct {
	Steps    int                `json:"steps"`
	Loss     float64            `json:"loss"`
	Terms    map[string]float64 `json:"terms,omitempty"`
	GradNorm float64            `json:"grad_norm"`
	Seconds  float64            `json:"seconds"`
	Profile  Profile            `json:"profile"`
}

func (s *epochSums) mean(epoch, step int, rate float64) Metrics {
	n := float64(s.Steps)
	m := Metrics{
		Epoch: epoch, Step: step, Loss: s.Loss / n, Terms: map[string]float64{}, GradNorm: s.GradNorm / n,
		LearningRate: rate, StepMillis: 1000 * s.Seconds / n,
	}
	m.Profile.add(s.Profile, 1/n)
	for name, sum := range s.Terms {
		m.Terms[name] = sum / n
	}
	return m
}

// RestoreMetrics makes the metrics file in dir that of the checkpoint there, if it is not: a process that died between
// the two left an earlier one. It writes nothing where the file is right.
func (c *Checkpoint) RestoreMetrics(dir string) error {
	lines, err := metricsLines(c.Run, c.Epochs)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, MetricsFile)
	there, err := regular.ReadFile(path)
	if err == nil && bytes.Equal(there, lines) || errors.Is(err, fs.ErrNotExist) && len(lines) == 0 {
		return nil
	}
	return record.WriteFile(path, lines)
}

// metricsLines writes a line for each epoch, which names the training that it is of.
func metricsLines(run string, epochs []Metrics) ([]byte, error) {
	var lines bytes.Buffer
	encoder := json.NewEncoder(&lines)
	for _, m := range epochs {
		line := struct {
			Run string `json:"run,omitempty"`
			Metrics
		}{run, m}
		if err := encoder.Encode(line); err != nil {
			return nil, fmt.Errorf("writing %s: %w", MetricsFile, err)
		}
	}
	return lines.Bytes(), nil
}
