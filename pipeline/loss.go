package pipeline

import (
	"fmt"
	"slices"

	"rkd/student/loss"
)

// validate checks the loss section.
func (l Loss) validate() error {
	if l.RKDDistance < 0 || l.RKDAngle < 0 || l.Task.Weight < 0 {
		return fmt.Errorf("weights are rkd_distance %g, rkd_angle %g, task.weight %g, expected 0 or more", l.RKDDistance, l.RKDAngle,
			l.Task.Weight)
	}
	if l.RKDDistance == 0 && l.RKDAngle == 0 && l.Task.Weight == 0 {
		return fmt.Errorf("all weights are 0, expected one above 0 among rkd_distance, rkd_angle and task.weight")
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

// build makes the sum of the losses with weights above 0.
func (l Loss) build() (*loss.Sum[float32], error) {
	sum := new(loss.Sum[float32])
	if l.RKDDistance > 0 || l.RKDAngle > 0 {
		sum.Add(1, loss.NewRelational[float32](l.RKDDistance, l.RKDAngle))
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
