package op

import (
	"math"
	"testing"

	"gorgonia.org/gorgonia"
)

func layerNormOp(eps float64) build {
	return func(in gorgonia.Nodes) (*gorgonia.Node, error) { return LayerNorm(in[0], in[1], in[2], eps) }
}

func layerNormSpecs() map[string]spec {
	const eps = 1e-3
	s := spec{op: layerNormOp(eps), reference: func(in []array) array {
		x, gamma, beta := in[0], in[1], in[2]
		lead := len(x.Shape) - len(gamma.Shape)
		return filled(func(i []int) float64 {
			mean := func(f func(v float64) float64) float64 { // over the group that element i is of
				var sum float64
				for group := range gamma.Data {
					first := append(append([]int(nil), i[:lead]...), make([]int, len(gamma.Shape))...)
					sum += f(x.Data[x.offset(first...)+group])
				}
				return sum / float64(len(gamma.Data))
			}
			mu := mean(func(v float64) float64 { return v })
			variance := mean(func(v float64) float64 { return (v - mu) * (v - mu) })
			return (x.at(i...)-mu)/math.Sqrt(variance+eps)*gamma.at(i[lead:]...) + beta.at(i[lead:]...)
		}, x.Shape...)
	}}
	return map[string]spec{
		"layer norm/matrix": s, "layer norm/images": s, "layer norm/last axis of images": s, "layer norm/last two axes": s,
	}
}

func TestLayerNormRefusesWhatDoesNotFit(t *testing.T) {
	expectRejected(t, map[string]rejection{
		"no sample axis left": {layerNormOp(1e-5), [][]int{{2, 3}, {2, 3}, {2, 3}}, ErrShape},
		"leading axis":        {layerNormOp(1e-5), [][]int{{2, 3}, {2}, {2}}, ErrShape},
		"channels of images":  {layerNormOp(1e-5), [][]int{{2, 3, 4, 4}, {3}, {3}}, ErrShape},
		"beta of other size":  {layerNormOp(1e-5), [][]int{{2, 3}, {3}, {2}}, ErrShape},
		"eps 0":               {layerNormOp(0), [][]int{{2, 3}, {3}, {3}}, ErrOption},
	})
}

func TestLayerNormsThatDifferInEpsAreTwoNodes(t *testing.T) {
	expectMerged(t, false, layerNormOp(1e-5), layerNormOp(1e-6), []int{2, 3}, []int{3}, []int{3})
}
