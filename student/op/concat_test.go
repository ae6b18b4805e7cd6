package op

import (
	"testing"

	"gorgonia.org/gorgonia"
)

func concatOp(in gorgonia.Nodes) (*gorgonia.Node, error) { return Concat(in...) }

// concatFirstAgain is Concat with its first input once more at the end.
func concatFirstAgain(in gorgonia.Nodes) (*gorgonia.Node, error) {
	return Concat(append(append(gorgonia.Nodes{}, in...), in[0])...)
}

func concatReference(in []array) array {
	shape := append([]int(nil), in[0].Shape...)
	shape[1] = 0
	for _, a := range in {
		shape[1] += a.Shape[1]
	}
	return filled(func(i []int) float64 {
		at := append([]int(nil), i...)
		for _, a := range in {
			if at[1] < a.Shape[1] {
				return a.at(at...)
			}
			at[1] -= a.Shape[1]
		}
		return 0
	}, shape...)
}

func concatSpecs() map[string]spec {
	s := spec{op: concatOp, reference: concatReference}
	return map[string]spec{
		"concat/matrices": s, "concat/images": s, "concat/one": s,
		"concat/repeated": {op: concatFirstAgain, reference: func(in []array) array {
			return concatReference(append(append([]array{}, in...), in[0]))
		}},
	}
}

func TestConcatRefusesWhatDoesNotFit(t *testing.T) {
	expectRejected(t, map[string]rejection{
		"nothing":       {concatOp, nil, ErrShape},
		"vectors":       {concatOp, [][]int{{2}, {3}}, ErrShape},
		"other batch":   {concatOp, [][]int{{2, 3}, {3, 3}}, ErrShape},
		"other size":    {concatOp, [][]int{{2, 3, 4, 4}, {2, 3, 4, 5}}, ErrShape},
		"other rank":    {concatOp, [][]int{{2, 3, 4, 4}, {2, 3}}, ErrShape},
		"nothing known": {func(gorgonia.Nodes) (*gorgonia.Node, error) { return Concat(nil, nil) }, nil, ErrShape},
	})
}

func TestConcatsInAnotherOrderAreTwoNodes(t *testing.T) {
	swapped := func(in gorgonia.Nodes) (*gorgonia.Node, error) { return Concat(in[0], in[1], in[1]) }
	expectMerged(t, false, concatFirstAgain, swapped, []int{2, 3}, []int{2, 3})
}
