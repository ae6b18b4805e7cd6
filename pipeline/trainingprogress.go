package pipeline

import (
	"fmt"
	"slices"
	"time"

	"rkd/student/train"
)

// sparkEpochs is the number of epochs that a line of progress draws.
const sparkEpochs = 12

// trainingProgress reports a training's progress.
type trainingProgress struct {
	task     Task
	progress Progress
	epochs   int
	metric   string // of the selection split
	// curve has the figure of each epoch that is complete: the score of the selection split, or without one the loss.
	curve []float64
	// Steps taken and in all, and when the first one of this process began.
	first, step, steps int
	began              time.Time
}

// newTrainingProgress reports on a training; one that is resumed draws the epochs before, too.
func newTrainingProgress(t *training, p Progress, metric string, resume bool) *trainingProgress {
	o := &trainingProgress{task: t.Task, progress: p, epochs: t.options.Epochs, metric: metric}
	if c, err := train.ReadCheckpoint(t.Dir()); resume && err == nil {
		for _, m := range c.Epochs {
			o.add(m)
		}
	}
	return o
}

func (p *trainingProgress) add(m train.Metrics) {
	value := m.Loss
	if m.Selection != nil {
		value = *m.Selection
	}
	p.curve = append(p.curve, value)
}

// Start begins the stage.
func (p *trainingProgress) Start(done, total int) {
	p.first, p.step, p.steps, p.began = done, done, total, time.Now()
	p.progress.Start("distill "+p.task.String(), "steps", done, total)
}

// Step counts one step.
func (p *trainingProgress) Step() {
	p.step++
	p.progress.Add(1)
}

// Epoch reports an epoch's figures, how they went lately, and the time that is left.
func (p *trainingProgress) Epoch(m train.Metrics) {
	p.add(m)
	line := fmt.Sprintf("distill %s: epoch %d/%d, loss %.4f", p.task, m.Epoch, p.epochs, m.Loss)
	if m.Selection != nil {
		line += fmt.Sprintf(", %s %.4f on the selection split", p.metric, *m.Selection)
	}
	if len(p.curve) > 1 {
		line += " " + sparkline(p.curve[max(0, len(p.curve)-sparkEpochs):])
	}
	line += fmt.Sprintf(", %.1f ms a step", m.StepMillis)
	if left := timeLeft(time.Since(p.began), p.step-p.first, p.steps-p.step); left > 0 {
		line += fmt.Sprintf(", %s left", left)
	}
	p.progress.Say("%s", line)
}

// timeLeft is how long so many steps will take after those done took that long, scores of epochs included.
func timeLeft(took time.Duration, done, left int) time.Duration {
	if done < 1 {
		return 0
	}
	d := took / time.Duration(done) * time.Duration(left)
	if d < 10*time.Second {
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Second)
}

// sparkline draws values as blocks from the lowest to the highest.
func sparkline(values []float64) string {
	blocks := []rune("▁▂▃▄▅▆▇█")
	low, high := slices.Min(values), slices.Max(values)
	line := make([]rune, len(values))
	for i, v := range values {
		place := 0.0
		if high > low {
			place = (v - low) / (high - low)
		}
		line[i] = blocks[int(place*float64(len(blocks)-1)+0.5)]
	}
	return string(line)
}
