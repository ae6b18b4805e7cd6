package op

import (
	"math"

	"gorgonia.org/gorgonia"

	"rkd/models/onnx"
	"rkd/student/internal/blas"
)

type softmax struct{ operator }

// Softmax is y_i = exp(x_i)/Σ_j exp(x_j) along the last axis of x, of any shape but a scalar. The largest x_j is
// subtracted first, so that nothing overflows. Its gradient is gx = y·(gy − Σ_j gy_j·y_j).
func Softmax(x *gorgonia.Node) (*gorgonia.Node, error) {
	return apply(&softmax{operator{
		name:  "LastAxisSoftmax",
		ranks: []int{rank(x), rank(x)},
		infer: sameShape,
		exec:  kernels(softmaxForward[float32], softmaxForward[float64]),
		lower: onnxNode("Softmax", onnx.Int("axis", -1)),
	}}, x)
}

func softmaxForward[T blas.Float](a args[T]) {
	width := a.outShape[a.outShape.Dims()-1]
	a.team.For(len(a.out)/width, func(n int) {
		x, y := a.in[0][n*width:][:width], a.out[n*width:][:width]
		largest := x[0]
		for _, v := range x {
			largest = max(largest, v)
		}
		var sum float64
		for i, v := range x {
			e := math.Exp(float64(v - largest))
			y[i] = T(e)
			sum += e
		}
		for i := range y {
			y[i] = T(float64(y[i]) / sum)
		}
	})
}

func (*softmax) DiffWRT(inputs int) []bool { return all(inputs) }

// SymDiff returns the gradient with respect to x, from y and gy.
func (*softmax) SymDiff(_ gorgonia.Nodes, y, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	gx, err := apply(&operator{
		name:  "LastAxisSoftmaxGrad",
		ranks: []int{rank(y), rank(y), rank(y)},
		infer: sameShape,
		exec:  kernels(softmaxBackward[float32], softmaxBackward[float64]),
		lower: func(b *onnx.Builder, in []string) string {
			last := b.Int64("last_axis", []int{1}, []int64{-1})
			mean := b.Node("ReduceSum", []string{b.Node("Mul", in), last}, onnx.Int("keepdims", 1))
			return b.Node("Mul", []string{in[0], b.Node("Sub", []string{in[1], mean})})
		},
	}, y, gy)
	return gorgonia.Nodes{gx}, err
}

func softmaxBackward[T blas.Float](a args[T]) {
	width := a.outShape[a.outShape.Dims()-1]
	a.team.For(len(a.out)/width, func(n int) {
		y, gy, gx := a.in[0][n*width:][:width], a.in[1][n*width:][:width], a.out[n*width:][:width]
		var mean float64 // of gy under y
		for i, v := range y {
			mean += float64(v) * float64(gy[i])
		}
		for i, v := range y {
			gx[i] = T(float64(v) * (float64(gy[i]) - mean))
		}
	})
}
