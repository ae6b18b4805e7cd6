package op

import (
	"testing"

	"gorgonia.org/gorgonia"
)

// Operators of gradients that have an ONNX form compute the same there, in every graph of the golden cases.
func TestLoweredGradientsAgreeWithTheKernels(t *testing.T) {
	startRuntime(t)
	lowers := make(map[string]bool)
	eachSpec(t, func(t *testing.T, s spec, g golden) {
		r := newGraph[float32](t, s.op, g.Inputs, g.constants(), g.GY)
		for _, n := range r.AllNodes() {
			if n.IsVar() || n.Value() == nil {
				continue
			}
			if _, ok := n.Op().(Lowerer); !ok {
				continue
			}
			var inputs []array
			var values []gorgonia.Value
			for it := r.From(n.ID()); it.Next(); {
				v := it.Node().(*gorgonia.Node).Value()
				values, inputs = append(values, v), append(inputs, undense[float32](t, v))
			}
			for len(values) < n.Op().Arity() { // one node given twice: the graph's iterator names it once
				values = append(values, values[0])
			}
			want, err := n.Op().Do(values...) // a sum of gradients may have been written over the node's own value
			if err != nil {
				t.Fatal(err)
			}
			lowers[n.Op().String()] = true
			expectClose(t, n.Op().String(), lowered(t, n, inputs), undense[float32](t, want), 1e-5)
		}
	})
	for _, want := range []string{"Product", "TransposedProduct", "ChannelSum"} {
		if !lowers[want] {
			t.Errorf("no golden case has a %s in its graph", want)
		}
	}
}
