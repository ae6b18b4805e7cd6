package pipeline

import (
	"fmt"
	"math"

	"rkd/datasets/memory"
	"rkd/student/arch"
	"rkd/student/optim"
	"rkd/student/train"
)

// trainingBytes is the memory that a training of the network takes at least: weights, gradients and the optimiser's
// moments, which a checkpoint holds twice more while it is written; for each row of a batch what every layer gives, and
// its gradient.
func trainingBytes(n *arch.Network, o train.Options, rows int) int64 {
	const number = 4 // bytes
	moments := 1.0
	if o.Optimizer != optim.SGD {
		moments = 2
	}
	weights, outputs := 0.0, 0.0
	for _, s := range n.Summaries() {
		size := 1.0
		for _, d := range s.Output {
			size *= float64(d)
		}
		weights += float64(s.Parameters)
		outputs += size
	}
	copies := 2 + moments + 2*(1+moments) // weights and gradients; moments; what is written of them
	return int64(min(number*(copies*weights+2*float64(rows)*outputs), math.MaxInt64/2))
}

// checkMemory refuses a training for which there is no room, before the first step.
func checkMemory(n *arch.Network, o train.Options, rows int) error {
	err := memory.Check(fmt.Sprintf("a training of this student on batches of %d rows", rows), trainingBytes(n, o, rows))
	if err != nil {
		return fmt.Errorf("%w: choose a smaller train.batch or student.arch", err)
	}
	return nil
}
