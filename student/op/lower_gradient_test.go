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
			if o := Of(n); o == nil || !o.Lowers() {
				continue
			}
			var inputs []array
			var values []gorgonia.Value
			for _, in := range Inputs(n) {
				values, inputs = append(values, in.Value()), append(inputs, undense[float32](t, in.Value()))
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
