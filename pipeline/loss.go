package pipeline

import (
	"errors"
	"fmt"
	"slices"

	"rkd/student/loss"
)

// terms lists the losses between student and teacher by name.
func (l Loss) terms() []struct {
	name string
	Term
} {
	return []struct {
		name string
		Term
	}{
		{"rkd_distance", l.RKDDistance},
		{"rkd_angle", l.RKDAngle},
		{"sp", l.SP},
		{"pkt", l.PKT},
		{"cc", l.CC},
		{"dark_rank", l.DarkRank},
		{"regression", l.Regression},
		{"info_nce", l.InfoNCE},
	}
}

// validate checks the loss section.
func (l Loss) validate() error {
	if l.Task.Weight < 0 {
		return fmt.Errorf("task.weight is %g, expected 0 or more", l.Task.Weight)
	}
	total := l.Task.Weight
	var names []string
	for _, t := range l.terms() {
		if t.Weight < 0 {
			return fmt.Errorf("%s is %g, expected 0 or more", t.name, t.Weight)
		}
		if choices := []string{"", "none", "student", "teacher", "both"}; !slices.Contains(choices, t.Normalize) {
			return fmt.Errorf("%s.normalize is %q, expected one of %v", t.name, t.Normalize, choices[1:])
		}
		total += t.Weight
		names = append(names, t.name)
	}
	if total == 0 {
		return fmt.Errorf("all weights are 0, expected one above 0 among %v and task.weight", names)
	}
	_, err := l.Task.build()
	return err
}

// checkWidths returns ErrConfig where a loss compares student and teacher element by element, but they differ in width.
func (l Loss) checkWidths(student, teacher int) error {
	for _, t := range l.terms() {
		if elementwise := t.name == "regression" || t.name == "info_nce"; elementwise && t.Weight > 0 && student != teacher {
			return fmt.Errorf("%w: loss.%s needs a student as wide as its teacher, but student.embedding_dim is %d and the cache has %d",
				ErrConfig, t.name, student, teacher)
		}
	}
	return nil
}

// Kinds of task loss.
const (
	taskTriplet         = "triplet"
	taskContrastive     = "contrastive"
	taskMultiSimilarity = "multi_similarity"
)

// build makes the loss on labels.
func (t TaskLoss) build() (loss.Loss[float32], error) {
	switch {
	case t.Kind != taskTriplet && (t.Miner != "" || t.Squared):
		return nil, fmt.Errorf("task.miner and task.squared belong to triplet, but task.kind is %q", t.Kind)
	case t.Kind == taskMultiSimilarity && t.Margin != nil:
		return nil, fmt.Errorf("task.margin belongs to triplet and contrastive, but task.kind is %q", t.Kind)
	}
	switch t.Kind {
	case taskTriplet:
		return loss.NewTriplet[float32](loss.TripletOptions{Margin: *t.Margin, Miner: t.Miner, Squared: t.Squared})
	case taskContrastive:
		return loss.NewContrastive[float32](loss.ContrastiveOptions{Margin: *t.Margin})
	case taskMultiSimilarity:
		return loss.NewMultiSimilarity[float32](loss.DefaultMultiSimilarity())
	}
	return nil, fmt.Errorf("task.kind is %q, expected %s, %s or %s", t.Kind, taskTriplet, taskContrastive, taskMultiSimilarity)
}

// build makes the sum of the losses; those with weight 0 are not computed.
func (l Loss) build() (*loss.Sum[float32], error) {
	sum := new(loss.Sum[float32])
	distance, angle := l.RKDDistance, l.RKDAngle
	if distance.sides() == angle.sides() { // they share the distances within the batch
		if distance.Weight > 0 || angle.Weight > 0 {
			sum.Add(1, distance.on(loss.NewRelational[float32](distance.Weight, angle.Weight)))
		}
	} else {
		sum.Add(distance.Weight, distance.on(loss.NewRelational[float32](1, 0)))
		sum.Add(angle.Weight, angle.on(loss.NewRelational[float32](0, 1)))
	}
	correlation, err1 := loss.NewCorrelation[float32](loss.CorrelationOptions{})
	rank, err2 := loss.NewDarkRank[float32](loss.DarkRankOptions{})
	regression, err3 := loss.NewRegression[float32](loss.RegressionOptions{})
	contrast, err4 := loss.NewInfoNCE[float32](loss.InfoNCEOptions{})
	task, err5 := l.Task.build()
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return nil, err
	}
	sum.Add(l.SP.Weight, l.SP.on(loss.NewSimilarity[float32]()))
	sum.Add(l.PKT.Weight, l.PKT.on(loss.NewPKT[float32]()))
	sum.Add(l.CC.Weight, l.CC.on(correlation))
	sum.Add(l.DarkRank.Weight, l.DarkRank.on(rank))
	sum.Add(l.Regression.Weight, l.Regression.on(regression))
	sum.Add(l.InfoNCE.Weight, l.InfoNCE.on(contrast))
	sum.Add(l.Task.Weight, task)
	return sum, nil
}

// sides says which side's rows the loss wants at unit length.
func (t Term) sides() (sides struct{ student, teacher bool }) {
	sides.student = t.Normalize == "student" || t.Normalize == "both"
	sides.teacher = t.Normalize == "teacher" || t.Normalize == "both"
	return sides
}

// on returns l on the rows that the term is configured for.
func (t Term) on(l loss.Loss[float32]) loss.Loss[float32] {
	if sides := t.sides(); sides.student || sides.teacher {
		return loss.NewNormalized(l, sides.student, sides.teacher)
	}
	return l
}
