package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/datasets/memory"
	"rkd/models/ort"
	"rkd/student/arch"
	"rkd/student/internal/parallel"
)

// opset is the version of ONNX's operators that graphs are lowered to.
const opset = 17

// Options say how ONNXRuntime computes.
type Options struct {
	Threads         int               // of one operator; 0: one per core
	Provider        string            // execution provider, such as cuda; "" and cpu: the processor
	ProviderOptions map[string]string // of the provider, by the runtime's names
}

// ONNXRuntime is the Engine on ONNX Runtime.
//
// The training graph and its gradients (gorgonia.Backpropagate from a gradient on the embedding) are divided into as
// few ONNX models as possible; operators without a fast ONNX form run their own kernels between them. All work on the
// same memory, weights and samples included, bound once.
type ONNXRuntime struct {
	host
	net *arch.Network

	input     []float32
	forward   []run
	embedding []float32
	gradient  []float32 // on the embedding
	backward  []run
	copies    [][2][]float32 // to, from: gradients that are equal

	team     *parallel.Team
	products *products

	inferInput  []float32
	infer       []run
	inferOutput []float32
}

// NewONNXRuntime compiles net for training steps of batch samples and for inference. The engine works on the memory of
// weights: a step reads the parameters there and writes them there. ort.Init must have loaded ONNX Runtime.
//
// Errors wrap ErrOperator for a node that can neither be lowered nor be run, and ort.ErrProvider when the library lacks
// the provider.
func NewONNXRuntime(net *arch.Network, weights *arch.Weights, batch int, o Options) (*ONNXRuntime, error) {
	team := parallel.NewTeam(o.Threads)
	e := &ONNXRuntime{host: host{weights: weights}, net: net, team: team, products: newProducts()}
	session := ort.Options{Threads: o.Threads, Provider: o.Provider, ProviderOptions: o.ProviderOptions}
	if err := e.compileTraining(batch, session); err != nil {
		return nil, errors.Join(fmt.Errorf("compiling the training graph: %w", err), e.Close())
	}
	if err := e.compileInference(batch, session); err != nil {
		return nil, errors.Join(fmt.Errorf("compiling the inference graph: %w", err), e.Close())
	}
	return e, nil
}

// leaf adds a node that has memory of its own.
func leaf(g *gorgonia.ExprGraph, name string, shape ...int) (*gorgonia.Node, []float32) {
	data := memory.Make[float32](tensor.Shape(shape).TotalSize())
	return gorgonia.NewTensor(g, tensor.Float32, len(shape), gorgonia.WithShape(shape...), gorgonia.WithName(name),
		gorgonia.WithValue(tensor.New(tensor.WithShape(shape...), tensor.WithBacking(data)))), data
}

func (e *ONNXRuntime) compileTraining(batch int, o ort.Options) error {
	g := gorgonia.NewGraph()
	x, input := leaf(g, "input", append([]int{batch}, e.net.Input...)...)
	graph, err := e.net.Build(x, e.weights, true)
	if err != nil {
		return err
	}
	gradient, onEmbedding := leaf(g, "embedding_gradient", batch, e.net.Dim)
	grads, err := gorgonia.Backpropagate(gorgonia.Nodes{graph.Embedding}, gorgonia.Nodes{gradient}, graph.Params)
	if err != nil {
		return fmt.Errorf("differentiating: %w", err)
	}
	forward := gorgonia.Nodes{graph.Embedding}
	for _, s := range graph.Stats {
		forward = append(forward, s.Node)
	}
	p, err := newPlan(forward, grads, o.OnProcessor())
	if err != nil {
		return err
	}
	e.steps.bind(graph.Step)
	e.input, e.gradient, e.embedding = input, onEmbedding, p.values[graph.Embedding].data
	for _, s := range graph.Stats {
		data := p.values[s.Node].data
		e.stats = append(e.stats, batchStats{s, func() []float32 { return data }})
	}
	var seen []*value
	for _, n := range grads {
		v := p.values[n]
		if slices.Contains(seen, v.base) || v.base.operation == nil {
			own := memory.Make[float32](len(v.data))
			e.copies = append(e.copies, [2][]float32{own, v.data})
			e.grads = append(e.grads, own)
			continue
		}
		seen = append(seen, v.base)
		e.grads = append(e.grads, v.data)
	}
	runs, err := p.compile(o, e.products, e.team)
	e.forward, e.backward = runs[:min(len(runs), p.phases[0])], runs[min(len(runs), p.phases[0]):]
	return err
}

func (e *ONNXRuntime) compileInference(batch int, o ort.Options) error {
	x, input := leaf(gorgonia.NewGraph(), "input", append([]int{batch}, e.net.Input...)...)
	graph, err := e.net.Build(x, e.weights, false)
	if err != nil {
		return err
	}
	p, err := newPlan(gorgonia.Nodes{graph.Embedding}, nil, o.OnProcessor())
	if err != nil {
		return err
	}
	e.inferInput, e.inferOutput = input, p.values[graph.Embedding].data
	e.infer, err = p.compile(o, e.products, e.team)
	return err
}

// Step implements Engine.
func (e *ONNXRuntime) Step(x []float32, rate float64, objective Objective) (Result, error) {
	if len(x) != len(e.input) {
		return Result{}, fmt.Errorf("%w: %d values for a batch of %d", ErrInput, len(x), len(e.input))
	}
	return e.step(rate, objective, func(objective Objective) error {
		copy(e.input, x)
		if err := runAll(e.forward); err != nil {
			return fmt.Errorf("running a training step forward: %w", err)
		}
		e.team.Rest()
		clear(e.gradient)
		if _, err := objective(e.embedding, e.gradient); err != nil {
			return err
		}
		if err := runAll(e.backward); err != nil {
			return fmt.Errorf("running a training step backward: %w", err)
		}
		e.team.Rest()
		for _, c := range e.copies {
			copy(c[0], c[1])
		}
		return nil
	})
}

// Embed implements Engine.
func (e *ONNXRuntime) Embed(ctx context.Context, dst, x []float32) ([]float32, error) {
	sample := tensor.Shape(e.net.Input).TotalSize()
	if len(x)%sample != 0 {
		return nil, fmt.Errorf("%w: %d values are no whole number of samples of %d", ErrInput, len(x), sample)
	}
	for len(x) > 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n := copy(e.inferInput, x)
		clear(e.inferInput[n:])
		if err := runAll(e.infer); err != nil {
			return nil, fmt.Errorf("running inference: %w", err)
		}
		dst = append(dst, e.inferOutput[:n/sample*e.net.Dim]...)
		x = x[n:]
	}
	return dst, nil
}

// Close implements Engine: it gives sessions and tensors back to the runtime. Weights and gradients stay.
func (e *ONNXRuntime) Close() error {
	err := errors.Join(closeAll(e.forward), closeAll(e.backward), closeAll(e.infer), e.products.close())
	e.forward, e.backward, e.infer = nil, nil, nil
	e.team.Close()
	return err
}
