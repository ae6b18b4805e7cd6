package optim

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"rkd/datasets/memory"
	"rkd/student/internal/blas"
	"rkd/student/internal/parallel"
	"rkd/student/internal/vector"
)

// ErrOptions reports an option that is out of range.
var ErrOptions = errors.New("optimizer")

// Kinds of optimiser.
const (
	SGD   = "sgd"
	Adam  = "adam"
	AdamW = "adamw"
)

// Options configures an optimiser. A zero Kind is Adam; the other zero values are as the fields say.
type Options struct {
	Kind string
	// WeightDecay λ is added to the gradient as λ·w (SGD, Adam: L2 regularisation), or shrinks the weights by lr·λ
	// apart from the gradient (AdamW).
	WeightDecay float64
	// Momentum μ of SGD, 0 to below 1.
	Momentum float64
	// Betas are β₁ and β₂ of Adam and AdamW, 0 to below 1; nil stands for DefaultBetas.
	Betas []float64
	// Epsilon of Adam and AdamW; 0 stands for DefaultEpsilon.
	Epsilon float64
}

// DefaultEpsilon is Adam's ε where none is given.
const DefaultEpsilon = 1e-8

// DefaultBetas are Adam's β where none are given.
func DefaultBetas() []float64 { return []float64{0.9, 0.999} }

// Optimizer holds the moments of one set of parameters. T is their element type.
//
// With g the gradient (plus λ·w unless AdamW), t the step counted from 1 and η the rate of the step:
//
//	SGD    m ← μ·m + g (m = g at t=1);  w ← w − η·m
//	Adam   m ← β₁·m + (1−β₁)·g;  v ← β₂·v + (1−β₂)·g²;  w ← w − η·m̂/(√v̂ + ε),  m̂ = m/(1−β₁ᵗ), v̂ = v/(1−β₂ᵗ)
//	AdamW  as Adam, after w ← w − η·λ·w
//
// Sources: Sutskever et al. 2013 with dampening 0 as PyTorch has it; Kingma & Ba 2015, algorithm 1; Loshchilov & Hutter
// 2019, algorithm 2. Deviations: none.
type Optimizer[T blas.Float] struct {
	o      Options
	steps  int
	first  [][]T // m of each parameter; nil for SGD without momentum
	second [][]T // v of each parameter; nil for SGD
	pieces []piece
}

// piece is a range of a parameter's elements, updated by one core.
type piece struct{ of, from, to int }

// pieceLength is the size of a piece: large enough to be worth waking another core.
const pieceLength = 1 << 15

// New returns an optimiser for parameters with so many elements each. It returns ErrOptions for an unknown kind or a
// value out of range.
func New[T blas.Float](o Options, sizes []int) (*Optimizer[T], error) {
	if o.Kind == "" {
		o.Kind = Adam
	}
	if o.Betas == nil {
		o.Betas = DefaultBetas()
	}
	if o.Epsilon == 0 {
		o.Epsilon = DefaultEpsilon
	}
	switch {
	case o.Kind != SGD && o.Kind != Adam && o.Kind != AdamW:
		return nil, fmt.Errorf("%w: kind %q, expected sgd, adam or adamw", ErrOptions, o.Kind)
	case o.WeightDecay < 0:
		return nil, fmt.Errorf("%w: weight decay %g, expected 0 or more", ErrOptions, o.WeightDecay)
	case o.Momentum < 0 || o.Momentum >= 1:
		return nil, fmt.Errorf("%w: momentum %g, expected 0 to below 1", ErrOptions, o.Momentum)
	case len(o.Betas) != 2 || slices.ContainsFunc(o.Betas, func(b float64) bool { return !(b >= 0 && b < 1) }):
		return nil, fmt.Errorf("%w: betas %v, expected two numbers from 0 to below 1", ErrOptions, o.Betas)
	case o.Epsilon < 0:
		return nil, fmt.Errorf("%w: epsilon %g, expected above 0", ErrOptions, o.Epsilon)
	}
	opt := &Optimizer[T]{o: o}
	if o.Kind != SGD || o.Momentum > 0 {
		opt.first = zeros[T](sizes)
	}
	if o.Kind != SGD {
		opt.second = zeros[T](sizes)
	}
	for i, n := range sizes {
		for from := 0; from < n; from += pieceLength {
			opt.pieces = append(opt.pieces, piece{i, from, min(n, from+pieceLength)})
		}
	}
	return opt, nil
}

func zeros[T blas.Float](sizes []int) [][]T {
	z := make([][]T, len(sizes))
	for i, n := range sizes {
		z[i] = memory.Make[T](n)
	}
	return z
}

// Step updates params in place from grads at learning rate eta. The slices are those that New was given the sizes of,
// in the same order.
func (o *Optimizer[T]) Step(params, grads [][]T, eta float64) {
	o.steps++
	if o.o.Kind == SGD {
		for i, w := range params {
			o.sgd(i, w, grads[i], T(eta))
		}
		return
	}
	step := o.adamStep(eta)
	parallel.For(len(o.pieces), func(i int) {
		p := o.pieces[i]
		vector.Adam(params[p.of][p.from:p.to], o.first[p.of][p.from:p.to], o.second[p.of][p.from:p.to],
			grads[p.of][p.from:p.to], step)
	})
}

func (o *Optimizer[T]) sgd(i int, w, g []T, eta T) {
	decay, mu := T(o.o.WeightDecay), T(o.o.Momentum)
	for j, gj := range g {
		gj += decay * w[j]
		if o.first != nil {
			m := o.first[i]
			if o.steps == 1 {
				m[j] = gj
			} else {
				m[j] = mu*m[j] + gj
			}
			gj = m[j]
		}
		w[j] -= eta * gj
	}
}

// adamStep are the numbers of the current step. The bias corrections are moved out of the loop: w −= rate·m/(√v/root +
// ε).
func (o *Optimizer[T]) adamStep(eta float64) *vector.AdamStep[T] {
	s := &vector.AdamStep[T]{
		Beta1: T(o.o.Betas[0]), Beta2: T(o.o.Betas[1]),
		Rate:    T(eta / (1 - math.Pow(o.o.Betas[0], float64(o.steps)))),
		Root:    T(math.Sqrt(1 - math.Pow(o.o.Betas[1], float64(o.steps)))),
		Epsilon: T(o.o.Epsilon), Decay: T(o.o.WeightDecay), Shrink: 1,
	}
	s.Rest1, s.Rest2 = 1-s.Beta1, 1-s.Beta2
	if o.o.Kind == AdamW {
		s.Shrink, s.Decay = T(1-eta*o.o.WeightDecay), 0
	}
	return s
}

// Steps is the number of steps taken, those before a restored state included.
func (o *Optimizer[T]) Steps() int { return o.steps }

// Moments returns the state beside the step count, by name, one slice a parameter: "momentum" for SGD with momentum,
// "exp_avg" (m) and "exp_avg_sq" (v) for Adam and AdamW. The slices are the optimiser's own: a checkpoint is written
// from them, and restored by filling them and calling SetSteps.
func (o *Optimizer[T]) Moments() map[string][][]T {
	moments := map[string][][]T{}
	switch {
	case o.second != nil:
		moments["exp_avg"], moments["exp_avg_sq"] = o.first, o.second
	case o.first != nil:
		moments["momentum"] = o.first
	}
	return moments
}

// SetSteps sets the number of steps that the restored moments have seen.
func (o *Optimizer[T]) SetSteps(n int) { o.steps = n }
