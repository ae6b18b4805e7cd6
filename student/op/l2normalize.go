package op

import (
	"fmt"
	"math"

	"gorgonia.org/gorgonia"

	"rkd/models/onnx"
	"rkd/student/internal/blas"
)

// NormEpsilon is PyTorch's default for the eps of L2Normalize.
const NormEpsilon = 1e-12

type l2normalize struct {
	operator
	eps float64
}

// L2Normalize is y = x/max(‖x‖₂, eps) of each row of x (N,D). A row of zeros stays zero. Its gradient is
//
//	gx = (gy − y·⟨y,gy⟩)/‖x‖  where ‖x‖ ≥ eps,  gy/eps  elsewhere.
//
// It returns ErrShape when x is no matrix and ErrOption unless eps > 0.
func L2Normalize(x *gorgonia.Node, eps float64) (*gorgonia.Node, error) {
	name := fmt.Sprintf("L2Normalize{eps=%g}", eps)
	if err := positive(name, "eps", eps); err != nil {
		return nil, err
	}
	return apply(&l2normalize{eps: eps, operator: operator{
		name:  name,
		ranks: []int{2, 2},
		infer: sameShape,
		exec: kernels(
			func(a args[float32]) { l2normalizeForward(a, eps) },
			func(a args[float64]) { l2normalizeForward(a, eps) }),
		lower: func(b *onnx.Builder, in []string) string {
			length := b.Node("ReduceL2", in, onnx.Ints("axes", 1), onnx.Int("keepdims", 1))
			floor := b.Float32("norm_epsilon", []int{1, 1}, []float32{float32(eps)})
			return b.Node("Div", []string{in[0], b.Node("Max", []string{length, floor})})
		},
	}}, x)
}

func norm[T blas.Float](x []T) float64 {
	var s float64
	for _, v := range x {
		s += float64(v) * float64(v)
	}
	return math.Sqrt(s)
}

func l2normalizeForward[T blas.Float](a args[T], eps float64) {
	a.rows(func(from, to int) {
		x, y := a.in[0][from:to], a.out[from:to]
		scale := 1 / max(norm(x), eps)
		for i, v := range x {
			y[i] = T(float64(v) * scale)
		}
	})
}

func (*l2normalize) DiffWRT(inputs int) []bool { return all(inputs) }

func (l *l2normalize) SymDiff(inputs gorgonia.Nodes, _, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	gx, err := apply(&operator{
		name:  fmt.Sprintf("L2NormalizeGrad{eps=%g}", l.eps),
		ranks: []int{2, 2, 2},
		infer: sameShape,
		exec: kernels(
			func(a args[float32]) { l2normalizeBackward(a, l.eps) },
			func(a args[float64]) { l2normalizeBackward(a, l.eps) }),
	}, inputs[0], gy)
	return gorgonia.Nodes{gx}, err
}

func l2normalizeBackward[T blas.Float](a args[T], eps float64) {
	a.rows(func(from, to int) {
		x, gy, gx := a.in[0][from:to], a.in[1][from:to], a.out[from:to]
		length := norm(x)
		scale, along := 1/eps, 0.0 // gx = scale·gy − along·x
		if length >= eps {
			scale = 1 / length
			var dot float64
			for i, v := range x {
				dot += float64(v) * float64(gy[i])
			}
			along = dot * scale * scale * scale
		}
		for i, v := range x {
			gx[i] = T(scale*float64(gy[i]) - along*float64(v))
		}
	})
}
