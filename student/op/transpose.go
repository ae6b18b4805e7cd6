package op

import (
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/models/onnx"
	"rkd/student/internal/blas"
)

// maxRank bounds the number of axes of Transpose, so that its kernel allocates nothing.
const maxRank = 8

type transposition struct {
	operator
	perm []int
}

// Transpose permutes the axes of x, as NumPy does: axis i of y is axis perm[i] of x. Samples stay where they are:
// perm[0] is 0.
//
// It returns ErrOption when perm is no permutation of x's axes, does not begin with 0, or has more than 8 axes.
func Transpose(x *gorgonia.Node, perm ...int) (*gorgonia.Node, error) {
	name, axes := fmt.Sprintf("Transpose{%v}", perm), slices.Sorted(slices.Values(perm))
	for i, axis := range axes {
		if axis != i || perm[0] != 0 {
			return nil, fmt.Errorf("%s: %w: expected a permutation of axes from 0 on that begins with 0", name, ErrOption)
		}
	}
	if len(perm) < 2 || len(perm) > maxRank || x != nil && len(perm) != rank(x) {
		return nil, fmt.Errorf("%s: %w: expected as many axes as x has, %d, from 2 to %d", name, ErrOption, rank(x), maxRank)
	}
	perm = slices.Clone(perm)
	order := make([]int64, len(perm))
	for i, axis := range perm {
		order[i] = int64(axis)
	}
	return apply(&transposition{perm: perm, operator: operator{
		name:  name,
		ranks: []int{len(perm), len(perm)},
		infer: func(in []tensor.Shape) (tensor.Shape, error) {
			out := make(tensor.Shape, len(perm))
			for i, axis := range perm {
				out[i] = in[0][axis]
			}
			return out, nil
		},
		exec: kernels(
			func(a args[float32]) { transposeForward(a, perm) },
			func(a args[float64]) { transposeForward(a, perm) }),
		lower: onnxNode("Transpose", onnx.Ints("perm", order...)),
	}}, x)
}

// transposeForward walks a sample of y in order; the trailing axes that stay in place are copied in one piece.
func transposeForward[T blas.Float](a args[T], perm []int) {
	steps := make([]int, len(perm)) // elements of x between neighbours along an axis of y
	step := 1
	for axis := len(perm) - 1; axis >= 0; axis-- {
		steps[slices.Index(perm, axis)] = step
		step *= a.inShape[0][axis]
	}
	moved, piece := len(perm), 1
	for moved > 1 && perm[moved-1] == moved-1 {
		moved--
		piece *= a.outShape[moved]
	}
	width := perSample(a.outShape)
	a.team.For(a.outShape[0], func(n int) {
		x, y := a.in[0][n*width:][:width], a.out[n*width:][:width]
		var index [maxRank]int
		from := 0
		for ; len(y) > 0; y = y[piece:] {
			if piece == 1 {
				y[0] = x[from]
			} else {
				copy(y[:piece], x[from:])
			}
			for axis := moved - 1; axis > 0; axis-- {
				index[axis]++
				from += steps[axis]
				if index[axis] < a.outShape[axis] {
					break
				}
				from -= index[axis] * steps[axis]
				index[axis] = 0
			}
		}
	})
}

func (*transposition) DiffWRT(inputs int) []bool { return all(inputs) }

// SymDiff returns gy with its axes put back.
func (t *transposition) SymDiff(_ gorgonia.Nodes, _, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	back := make([]int, len(t.perm))
	for i, axis := range t.perm {
		back[axis] = i
	}
	gx, err := Transpose(gy, back...)
	return gorgonia.Nodes{gx}, err
}
