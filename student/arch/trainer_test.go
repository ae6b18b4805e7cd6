package arch_test

import (
	"testing"

	"gorgonia.org/gorgonia"

	"rkd/student/arch"
	"rkd/student/op"
)

// trainer runs a network's training graph on the tape machine.
type trainer struct {
	graph     *arch.Graph
	gradients []gorgonia.Value // of the parameters, of the last run
	machine   gorgonia.VM
}

// newTrainer builds the graph of n over x. objective reads the embeddings, (N,Dim), and fills in the gradient on them.
func newTrainer(
	t *testing.T, n *arch.Network, w *arch.Weights, x *gorgonia.Node, objective func(embedding, gradient gorgonia.Value),
) *trainer {
	t.Helper()
	graph, err := n.Build(x, w, true)
	if err != nil {
		t.Fatal(err)
	}
	bridge, err := op.Bridge(graph.Embedding, func(in, out gorgonia.Value) error {
		objective(in, out)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	gradients, err := gorgonia.Backpropagate(gorgonia.Nodes{graph.Embedding}, gorgonia.Nodes{bridge}, graph.Params)
	if err != nil {
		t.Fatal(err)
	}
	r := &trainer{graph: graph, gradients: make([]gorgonia.Value, len(gradients))}
	for i, g := range gradients {
		gorgonia.Read(g, &r.gradients[i])
	}
	r.machine = gorgonia.NewTapeMachine(x.Graph())
	t.Cleanup(func() { _ = r.machine.Close() })
	return r
}

func (r *trainer) run(t *testing.T) {
	t.Helper()
	if err := r.machine.RunAll(); err != nil {
		t.Fatal(err)
	}
	r.machine.Reset()
}
