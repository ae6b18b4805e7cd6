package op

import (
	"testing"

	"gorgonia.org/gorgonia"
)

// addOp is Add on (a, b), or a + a where there is one input.
func addOp(in gorgonia.Nodes) (*gorgonia.Node, error) { return Add(in[0], in[len(in)-1]) }

func addSpecs() map[string]spec {
	s := spec{op: addOp, reference: func(in []array) array {
		a, b := in[0], in[len(in)-1]
		return filled(func(i []int) float64 { return a.at(i...) + b.at(i...) }, a.Shape...)
	}}
	return map[string]spec{"add/images": s, "add/twice the same": s}
}

func TestAddDoesNotBroadcast(t *testing.T) {
	expectRejected(t, map[string]rejection{
		"one row":      {addOp, [][]int{{2, 3}, {1, 3}}, ErrShape},
		"other rank":   {addOp, [][]int{{2, 3}, {3}}, ErrShape},
		"other column": {addOp, [][]int{{2, 3}, {2, 1}}, ErrShape},
	})
}
