package op

import (
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

func flattenOp(in gorgonia.Nodes) (*gorgonia.Node, error) { return Flatten(in[0]) }

func flattenSpecs() map[string]spec {
	s := spec{op: flattenOp, reference: func(in []array) array {
		n := in[0].Shape[0]
		return array{[]int{n, tensor.Shape(in[0].Shape).TotalSize() / n}, in[0].Data}
	}}
	return map[string]spec{"flatten/images": s, "flatten/cubes": s}
}

func TestFlattenRefusesVectors(t *testing.T) {
	expectRejected(t, map[string]rejection{"vector": {flattenOp, [][]int{{3}}, ErrShape}})
}
