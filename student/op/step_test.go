package op

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/student/internal/blas"
)

// student is a network on images of 1×28×28: 3×3 convolutions of the given widths, each followed by batch
// normalisation, ReLU and 2×2 max pooling, and a dense layer to 16 dimensions, with a bridge as its loss.
type student struct {
	embedding gorgonia.Value
	grads     []gorgonia.Value
	machine   gorgonia.VM
}

func newStudent[T blas.Float](tb testing.TB, batch int, widths ...int) *student {
	tb.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	g := gorgonia.NewGraph()
	var params gorgonia.Nodes
	param := func(name string, shape ...int) *gorgonia.Node {
		n := variable(g, name, dense[T](random(rng, shape...)))
		params = append(params, n)
		return n
	}
	must := func(n *gorgonia.Node, err error) *gorgonia.Node {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return n
	}
	x := variable(g, "x", dense[T](random(rng, batch, 1, 28, 28)))
	y, channels, side := x, 1, 28
	for i, width := range widths {
		y = must(Conv2D(y, param(fmt.Sprintf("w%d", i), width, channels, 3, 3), nil, ConvOptions{Pad: [2]int{1, 1}}))
		stats := must(BatchStats(y))
		y = must(BatchNorm(y, stats, param(fmt.Sprintf("gamma%d", i), width), param(fmt.Sprintf("beta%d", i), width), 1e-5))
		y = must(MaxPool2D(must(ReLU(y)), PoolOptions{Kernel: [2]int{2, 2}}))
		channels, side = width, side/2
	}
	embedding := must(Linear(must(Flatten(y)), param("w", 16, channels*side*side), param("b", 16)))
	loss := must(Bridge(embedding,
		func(x, out gorgonia.Value) error { return tensor.Copy(out.(tensor.Tensor), x.(tensor.Tensor)) }))
	grads, err := gorgonia.Backpropagate(gorgonia.Nodes{embedding}, gorgonia.Nodes{loss}, params)
	if err != nil {
		tb.Fatal(err)
	}
	s := &student{grads: make([]gorgonia.Value, len(grads))}
	outputs := gorgonia.Nodes{gorgonia.Read(embedding, &s.embedding)}
	for i, n := range grads {
		outputs = append(outputs, gorgonia.Read(n, &s.grads[i]))
	}
	program, locations, err := gorgonia.CompileFunction(g, append(gorgonia.Nodes{x}, params...), outputs)
	if err != nil {
		tb.Fatal(err)
	}
	s.machine = gorgonia.NewTapeMachine(g, gorgonia.WithPrecompiled(program, locations))
	return s
}

func (s *student) step(tb testing.TB) {
	tb.Helper()
	if err := s.machine.RunAll(); err != nil {
		tb.Fatal(err)
	}
	s.machine.Reset()
}

// BenchmarkStep is a training step of the demo configuration's student and of a wider one, all but the loss.
func BenchmarkStep(b *testing.B) {
	for _, c := range []struct {
		name   string
		batch  int
		widths []int
	}{
		{"demo", 64, []int{8, 16, 32}},
		{"wide", 128, []int{32, 64}},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := newStudent[float32](b, c.batch, c.widths...)
			s.step(b)
			b.ReportAllocs()
			for b.Loop() {
				s.step(b)
			}
		})
	}
}
