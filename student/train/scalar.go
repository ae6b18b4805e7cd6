package train

import (
	"maps"
	"slices"

	"rkd/student/train/tensorboard"
)

// StepTime is the name of the scalar with the mean time of a step.
const StepTime = "step_ms"

// Scalars lists the figures of an epoch by name, in a fixed order: loss, loss/TERM for each single loss, unweighted,
// grad_norm, learning_rate, selection/METRIC, test/METRIC for each figure of the data that are followed, step_ms.
// selection is the name of the score where the epoch does not say it.
func (m Metrics) Scalars(selection string) []tensorboard.Scalar {
	scalars := []tensorboard.Scalar{{Tag: "loss", Value: m.Loss}}
	for _, name := range slices.Sorted(maps.Keys(m.Terms)) {
		scalars = append(scalars, tensorboard.Scalar{Tag: "loss/" + name, Value: m.Terms[name]})
	}
	scalars = append(scalars, tensorboard.Scalar{Tag: "grad_norm", Value: m.GradNorm},
		tensorboard.Scalar{Tag: "learning_rate", Value: m.LearningRate})
	if m.Selection != nil {
		if m.SelectionMetric != "" {
			selection = m.SelectionMetric
		}
		scalars = append(scalars, tensorboard.Scalar{Tag: "selection/" + selection, Value: *m.Selection})
	}
	for _, name := range slices.Sorted(maps.Keys(m.Watched)) {
		scalars = append(scalars, tensorboard.Scalar{Tag: "test/" + name, Value: m.Watched[name]})
	}
	return append(scalars, tensorboard.Scalar{Tag: StepTime, Value: m.StepMillis})
}

// Points are the scalars of all epochs as curves over the steps.
func (c *Checkpoint) Points(selection string) []tensorboard.Point {
	var points []tensorboard.Point
	seconds, steps := 0.0, 0
	for _, m := range c.Epochs {
		seconds += m.StepMillis / 1000 * float64(m.Step-steps)
		steps = m.Step
		points = append(points, tensorboard.Point{Step: int64(m.Step), Seconds: seconds, Scalars: m.Scalars(selection)})
	}
	return points
}
