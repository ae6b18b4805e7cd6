package op

import (
	"testing"

	"gorgonia.org/gorgonia"
)

func linearOp(in gorgonia.Nodes) (*gorgonia.Node, error) {
	if len(in) == 2 {
		return Linear(in[0], in[1], nil)
	}
	return Linear(in[0], in[1], in[2])
}

func linearSpecs() map[string]spec {
	s := spec{op: linearOp, reference: func(in []array) array {
		x, w := in[0], in[1]
		return filled(func(i []int) float64 {
			var y float64
			if len(in) == 3 {
				y = in[2].at(i[1])
			}
			for k := range x.Shape[1] {
				y += x.at(i[0], k) * w.at(i[1], k)
			}
			return y
		}, x.Shape[0], w.Shape[0])
	}}
	return map[string]spec{"linear/bias": s, "linear/no bias": s}
}

func TestLinearRefusesWhatDoesNotFit(t *testing.T) {
	expectRejected(t, map[string]rejection{
		"images":               {linearOp, [][]int{{2, 3, 4, 4}, {5, 3}}, ErrShape},
		"other width":          {linearOp, [][]int{{2, 3}, {5, 4}}, ErrShape},
		"bias of other length": {linearOp, [][]int{{2, 3}, {5, 3}, {3}}, ErrShape},
		"bias as matrix":       {linearOp, [][]int{{2, 3}, {5, 3}, {1, 5}}, ErrShape},
	})
}
