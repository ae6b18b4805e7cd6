package engine

import (
	"context"
	"errors"
	"time"

	"rkd/student/arch"
	"rkd/student/optim"
)

// ErrInput reports samples that do not fit the network.
var ErrInput = errors.New("input")

// ErrNotFinite reports a step whose loss or gradient norm is NaN or infinite. Such a step changes nothing.
var ErrNotFinite = errors.New("not finite")

// ErrState reports a State that does not belong to the engine's network and optimiser.
var ErrState = errors.New("training state")

// Engine trains a student and runs it, in float32. It owns what training changes: parameters, running statistics and
// the optimiser's moments. They may lie on another device; the host sees them through State. An Engine is not safe for
// concurrent use.
type Engine interface {
	// Optimize sets how Step updates the parameters. Before it has been called, Step updates running statistics alone. It
	// returns optim.ErrOptions for options out of range.
	Optimize(u Update) error
	// Step trains on x, (N,Input...), N being the batch of the engine: forward, the objective, backward, one clipping of
	// all gradients, the optimiser at the given learning rate, and the running statistics of batch normalisation.
	//
	// It returns ErrInput for another number of samples, an error of the objective as it is, and ErrNotFinite, together
	// with loss and norm, where one of them is not finite. After an error everything in State is as before the step.
	Step(x []float32, rate float64, objective Objective) (Result, error)
	// Embed appends the embeddings of x, (n,Input...), to dst, in inference mode; n is free. It returns ErrInput for a
	// number of values that is no whole number of samples, and the error of ctx when that ends.
	Embed(ctx context.Context, dst, x []float32) ([]float32, error)
	// State copies what training has changed to the host, where it does not lie there. It is valid until the next Step.
	State() (State, error)
	// Restore continues from a state, which has the tensors of State. It returns ErrState for other tensors.
	Restore(s State) error
	// Close frees what the engine has allocated outside Go's heap.
	Close() error
}

// Objective computes a loss and its gradient at the embeddings. Both slices are (N,Dim), row-major, and host memory;
// gradient comes in zeroed.
type Objective func(embedding, gradient []float32) (loss float64, err error)

// Update says how a step changes the parameters.
type Update struct {
	Optimizer optim.Options
	// ClipNorm bounds the L2 norm of all gradients together, those of Learned included; 0 clips nothing.
	ClipNorm float64
	// Learned are parameters of the objective: classification heads, projections.
	Learned []Learned
}

// Learned is a tensor of weights that the objective reads and that the engine updates along with the network's, in host
// memory on both sides. The objective leaves dL/dw in Grad, which has one number for each of the tensor's elements.
type Learned struct {
	arch.Tensor
	Grad []float32
}

// Result describes a step.
type Result struct {
	Loss     float64 // the objective's
	GradNorm float64 // L2 norm of all gradients before clipping
	// The parts of the step, in this order. Clipping belongs to the update.
	Forward, Objective, Backward, Update time.Duration
}

// State is what a training has reached: with it, another engine continues to the same bits.
type State struct {
	Steps   int           // successful ones
	Params  []arch.Tensor // trained: the network's, then those of Update.Learned
	Buffers []arch.Tensor // the network's others: running statistics and frozen weights
	// Moments are the optimiser's, by its names for them, one slice for each of Params.
	Moments map[string][][]float32
}
