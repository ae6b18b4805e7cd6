package op

import (
	"testing"

	"gorgonia.org/gorgonia"
)

func padOp(o PadOptions) build {
	return func(in gorgonia.Nodes) (*gorgonia.Node, error) { return Pad2D(in[0], o) }
}

func padSpec(o PadOptions) spec {
	return spec{op: padOp(o), reference: func(in []array) array {
		x := in[0]
		return filled(func(i []int) float64 {
			h, w := i[2]-o.Before[0], i[3]-o.Before[1]
			if h < 0 || h >= x.Shape[2] || w < 0 || w >= x.Shape[3] {
				return 0
			}
			return x.at(i[0], i[1], h, w)
		}, x.Shape[0], x.Shape[1], x.Shape[2]+o.Before[0]+o.After[0], x.Shape[3]+o.Before[1]+o.After[1])
	}}
}

func padSpecs() map[string]spec {
	return map[string]spec{
		"pad/all sides": padSpec(PadOptions{Before: [2]int{1, 2}, After: [2]int{1, 2}}),
		"pad/one side":  padSpec(PadOptions{Before: [2]int{2, 0}, After: [2]int{0, 1}}),
	}
}

func TestPad2DRefusesWhatDoesNotFit(t *testing.T) {
	expectRejected(t, map[string]rejection{
		"matrix":        {padOp(PadOptions{}), [][]int{{2, 3}}, ErrShape},
		"negative rows": {padOp(PadOptions{Before: [2]int{-1, 0}}), [][]int{{1, 1, 3, 3}}, ErrOption},
		"negative end":  {padOp(PadOptions{After: [2]int{0, -1}}), [][]int{{1, 1, 3, 3}}, ErrOption},
	})
}

func TestPaddingsThatDifferAreTwoNodes(t *testing.T) {
	expectMerged(t, false, padOp(PadOptions{Before: [2]int{1, 1}}), padOp(PadOptions{After: [2]int{1, 1}}),
		[]int{1, 1, 2, 2})
}
