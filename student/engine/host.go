package engine

import (
	"fmt"
	"math"
	"slices"
	"time"

	"gorgonia.org/tensor"

	"rkd/student/arch"
	"rkd/student/op"
	"rkd/student/optim"
)

// momentum is the share of a batch in the running statistics of batch normalisation (PyTorch's default).
const momentum = 0.1

// host is the part of an engine that Gorgonia and ONNXRuntime share: weights, gradients and moments in host memory.
type host struct {
	weights *arch.Weights
	grads   [][]float32 // dL/dw, one for each of weights.Params
	stats   []batchStats
	steps   counter

	learned []Learned
	clip    float64
	optim   *optim.Optimizer[float32] // nil before Optimize
	params  [][]float32               // the network's, then the objective's
	all     [][]float32               // their gradients
}

// batchStats are the batch's own statistics, (2,C), which move running ones.
type batchStats struct {
	update arch.RunningUpdate
	data   func() []float32
}

func numbers(t arch.Tensor) []float32 { return t.Value.Data().([]float32) }

// Optimize implements Engine.
func (h *host) Optimize(u Update) error {
	var params [][]float32
	all := slices.Clone(h.grads)
	for _, p := range h.weights.Params {
		params = append(params, numbers(p))
	}
	for _, l := range u.Learned {
		params, all = append(params, numbers(l.Tensor)), append(all, l.Grad)
	}
	sizes := make([]int, len(params))
	for i, p := range params {
		sizes[i] = len(p)
	}
	o, err := optim.New[float32](u.Optimizer, sizes)
	if err != nil {
		return err
	}
	h.optim, h.clip, h.learned, h.params, h.all = o, u.ClipNorm, u.Learned, params, all
	return nil
}

// step surrounds differentiate, which runs forward, the objective and backward on a batch and leaves the gradients.
func (h *host) step(rate float64, objective Objective, differentiate func(Objective) error) (r Result, err error) {
	begun := time.Now()
	h.steps.write()
	var forward, evaluated time.Time
	err = differentiate(func(embedding, gradient []float32) (_ float64, err error) {
		forward = time.Now()
		r.Loss, err = objective(embedding, gradient)
		evaluated = time.Now()
		return r.Loss, err
	})
	if err != nil {
		return r, err
	}
	backward := time.Now()
	grads := h.all
	if h.optim == nil {
		grads = h.grads
	}
	r.GradNorm = optim.Clip(grads, h.clip)
	if sum := r.Loss + r.GradNorm; math.IsNaN(sum) || math.IsInf(sum, 0) {
		return r, fmt.Errorf("%w: loss is %g, gradient norm %g", ErrNotFinite, r.Loss, r.GradNorm)
	}
	if err := h.moveStatistics(); err != nil {
		return r, err
	}
	if h.optim != nil {
		h.optim.Step(h.params, grads, rate)
	}
	h.steps.next++
	r.Forward, r.Objective = forward.Sub(begun), evaluated.Sub(forward)
	r.Backward, r.Update = backward.Sub(evaluated), time.Since(backward)
	return r, nil
}

// moveStatistics moves the running statistics towards the batch's.
func (h *host) moveStatistics() error {
	for _, s := range h.stats {
		mean, variance := numbers(h.weights.Buffers[s.update.Mean]), numbers(h.weights.Buffers[s.update.Variance])
		if err := op.UpdateRunning(mean, variance, s.data(), s.update.Count, momentum); err != nil {
			return fmt.Errorf("moving the running statistics: %w", err)
		}
	}
	return nil
}

// Gradients returns dL/dw of the last step, as the optimiser got it, one slice for each of the weights' Params. The
// next step overwrites them.
func (h *host) Gradients() [][]float32 { return h.grads }

// State implements Engine. The tensors are the engine's own memory.
func (h *host) State() (State, error) {
	s := State{Steps: h.steps.next, Params: slices.Clone(h.weights.Params), Buffers: h.weights.Buffers}
	for _, l := range h.learned {
		s.Params = append(s.Params, l.Tensor)
	}
	if h.optim != nil {
		s.Moments = h.optim.Moments()
	}
	return s, nil
}

// Restore implements Engine.
func (h *host) Restore(s State) error {
	own, err := h.State()
	if err != nil {
		return err
	}
	if err := matchTensors(s.Params, own.Params); err != nil {
		return err
	}
	if err := matchTensors(s.Buffers, own.Buffers); err != nil {
		return err
	}
	for name, moments := range own.Moments {
		given, ok := s.Moments[name]
		if !ok || len(given) != len(moments) {
			return fmt.Errorf("%w: %d tensors of %s, expected %d", ErrState, len(given), name, len(moments))
		}
		for i, values := range moments {
			if len(given[i]) != len(values) {
				return fmt.Errorf("%w: %s of %q has %d numbers, expected %d",
					ErrState, name, own.Params[i].Name, len(given[i]), len(values))
			}
		}
	}
	given := slices.Concat(s.Params, s.Buffers)
	for i, t := range slices.Concat(own.Params, own.Buffers) {
		copy(numbers(t), numbers(given[i]))
	}
	for name, moments := range own.Moments {
		for i, values := range moments {
			copy(values, s.Moments[name][i])
		}
	}
	h.steps.next = s.Steps
	if h.optim != nil {
		h.optim.SetSteps(s.Steps)
	}
	return nil
}

// matchTensors returns ErrState unless the tensors have the same names and shapes.
func matchTensors(got, want []arch.Tensor) error {
	if len(got) != len(want) {
		return fmt.Errorf("%w: %d tensors, expected %d", ErrState, len(got), len(want))
	}
	for i, t := range got {
		if t.Name != want[i].Name || !t.Value.Shape().Eq(want[i].Value.Shape()) || t.Value.Dtype() != tensor.Float32 {
			return fmt.Errorf("%w: tensor %q %v of %v, expected %q %v of float32",
				ErrState, t.Name, t.Value.Shape(), t.Value.Dtype(), want[i].Name, want[i].Value.Shape())
		}
	}
	return nil
}
