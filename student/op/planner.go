package op

import (
	"fmt"

	"gorgonia.org/tensor"

	"rkd/student/internal/conv"
	"rkd/student/internal/parallel"
)

// Multiplier prepares matrix products on fixed memory, for an engine whose products are faster than gonum's.
type Multiplier = conv.Multiplier

// Planner is an operator that can be prepared for one place in memory and then run again and again, in float32.
type Planner interface {
	// Plans says whether that is the fastest way on a processor for inputs of these shapes.
	Plans(in []tensor.Shape) bool
	// Plan prepares the operator: a run computes out, all of it, from what in then holds.
	Plan(m Multiplier, team *parallel.Team, out *tensor.Dense, in []*tensor.Dense) (run func() error, err error)
}

// float32s are the arrays of tensors.
func float32s(tensors []*tensor.Dense) ([][]float32, error) {
	list := make([][]float32, len(tensors))
	for i, t := range tensors {
		data, err := elements[float32](t)
		if err != nil {
			return nil, fmt.Errorf("tensor %d: %w", i, err)
		}
		list[i] = data
	}
	return list, nil
}
