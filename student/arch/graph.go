package arch

import (
	"fmt"
	"math"

	"gorgonia.org/gorgonia"

	"rkd/student/op"
	"rkd/student/sampler"
)

// epsilon keeps batch normalisation's root away from 0 (PyTorch's default).
const epsilon = 1e-5

// Graph is a student as Gorgonia nodes.
type Graph struct {
	Embedding *gorgonia.Node  // (N,Dim)
	Params    gorgonia.Nodes  // one for each of Weights.Params, in order, sharing its memory
	Stats     []RunningUpdate // of the batch normalisations, in training mode only
	// Step is the number of the training step, (1) in the weights' element type, from which dropout draws its masks; nil
	// in inference mode and without dropout. Its value is memory of the graph: an engine writes the number there before
	// every run. It starts as NaN, which dropout refuses.
	Step *gorgonia.Node
}

// RunningUpdate says which running statistics a batch's own statistics move: Node is (2,C), batch mean and biased
// variance over Count values a channel; Mean and Variance are places in Weights.Buffers.
type RunningUpdate struct {
	Node           *gorgonia.Node
	Count          int
	Mean, Variance int
}

// Builder adds one network to the graph of its input node.
type Builder struct {
	g        *gorgonia.ExprGraph
	batch    int
	params   gorgonia.Nodes
	buffers  gorgonia.Nodes // nil in training without a body
	graph    *Graph
	seed     uint64
	training bool
}

// Build adds the network to the graph of x, which is (N,Input...). The weights' memory becomes the value of the
// parameter nodes, so a change of the weights is seen by the next run. In training mode batch normalisation uses the
// batch's statistics and reports them in Stats; otherwise it uses the running ones.
func (n *Network) Build(x *gorgonia.Node, w *Weights, training bool) (*Graph, error) {
	b := &Builder{g: x.Graph(), batch: x.Shape()[0], graph: new(Graph), seed: w.Seed, training: training}
	for _, t := range w.Params {
		b.params = append(b.params, b.node(t))
	}
	if !training || n.body != nil {
		for _, t := range w.Buffers {
			b.buffers = append(b.buffers, b.node(t))
		}
	}
	if n.body != nil {
		var err error
		if x, err = n.body.Build(b, x); err != nil {
			return nil, err
		}
	}
	embedding, err := b.chain(n.layers, x)
	if err != nil {
		return nil, err
	}
	b.graph.Embedding, b.graph.Params = embedding, b.params
	return b.graph, nil
}

func (b *Builder) node(t Tensor) *gorgonia.Node {
	return gorgonia.NewTensor(b.g, t.Value.Dtype(), t.Value.Dims(), gorgonia.WithShape(t.Value.Shape()...),
		gorgonia.WithName(t.Name), gorgonia.WithValue(t.Value))
}

func (b *Builder) chain(layers []layer, x *gorgonia.Node) (*gorgonia.Node, error) {
	for _, l := range layers {
		y, err := b.layer(l, x)
		if err != nil {
			return nil, fmt.Errorf("building layer %q: %w", l.name, err)
		}
		x = y
	}
	return x, nil
}

func (b *Builder) layer(l layer, x *gorgonia.Node) (*gorgonia.Node, error) {
	switch l.Kind {
	case Conv:
		return op.Conv2D(x, b.params[l.weight], b.bias(l), l.conv())
	case ConvTranspose:
		return op.ConvTranspose2D(x, b.params[l.weight], b.bias(l), op.ConvTransposeOptions{
			ConvOptions: l.conv(), OutputPad: [2]int{l.windows[0].OutputPad, l.windows[1].OutputPad},
		})
	case Linear:
		return op.Linear(x, b.params[l.weight], b.bias(l))
	case BatchNorm:
		return b.BatchNorm(x, Normalization{
			Weight: l.weight, Bias: l.bias, Mean: l.mean, Variance: l.variance,
			Epsilon: epsilon,
		})
	case LayerNorm:
		return op.LayerNorm(x, b.params[l.weight], b.params[l.bias], epsilon)
	case Dropout:
		return b.dropout(l, x)
	case MaxPool:
		return op.MaxPool2D(x, l.pool())
	case AvgPool:
		return op.AvgPool2D(x, l.pool())
	case Pad:
		border := [2]int{l.windows[0].Pad, l.windows[1].Pad}
		return op.Pad2D(x, op.PadOptions{Before: border, After: border})
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
		return op.L2Normalize(x, op.NormEpsilon)
	case Residual:
		return b.residual(l, x)
	case Concat:
		return b.concat(l, x)
	}
	return activation(l, x)
}

func activation(l layer, x *gorgonia.Node) (*gorgonia.Node, error) {
	switch l.Kind {
	case ReLU:
		return op.ReLU(x)
	case ReLU6:
		return op.ReLU6(x)
	case LeakyReLU:
		return op.LeakyReLU(x, l.Slope)
	case GELU:
		return op.GELU(x)
	case SiLU:
		return op.SiLU(x)
	case HardSwish:
		return op.HardSwish(x)
	case Sigmoid:
		return op.Sigmoid(x)
	case Tanh:
		return op.Tanh(x)
	case Softmax:
		return op.Softmax(x)
	}
	return nil, fmt.Errorf("%w: unknown kind", ErrConfig)
}

func (b *Builder) bias(l layer) *gorgonia.Node {
	if l.bias < 0 {
		return nil
	}
	return b.params[l.bias]
}

func (b *Builder) residual(l layer, x *gorgonia.Node) (*gorgonia.Node, error) {
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

func (b *Builder) concat(l layer, x *gorgonia.Node) (*gorgonia.Node, error) {
	var ends gorgonia.Nodes
	for _, branch := range l.branches {
		end, err := b.chain(branch, x)
		if err != nil {
			return nil, err
		}
		ends = append(ends, end)
	}
	return op.Concat(ends...)
}

// dropout adds nothing in inference mode.
func (b *Builder) dropout(l layer, x *gorgonia.Node) (*gorgonia.Node, error) {
	if !b.training {
		return x, nil
	}
	if b.graph.Step == nil {
		b.graph.Step = b.node(Tensor{Name: "step", Value: dense([]int{1}, []float64{math.NaN()}, x.Dtype())})
	}
	draw := sampler.Stream(b.seed, "dropout "+l.name, 0)
	return op.Dropout(x, b.graph.Step, op.DropoutOptions{Rate: l.Rate, Key: [2]uint64{draw.Uint64(), draw.Uint64()}})
}

func (l layer) conv() op.ConvOptions {
	h, w := l.windows[0], l.windows[1]
	return op.ConvOptions{
		Stride: [2]int{h.Stride, w.Stride}, Pad: [2]int{h.Pad, w.Pad}, Dilation: [2]int{h.Dilation, w.Dilation},
		Groups: l.Groups,
	}
}

func (l layer) pool() op.PoolOptions {
	h, w := l.windows[0], l.windows[1]
	return op.PoolOptions{
		Kernel: [2]int{h.Kernel, w.Kernel}, Stride: [2]int{h.Stride, w.Stride}, Pad: [2]int{h.Pad, w.Pad},
	}
}
