package arch

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/student/op"
)

// epsilon keeps batch normalisation's root away from 0 (PyTorch's default).
const epsilon = 1e-5

// Graph is a student as Gorgonia nodes.
type Graph struct {
	Embedding *gorgonia.Node  // (N,Dim)
	Params    gorgonia.Nodes  // one for each of Weights.Params, in order, sharing its memory
	Stats     []RunningUpdate // of the batch normalisations, in training mode only
}

// RunningUpdate says which running statistics a batch's own statistics move: Node is (2,C), batch mean and biased variance
// over Count values a channel; Mean and Variance are places in Weights.Buffers.
type RunningUpdate struct {
	Node           *gorgonia.Node
	Count          int
	Mean, Variance int
}

// builder adds one network to the graph of its input node.
type builder struct {
	g        *gorgonia.ExprGraph
	batch    int
	params   gorgonia.Nodes
	buffers  gorgonia.Nodes // inference only
	graph    *Graph
	training bool
}

// Build adds the network to the graph of x, which is (N,Input...). The weights' memory becomes the value of the parameter
// nodes, so a change of the weights is seen by the next run. In training mode batch normalisation uses the batch's
// statistics and reports them in Stats; otherwise it uses the running ones.
func (n *Network) Build(x *gorgonia.Node, w *Weights, training bool) (*Graph, error) {
	b := &builder{g: x.Graph(), batch: x.Shape()[0], graph: new(Graph), training: training}
	for _, t := range w.Params {
		b.params = append(b.params, b.node(t))
	}
	if !training {
		for _, t := range w.Buffers {
			b.buffers = append(b.buffers, b.node(t))
		}
	}
	embedding, err := b.chain(n.layers, x)
	if err != nil {
		return nil, err
	}
	b.graph.Embedding, b.graph.Params = embedding, b.params
	return b.graph, nil
}

func (b *builder) node(t Tensor) *gorgonia.Node {
	return gorgonia.NewTensor(b.g, t.Value.Dtype(), t.Value.Dims(), gorgonia.WithShape(t.Value.Shape()...),
		gorgonia.WithName(t.Name), gorgonia.WithValue(t.Value))
}

func (b *builder) chain(layers []layer, x *gorgonia.Node) (*gorgonia.Node, error) {
	for _, l := range layers {
		y, err := b.layer(l, x)
		if err != nil {
			return nil, fmt.Errorf("building layer %q: %w", l.name, err)
		}
		x = y
	}
	return x, nil
}

func (b *builder) layer(l layer, x *gorgonia.Node) (*gorgonia.Node, error) {
	switch l.Kind {
	case Conv:
		return op.Conv2D(x, b.params[l.weight], b.bias(l), op.ConvOptions{
			Stride: square(l.Stride), Pad: square(l.Pad), Dilation: square(l.Dilation), Groups: l.Groups,
		})
	case Linear:
		return op.Linear(x, b.params[l.weight], b.bias(l))
	case BatchNorm:
		return b.batchNorm(l, x)
	case ReLU:
		return op.ReLU(x)
	case MaxPool:
		return op.MaxPool2D(x, pool(l))
	case AvgPool:
		return op.AvgPool2D(x, pool(l))
	case GlobalAvgPool:
		return op.GlobalAvgPool(x)
	case GlobalMaxPool:
		return op.GlobalMaxPool(x)
	case Flatten:
		if len(l.in) == 1 {
			return x, nil
		}
		return op.Flatten(x)
	case L2Normalize:
		return op.L2Normalize(x, 1e-12)
	case Residual:
		return b.residual(l, x)
	}
	return nil, fmt.Errorf("%w: unknown kind", ErrConfig)
}

func (b *builder) bias(l layer) *gorgonia.Node {
	if l.bias < 0 {
		return nil
	}
	return b.params[l.bias]
}

func (b *builder) batchNorm(l layer, x *gorgonia.Node) (*gorgonia.Node, error) {
	gamma, beta := b.params[l.weight], b.params[l.bias]
	if !b.training {
		return op.BatchNormInference(x, b.buffers[l.mean], b.buffers[l.variance], gamma, beta, epsilon)
	}
	stats, err := op.BatchStats(x)
	if err != nil {
		return nil, err
	}
	count := b.batch * tensor.Shape(l.in[1:]).TotalSize()
	b.graph.Stats = append(b.graph.Stats, RunningUpdate{Node: stats, Count: count, Mean: l.mean, Variance: l.variance})
	return op.BatchNorm(x, stats, gamma, beta, epsilon)
}

func (b *builder) residual(l layer, x *gorgonia.Node) (*gorgonia.Node, error) {
	body, err := b.chain(l.body, x)
	if err != nil {
		return nil, err
	}
	shortcut, err := b.chain(l.shortcut, x)
	if err != nil {
		return nil, err
	}
	return op.Add(body, shortcut)
}

func square(v int) [2]int { return [2]int{v, v} }

func pool(l layer) op.PoolOptions {
	return op.PoolOptions{Kernel: square(l.Kernel), Stride: square(l.Stride), Pad: square(l.Pad)}
}
