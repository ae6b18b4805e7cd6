package op

import (
	"math"
	"testing"

	"gorgonia.org/gorgonia"
)

func l2normalizeOp(eps float64) build {
	return func(in gorgonia.Nodes) (*gorgonia.Node, error) { return L2Normalize(in[0], eps) }
}

func l2normalizeSpec(eps float64) spec {
	return spec{op: l2normalizeOp(eps), reference: func(in []array) array {
		return filled(func(i []int) float64 {
			var s float64
			for d := range in[0].Shape[1] {
				s += in[0].at(i[0], d) * in[0].at(i[0], d)
			}
			return in[0].at(i...) / math.Max(math.Sqrt(s), eps)
		}, in[0].Shape...)
	}}
}

func l2normalizeSpecs() map[string]spec {
	return map[string]spec{
		"l2 normalize/rows":       l2normalizeSpec(NormEpsilon),
		"l2 normalize/zero row":   l2normalizeSpec(0.5),
		"l2 normalize/short rows": l2normalizeSpec(1.5),
	}
}

func TestL2NormalizeRefusesWhatDoesNotFit(t *testing.T) {
	expectRejected(t, map[string]rejection{
		"images": {l2normalizeOp(1e-12), [][]int{{2, 3, 4, 4}}, ErrShape},
		"vector": {l2normalizeOp(1e-12), [][]int{{3}}, ErrShape},
		"eps 0":  {l2normalizeOp(0), [][]int{{2, 3}}, ErrOption},
	})
}

func TestL2NormalizationsThatDifferInEpsAreTwoNodes(t *testing.T) {
	expectMerged(t, false, l2normalizeOp(1e-12), l2normalizeOp(1e-6), []int{2, 3})
}
