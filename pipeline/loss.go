package pipeline

import (
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
	}{{"rkd_distance", l.RKDDistance}, {"rkd_angle", l.RKDAngle}}
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
	if kinds := []string{"triplet"}; !slices.Contains(kinds, l.Task.Kind) {
		return fmt.Errorf("task.kind is %q, expected one of %v", l.Task.Kind, kinds)
	}
	_, err := loss.NewTriplet[float32](l.triplet())
	return err
}

func (l Loss) triplet() loss.TripletOptions {
	return loss.TripletOptions{Margin: *l.Task.Margin, Miner: l.Task.Miner, Squared: l.Task.Squared}
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
	if l.Task.Weight > 0 {
		triplet, err := loss.NewTriplet[float32](l.triplet())
		if err != nil {
			return nil, err
		}
		sum.Add(l.Task.Weight, triplet)
	}
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
