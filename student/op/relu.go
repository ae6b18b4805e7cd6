package op

import (
	"math"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/models/onnx"
	"rkd/student/internal/blas"
)

// relu is the operator of ReLU.
type relu struct{ operator }

// ReLU is y = max(x, 0) of any shape but a scalar. Its gradient at 0 is 0; NaN stays NaN.
func ReLU(x *gorgonia.Node) (*gorgonia.Node, error) {
	return apply(&relu{operator{
		name:  "ReLU",
		ranks: []int{rank(x), rank(x)},
		infer: sameShape,
		exec:  kernels(reluForward[float32], reluForward[float64]),
	}}, x)
}

// infinity is the bits of +Inf: those of positive numbers are 1 to infinity, and with the highest bit set the negative ones'.
const infinity = 0x7f800000

// below is all ones where a < b, and 0 elsewhere. Signs of activations are random: a branch would be mispredicted.
func below(a uint32, b int64) uint32 { return uint32((int64(a) - b) >> 63) }

// rows calls body with the range of elements of each entry of the first dimension.
func rows(s tensor.Shape, body func(from, to int)) {
	n := s[0]
	width := s.TotalSize() / n
	blas.For(n, func(i int) { body(i*width, (i+1)*width) })
}

func reluForward[T blas.Float](a args[T]) {
	rows(a.outShape, func(from, to int) {
		dst := a.out[from:to]
		for i, v := range a.in[0][from:to] {
			dst[i] = max(v, 0)
		}
	})
}

// DiffWRT says that x has a gradient.
func (*relu) DiffWRT(inputs int) []bool { return all(inputs) }

// SymDiff returns gx = gy where y > 0 and 0 elsewhere. y tells as much as x, and is needed by the next layer anyway.
func (*relu) SymDiff(_ gorgonia.Nodes, y, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	gx, err := apply(&reluGrad{operator{
		name:  "ReLUGrad",
		ranks: []int{rank(y), rank(y), rank(y)},
		infer: sameShape,
		exec:  kernels(reluBackward32, reluBackward[float64]),
	}}, y, gy)
	return gorgonia.Nodes{gx}, err
}

// reluGrad is the gradient of relu.
type reluGrad struct{ operator }

// reluBackward32 is reluBackward on bits.
func reluBackward32(a args[float32]) {
	rows(a.outShape, func(from, to int) {
		dst, gy := a.out[from:to], a.in[1][from:to]
		gy = gy[:len(dst)]
		for i, y := range a.in[0][from:to] {
			passes := below(math.Float32bits(y)-1, infinity)
			dst[i] = math.Float32frombits(math.Float32bits(gy[i]) & passes)
		}
	})
}

func reluBackward[T blas.Float](a args[T]) {
	rows(a.outShape, func(from, to int) {
		dst, gy := a.out[from:to], a.in[1][from:to]
		var choice [2]T // signs are random: choosing by index costs a third of choosing by branch
		for i, y := range a.in[0][from:to] {
			choice[1] = gy[i]
			passes := 0
			if y > 0 {
				passes = 1
			}
			dst[i] = choice[passes]
		}
	})
}

// Lower adds a Relu.
func (r *relu) Lower(b *onnx.Builder, inputs []string) (string, error) {
	return r.lowerTo(b, "Relu", inputs)
}
