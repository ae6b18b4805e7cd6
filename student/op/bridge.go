package op

import (
	"fmt"

	"gorgonia.org/gorgonia"

	"rkd/student/internal/parallel"
)

// Bridge is y = f(x), y of x's shape, for an f in plain Go: f reads x and overwrites out. It must keep neither; both
// belong to the graph. With a bridge that computes ∂L/∂embedding from the embedding, forward pass, loss and backward
// pass are one program: gorgonia.Backpropagate starts from the bridge's output.
//
// A bridge is not differentiable, is never merged with another, and fails when f does.
//
// It returns ErrOption when f is nil.
func Bridge(x *gorgonia.Node, f func(x, out gorgonia.Value) error) (*gorgonia.Node, error) {
	if f == nil {
		return nil, fmt.Errorf("Bridge: %w: the function is nil", ErrOption)
	}
	b := &operator{
		ranks: []int{rank(x), rank(x)},
		infer: sameShape,
		exec:  func(_ *parallel.Team, out gorgonia.Value, in []gorgonia.Value) error { return f(in[0], out) },
	}
	b.name = fmt.Sprintf("Bridge{%p}", b) // the address is what tells it from every other bridge
	return apply(b, x)
}
