package op

import (
	"fmt"
	"math"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/models/onnx"
	"rkd/student/internal/blas"
	"rkd/student/internal/parallel"
	"rkd/student/internal/vector"
)

type batchNormInference struct {
	operator
	eps float64
}

// BatchNormInference normalises with given statistics, as in inference and in fine-tuning with frozen statistics:
//
//	y = γ[c]·(x − μ[c])/√(σ²[c] + ε) + β[c]
//
// x is (N,C) or (N,C,H,W); mean, variance, gamma and beta are (C). It has gradients with respect to x, gamma and beta;
// mean and variance are constants.
//
// It returns ErrShape when the shapes do not fit and ErrOption unless eps > 0.
func BatchNormInference(x, mean, variance, gamma, beta *gorgonia.Node, eps float64) (*gorgonia.Node, error) {
	name := fmt.Sprintf("BatchNormInference{eps=%g}", eps)
	if err := channelRank(name, x); err != nil {
		return nil, err
	}
	if err := positive(name, "eps", eps); err != nil {
		return nil, err
	}
	return apply(&batchNormInference{eps: eps, operator: operator{
		name:  name,
		ranks: []int{rank(x), 1, 1, 1, 1, rank(x)},
		infer: func(in []tensor.Shape) (tensor.Shape, error) {
			return in[0].Clone(), expectVectors(in, in[0][1], 1, 2, 3, 4)
		},
		exec: kernels(
			func(a args[float32]) { batchNormInferenceForward(a, eps) },
			func(a args[float64]) { batchNormInferenceForward(a, eps) }),
		lower: func(b *onnx.Builder, in []string) string {
			return b.Node("BatchNormalization", []string{in[0], in[3], in[4], in[1], in[2]}, onnx.Float("epsilon", float32(eps)))
		},
	}}, x, mean, variance, gamma, beta)
}

func batchNormInferenceForward[T blas.Float](a args[T], eps float64) {
	scale, shift := affine(a.in[1], a.in[2], a.in[3], a.in[4], eps)
	eachPlane(a.team, layoutOf(a.inShape[0]), a.out, a.in[0], scale, shift, vector.Affine)
}

// DiffWRT says that x, gamma and beta have a gradient, mean and variance not.
func (*batchNormInference) DiffWRT(int) []bool { return []bool{true, false, false, true, true} }

// SymDiff returns the gradients with respect to x, gamma and beta, and nil for mean and variance.
func (b *batchNormInference) SymDiff(inputs gorgonia.Nodes, _, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	x, mean, variance, gamma := inputs[0], inputs[1], inputs[2], inputs[3]
	gx, err := apply(&operator{
		name:  fmt.Sprintf("BatchNormInferenceInputGrad{eps=%g}", b.eps),
		ranks: []int{1, 1, rank(x), rank(x)},
		infer: func(in []tensor.Shape) (tensor.Shape, error) {
			return in[2].Clone(), expectVectors(in, in[2][1], 0, 1)
		},
		exec: kernels(
			func(a args[float32]) { batchNormInferenceBackward(a, b.eps) },
			func(a args[float64]) { batchNormInferenceBackward(a, b.eps) }),
	}, variance, gamma, gy)
	if err != nil {
		return nil, err
	}
	buffers := new(parallel.Scratch)
	ggamma, err := apply(&operator{
		name:  fmt.Sprintf("BatchNormInferenceScaleGrad{eps=%g}", b.eps),
		ranks: []int{rank(x), 1, 1, rank(x), 1},
		infer: func(in []tensor.Shape) (tensor.Shape, error) {
			if err := expectShape(in, 3, in[0]...); err != nil {
				return nil, err
			}
			return in[1].Clone(), expectVectors(in, in[0][1], 1, 2)
		},
		exec: kernels(
			func(a args[float32]) { batchNormInferenceScaleBackward(a, b.eps, buffers) },
			func(a args[float64]) { batchNormInferenceScaleBackward(a, b.eps, buffers) }),
	}, x, mean, variance, gy)
	if err != nil {
		return nil, err
	}
	gbeta, err := channelSum(gy)
	if err != nil {
		return nil, err
	}
	return gorgonia.Nodes{gx, nil, nil, ggamma, gbeta}, nil
}

// batchNormInferenceBackward computes gx = gy·γ/√(σ²+ε).
func batchNormInferenceBackward[T blas.Float](a args[T], eps float64) {
	l := layoutOf(a.outShape)
	scale := scales(a.in[0], a.in[1], eps)
	a.team.For(l.samples, func(n int) {
		for c := range l.channels {
			vector.Affine(plane(l, a.out, n, c), plane(l, a.in[2], n, c), scale[c], 0)
		}
	})
}

// batchNormInferenceScaleBackward computes Σ gy·x̂ of each channel.
func batchNormInferenceScaleBackward[T blas.Float](a args[T], eps float64, s *parallel.Scratch) {
	l, mean := layoutOf(a.inShape[0]), a.in[1]
	sums, giveBack := channelSums(a.team, l, 1, s, func(from, to int, sums []float64) {
		l.each(from, to, func(n, c int) {
			dot, _ := vector.CentredDot(plane(l, a.in[0], n, c), plane(l, a.in[3], n, c), mean[c])
			sums[c] += dot
		})
	})
	defer giveBack()
	for c, variance := range a.in[2] {
		a.out[c] = T(sums[c] / math.Sqrt(float64(variance)+eps))
	}
}
