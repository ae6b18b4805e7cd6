package op

import (
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/models/onnx"
	"rkd/student/internal/blas"
)

// concat is the operator of Concat. A graph lists a node that is given twice only once: inputs are distinct, and order
// gives the input at each position.
type concat struct {
	operator
	order []int
}

// Concat joins its inputs along the channel axis, the second: (N,C₁,…), (N,C₂,…), … become (N,C₁+C₂+…,…). All other
// dimensions must be equal. An input may be given several times. Its gradient is cut apart at the same places.
//
// It returns ErrShape when there is no input or the shapes do not fit.
func Concat(inputs ...*gorgonia.Node) (*gorgonia.Node, error) {
	if len(inputs) == 0 {
		return nil, fmt.Errorf("Concat: %w: no input, expected at least one", ErrShape)
	}
	if rank(inputs[0]) < 2 {
		return nil, fmt.Errorf("Concat: %w: input 0 has rank %d, expected (N,C,…)", ErrShape, rank(inputs[0]))
	}
	var distinct gorgonia.Nodes
	var order []int
	for _, n := range inputs {
		place := slices.Index(distinct, n)
		if place < 0 {
			place = len(distinct)
			distinct = append(distinct, n)
		}
		order = append(order, place)
	}
	return apply(&concat{order: order, operator: operator{
		name:  fmt.Sprintf("Concat{%v}", order),
		ranks: slices.Repeat([]int{rank(inputs[0])}, len(distinct)+1),
		infer: func(in []tensor.Shape) (tensor.Shape, error) { return inferConcat(in, order) },
		exec: kernels(
			func(a args[float32]) { concatForward(a, order) },
			func(a args[float64]) { concatForward(a, order) }),
		lower: func(b *onnx.Builder, in []string) string {
			var ordered []string
			for _, i := range order {
				ordered = append(ordered, in[i])
			}
			return b.Node("Concat", ordered, onnx.Int("axis", 1))
		},
	}}, distinct...)
}

func inferConcat(in []tensor.Shape, order []int) (tensor.Shape, error) {
	out := in[0].Clone()
	out[1] = 0
	for _, i := range order {
		want := in[0].Clone()
		want[1] = in[i][1]
		if err := expectShape(in, i, want...); err != nil {
			return nil, err
		}
		out[1] += in[i][1]
	}
	return out, nil
}

// perSample is the number of elements of one sample.
func perSample(s tensor.Shape) int { return s.TotalSize() / s[0] }

func concatForward[T blas.Float](a args[T], order []int) {
	a.team.For(a.outShape[0], func(n int) {
		dst := a.out[n*perSample(a.outShape):]
		for _, i := range order {
			width := perSample(a.inShape[i])
			copy(dst, a.in[i][n*width:][:width])
			dst = dst[width:]
		}
	})
}

func (*concat) DiffWRT(inputs int) []bool { return all(inputs) }

// SymDiff returns for each input its channels of gy, summed when it is given several times.
func (c *concat) SymDiff(inputs gorgonia.Nodes, _, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	grads := make(gorgonia.Nodes, len(inputs))
	from := 0
	for _, i := range c.order {
		channels := inputs[i].Shape()[1]
		g, err := SliceChannels(gy, from, from+channels)
		if err == nil && grads[i] != nil {
			g, err = Add(grads[i], g)
		}
		if err != nil {
			return nil, err
		}
		grads[i] = g
		from += channels
	}
	return grads, nil
}

// channelRangeForward copies the channels of x that begin with from and are as many as those of y.
func channelRangeForward[T blas.Float](a args[T], from int) {
	width, all := perSample(a.outShape), perSample(a.inShape[0])
	first := from * (all / a.inShape[0][1])
	a.team.For(a.outShape[0], func(n int) { copy(a.out[n*width:][:width], a.in[0][n*all+first:]) })
}
