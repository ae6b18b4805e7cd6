package op

import (
	"gorgonia.org/gorgonia"

	"rkd/student/internal/blas"
)

type mul struct{ operator }

// Mul is y = a·b, element by element, of one shape.
//
// It returns ErrShape when the shapes differ: nothing is broadcast.
func Mul(a, b *gorgonia.Node) (*gorgonia.Node, error) {
	return apply(&mul{operator{
		name:  "Mul",
		ranks: []int{rank(a), rank(a), rank(a)},
		infer: sameShape,
		exec:  kernels(mulForward[float32], mulForward[float64]),
		lower: onnxNode("Mul"),
	}}, a, b)
}

func mulForward[T blas.Float](a args[T]) {
	a.rows(func(from, to int) {
		dst, b := a.out[from:to], a.in[1][from:to]
		for i, v := range a.in[0][from:to] {
			dst[i] = v * b[i]
		}
	})
}

func (*mul) DiffWRT(inputs int) []bool { return all(inputs) }

// SymDiff returns gy·b and gy·a.
func (*mul) SymDiff(inputs gorgonia.Nodes, _, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	ga, err := Mul(gy, inputs[1])
	if err != nil {
		return nil, err
	}
	gb, err := Mul(gy, inputs[0])
	return gorgonia.Nodes{ga, gb}, err
}
