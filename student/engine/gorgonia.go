package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/datasets/memory"
	"rkd/student/arch"
	"rkd/student/op"
)

// Gorgonia is the Engine on Gorgonia's tape machine.
type Gorgonia struct {
	host
	net   *arch.Network
	batch int

	train program
	call  *call
	infer program
}

// call is the objective of the step under way and what it returned.
type call struct {
	objective Objective
	err       error
}

func (c *call) run(in, out gorgonia.Value) error {
	gradient := out.Data().([]float32)
	clear(gradient)
	_, c.err = c.objective(in.Data().([]float32), gradient)
	return c.err
}

// program is one compiled graph: its input's memory and the machine that runs it.
type program struct {
	input   []float32
	machine gorgonia.VM
	output  gorgonia.Value // the embedding; nil until the first run
}

// NewGorgonia compiles net for training steps of batch samples and for inference. The engine works on the memory of
// weights: a step reads the parameters there and writes them there.
func NewGorgonia(net *arch.Network, weights *arch.Weights, batch int) (*Gorgonia, error) {
	e := &Gorgonia{host: host{weights: weights}, net: net, batch: batch}
	if err := e.compileTraining(); err != nil {
		return nil, fmt.Errorf("compiling the training graph: %w", err)
	}
	if err := e.compileInference(); err != nil {
		return nil, fmt.Errorf("compiling the inference graph: %w", err)
	}
	return e, nil
}

func (e *Gorgonia) compileTraining() error {
	p, x := e.newProgram()
	graph, err := e.net.Build(x, e.weights, true)
	if err != nil {
		return err
	}
	// The objective is in the middle of the tape: it reads the embeddings of this run, and the backward pass starts from
	// its gradient.
	e.call = new(call)
	gradient, err := op.Bridge(graph.Embedding, e.call.run)
	if err != nil {
		return err
	}
	grads, err := gorgonia.Backpropagate(gorgonia.Nodes{graph.Embedding}, gorgonia.Nodes{gradient}, graph.Params)
	if err != nil {
		return fmt.Errorf("differentiating: %w", err)
	}
	values := make([]gorgonia.Value, len(grads))
	for i, g := range grads {
		data := memory.Make[float32](g.Shape().TotalSize())
		values[i] = tensor.New(tensor.WithShape(g.Shape()...), tensor.WithBacking(data))
		e.grads = append(e.grads, data)
		gorgonia.Read(g, &values[i])
	}
	e.steps.bind(graph.Step)
	statistics := make([]gorgonia.Value, len(graph.Stats))
	for i, s := range graph.Stats {
		gorgonia.Read(s.Node, &statistics[i])
		e.stats = append(e.stats, batchStats{s, func() []float32 { return statistics[i].Data().([]float32) }})
	}
	// Backpropagate also differentiates with respect to the samples; unused gradients are not computed.
	read := grads
	for _, s := range graph.Stats {
		read = append(read, s.Node)
	}
	p.machine, err = newMachine(x.Graph().SubgraphRoots(read...))
	e.train = p
	return err
}

func (e *Gorgonia) compileInference() error {
	p, x := e.newProgram()
	graph, err := e.net.Build(x, e.weights, false)
	if err != nil {
		return err
	}
	e.infer = p
	gorgonia.Read(graph.Embedding, &e.infer.output)
	e.infer.machine, err = newMachine(x.Graph())
	return err
}

// newMachine compiles a graph (NewTapeMachine alone would panic where that fails) and makes a machine that the garbage
// collector can free: it reaches itself, and such a thing with a finalizer never goes. The finalizer is Close's twin.
func newMachine(g *gorgonia.ExprGraph) (gorgonia.VM, error) {
	compiled, locations, err := gorgonia.Compile(g)
	if err != nil {
		return nil, err
	}
	m := gorgonia.NewTapeMachine(g, gorgonia.WithPrecompiled(compiled, locations))
	runtime.SetFinalizer(m, nil)
	return m, nil
}

func (e *Gorgonia) newProgram() (program, *gorgonia.Node) {
	shape := append(tensor.Shape{e.batch}, e.net.Input...)
	input := memory.Make[float32](shape.TotalSize())
	value := tensor.New(tensor.WithShape(shape...), tensor.WithBacking(input))
	x := gorgonia.NewTensor(gorgonia.NewGraph(), tensor.Float32, len(shape), gorgonia.WithShape(shape...),
		gorgonia.WithName("input"), gorgonia.WithValue(value))
	return program{input: input}, x
}

// Step implements Engine.
func (e *Gorgonia) Step(x []float32, rate float64, objective Objective) (Result, error) {
	if len(x) != len(e.train.input) {
		return Result{}, fmt.Errorf("%w: %d values for a batch of %d", ErrInput, len(x), len(e.train.input))
	}
	return e.step(rate, objective, func(objective Objective) error {
		*e.call = call{objective: objective}
		copy(e.train.input, x)
		err := e.train.machine.RunAll()
		e.train.machine.Reset()
		if e.call.err != nil {
			return e.call.err // the tape machine's wrapping would bury it under registers and addresses
		}
		if err != nil {
			return fmt.Errorf("running a training step: %w", err)
		}
		return nil
	})
}

// Embed implements Engine.
func (e *Gorgonia) Embed(ctx context.Context, dst, x []float32) ([]float32, error) {
	sample := tensor.Shape(e.net.Input).TotalSize()
	if len(x)%sample != 0 {
		return nil, fmt.Errorf("%w: %d values are no whole number of samples of %d", ErrInput, len(x), sample)
	}
	for len(x) > 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n := copy(e.infer.input, x)
		clear(e.infer.input[n:])
		err := e.infer.machine.RunAll()
		e.infer.machine.Reset()
		if err != nil {
			return nil, fmt.Errorf("running inference: %w", err)
		}
		dst = append(dst, e.infer.output.Data().([]float32)[:n/sample*e.net.Dim]...)
		x = x[n:]
	}
	return dst, nil
}

// Close implements Engine.
func (e *Gorgonia) Close() error {
	return errors.Join(e.train.machine.Close(), e.infer.machine.Close())
}
