package conv

import (
	"rkd/student/internal/instruction"
	"rkd/student/internal/parallel"
)

// Multiplier prepares matrix products on fixed memory, for an engine whose products are faster than gonum's.
type Multiplier interface {
	// Multiply returns a function that computes C = op(A)·op(B) from what A and B then hold, on the calling goroutine:
	// op(A) is (m,k), op(B) is (k,n), C is (m,n), all row-major without gaps, and op transposes when its flag is set. The
	// functions can run concurrently when their Cs are disjoint.
	Multiply(transA, transB bool, m, n, k int, a, b, c []float32) (func() error, error)
}

// Kind is a convolution or one of its gradients.
type Kind int

// The kinds of plans.
const (
	Convolution    Kind = iota // y from x, w and possibly a bias
	InputGradient              // gx from x, w, gy; x only if an activation precedes
	WeightGradient             // gw from x, w, gy; the values of w are not read
)

// fewTaps is the number of weights of a filter below which ONNX Runtime's convolution is faster than products of
// columns.
const fewTaps = 32

// Prepared reports whether a plan is the fastest way to compute a kind of convolution with w (O,C/G,KH,KW) on a
// processor, compared with ONNX Runtime's operator.
func Prepared(kind Kind, w []int, groups int) bool {
	if HasDirect() {
		return true
	}
	product := w[1] > 1 || w[0] > groups // of more than one row, unlike that of a depthwise convolution
	return product && (kind != Convolution || w[1]*w[2]*w[3] >= fewTaps)
}

// Plan prepares a kind of convolution on fixed memory: each run computes out, all of it, from what in then holds, on a
// team. Where the processor has AVX-512 it is direct, without column matrices; elsewhere it multiplies them.
//
// With an activation, Convolution is followed by it, and InputGradient, whose input x is the activation's output, is
// followed by its mask.
func Plan(
	kind Kind, g Geometry, after Activation, m Multiplier, team *parallel.Team, out []float32, in [][]float32,
) (func() error, error) {
	if run, ok := planDirect(kind, g, after, team, out, in); ok {
		return run, nil
	}
	run, err := planColumns(kind, g, m, team, out, in)
	if err != nil || after == Linear {
		return run, err
	}
	return func() error {
		if err := run(); err != nil {
			return err
		}
		if kind == InputGradient {
			Mask(after, in[0], out)
		} else {
			Activate(after, out)
		}
		return nil
	}, nil
}

// HasDirect reports whether the processor has AVX-512, which direct plans and fused activations need.
func HasDirect() bool { return instruction.Best() >= instruction.AVX512 }

// over is a/b, rounded up.
func over(a, b int) int { return (a + b - 1) / b }
