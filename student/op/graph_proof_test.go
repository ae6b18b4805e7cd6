package op

import (
	"math"
	"slices"
	"testing"

	"gorgonia.org/gorgonia"
)

func reshapeSpec(dims ...int) spec {
	return spec{
		op:        func(in gorgonia.Nodes) (*gorgonia.Node, error) { return Reshape(in[0], dims...) },
		reference: func(in []array) array { return array{append([]int{in[0].Shape[0]}, dims...), in[0].Data} },
	}
}

func transposeSpec(perm ...int) spec {
	return spec{
		op: func(in gorgonia.Nodes) (*gorgonia.Node, error) { return Transpose(in[0], perm...) },
		reference: func(in []array) array {
			shape := make([]int, len(perm))
			for i, axis := range perm {
				shape[i] = in[0].Shape[axis]
			}
			return filled(func(index []int) float64 {
				from := make([]int, len(perm))
				for i, axis := range perm {
					from[axis] = index[i]
				}
				return in[0].at(from...)
			}, shape...)
		},
	}
}

func sliceChannelsSpec(from, to int) spec {
	return spec{
		op: func(in gorgonia.Nodes) (*gorgonia.Node, error) { return SliceChannels(in[0], from, to) },
		reference: func(in []array) array {
			shape := slices.Clone(in[0].Shape)
			shape[1] = to - from
			return filled(func(i []int) float64 {
				i = slices.Clone(i)
				i[1] += from
				return in[0].at(i...)
			}, shape...)
		},
	}
}

func hardSigmoidSpec(alpha, beta float64) spec {
	return spec{
		op: func(in gorgonia.Nodes) (*gorgonia.Node, error) { return HardSigmoid(in[0], alpha, beta) },
		reference: func(in []array) array {
			return filled(func(i []int) float64 { return math.Max(0, math.Min(1, alpha*in[0].at(i...)+beta)) }, in[0].Shape...)
		},
	}
}

// binarySpec is an operator of two inputs, of which at gives the second's place for a place of the first.
func binarySpec(f func(a, b *gorgonia.Node) (*gorgonia.Node, error), g func(a, b float64) float64,
	at func([]int) []int,
) spec {
	return spec{
		op: func(in gorgonia.Nodes) (*gorgonia.Node, error) { return f(in[0], in[len(in)-1]) },
		reference: func(in []array) array {
			return filled(func(i []int) float64 { return g(in[0].at(i...), in[len(in)-1].at(at(i)...)) }, in[0].Shape...)
		},
	}
}

// graphSpecs are the golden cases of testdata/graph_golden.py, by name.
func graphSpecs() map[string]spec {
	times := func(a, b float64) float64 { return a * b }
	plus := func(a, b float64) float64 { return a + b }
	place := func(i []int) []int { return i }
	channel := func(i []int) []int { return i[1:2] }
	sample := func(i []int) []int { return i[:2] }
	return map[string]spec{
		"reshape/images":          reshapeSpec(3, 2, 2, 5),
		"reshape/matrix":          reshapeSpec(2, 3),
		"reshape/flat":            reshapeSpec(12),
		"transpose/groups":        transposeSpec(0, 2, 1, 3, 4),
		"transpose/channels last": transposeSpec(0, 2, 3, 1),
		"transpose/turn":          transposeSpec(0, 3, 1, 2),
		"transpose/nothing moves": transposeSpec(0, 1, 2),
		"slice channels/first":    sliceChannelsSpec(0, 2),
		"slice channels/middle":   sliceChannelsSpec(1, 3),
		"slice channels/last":     sliceChannelsSpec(3, 4),
		"mul/images":              binarySpec(Mul, times, place),
		"mul/twice the same":      binarySpec(Mul, times, place),
		"scale/images":            binarySpec(Scale, times, channel),
		"scale/matrix":            binarySpec(Scale, times, channel),
		"gate/images":             binarySpec(Gate, times, sample),
		"shift/images":            binarySpec(Shift, plus, channel),
		"shift/matrix":            binarySpec(Shift, plus, channel),
		"hard sigmoid/images":     hardSigmoidSpec(1.0/6, 0.5),
		"hard sigmoid/steep":      hardSigmoidSpec(0.5, 0.25),
	}
}

func TestGraphOperatorsRefuseWhatDoesNotFit(t *testing.T) {
	none := func(gorgonia.Nodes) (*gorgonia.Node, error) { return Reshape(nil, 2) }
	expectRejected(t, map[string]rejection{
		"reshape to another size":   {reshapeSpec(5).op, [][]int{{2, 3}}, ErrShape},
		"reshape to nothing":        {reshapeSpec().op, [][]int{{2, 3}}, ErrShape},
		"reshape to zero":           {reshapeSpec(0, 3).op, [][]int{{2, 3}}, ErrShape},
		"reshape of a vector":       {reshapeSpec(1).op, [][]int{{2}}, ErrShape},
		"reshape of nothing":        {none, nil, ErrShape},
		"transpose of samples":      {transposeSpec(1, 0).op, [][]int{{2, 3}}, ErrOption},
		"transpose of other axes":   {transposeSpec(0, 1, 2).op, [][]int{{2, 3}}, ErrOption},
		"transpose twice the same":  {transposeSpec(0, 1, 1).op, [][]int{{2, 3, 4}}, ErrOption},
		"transpose of nothing":      {transposeSpec().op, [][]int{{2, 3}}, ErrOption},
		"slice of nothing":          {sliceChannelsSpec(1, 1).op, [][]int{{2, 3}}, ErrOption},
		"slice behind the end":      {sliceChannelsSpec(1, 4).op, [][]int{{2, 3}}, ErrOption},
		"slice before the start":    {sliceChannelsSpec(-1, 2).op, [][]int{{2, 3}}, ErrOption},
		"slice of a vector":         {sliceChannelsSpec(0, 1).op, [][]int{{2}}, ErrShape},
		"mul of two shapes":         {graphSpecs()["mul/images"].op, [][]int{{2, 3}, {3, 2}}, ErrShape},
		"scale by other channels":   {graphSpecs()["scale/images"].op, [][]int{{2, 3, 4, 4}, {4}}, ErrShape},
		"scale of another rank":     {graphSpecs()["scale/images"].op, [][]int{{2, 3, 4}, {3}}, ErrShape},
		"gate of other samples":     {graphSpecs()["gate/images"].op, [][]int{{2, 3, 4, 4}, {1, 3}}, ErrShape},
		"shift by other channels":   {graphSpecs()["shift/images"].op, [][]int{{2, 3}, {2}}, ErrShape},
		"shift of another rank":     {graphSpecs()["shift/images"].op, [][]int{{2, 3, 4}, {3}}, ErrShape},
		"hard sigmoid without rise": {hardSigmoidSpec(0, 0.5).op, [][]int{{2, 3}}, ErrOption},
	})
}

func TestGraphOperatorsWithOtherAttributesAreTwoNodes(t *testing.T) {
	expectMerged(t, false, reshapeSpec(2, 3).op, reshapeSpec(3, 2).op, []int{2, 6})
	expectMerged(t, false, transposeSpec(0, 2, 1).op, transposeSpec(0, 1, 2).op, []int{2, 3, 3})
	expectMerged(t, false, sliceChannelsSpec(0, 2).op, sliceChannelsSpec(1, 3).op, []int{2, 6})
	expectMerged(t, false, hardSigmoidSpec(0.2, 0.5).op, hardSigmoidSpec(0.1, 0.5).op, []int{2, 6})
}
