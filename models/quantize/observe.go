package quantize

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/proto"

	"rkd/models/onnx"
	"rkd/models/ort"
)

// Batch is the input of one run.
type Batch struct {
	Rows int // of the batch that count; the rest is padding
	// Input makes the runtime's value, which is closed after the run.
	Input func() (ort.Value, error)
}

// Methods of choosing ranges.
const (
	Max        = "max"              // everything that was seen
	Percentile = "percentile 99.99" // all but a ten-thousandth at each end
	Tighter    = "percentile 99.9"
	Entropy    = "entropy" // the clipping whose 8-bit distribution diverges least from what was seen
)

// Methods lists them.
var Methods = []string{Max, Percentile, Tighter, Entropy}

const (
	bins   = 2048
	levels = 128 // that an absolute value has in 8 bits
	enough = 50  // values a bin: fewer do not estimate a distribution
)

// Observation holds the histograms of a model's activations.
type Observation struct {
	tensors map[string]*histogram
}

// histogram counts the values of a tensor.
type histogram struct {
	low, high float64
	signed    [bins]float64 // between low and high
	absolute  [bins]float64 // between 0 and the larger of their absolute values
	total     float64
}

// Observe runs a model on batches, twice, and counts the values of the activations that Int8 needs ranges of.
func Observe(ctx context.Context, m *onnx.Model, batches []Batch) (*Observation, error) {
	names, err := Tensors(m)
	if err != nil {
		return nil, err
	}
	g, err := open(m)
	if err != nil {
		return nil, err
	}
	o := &Observation{tensors: map[string]*histogram{}}
	inputs := map[string]bool{}
	for _, v := range g.Input {
		inputs[v.GetName()] = true
	}
	for _, name := range names {
		o.tensors[name] = &histogram{low: math.Inf(1), high: math.Inf(-1)}
	}
	g.Node = append(g.Node, copies(g, names, inputs)...)
	g.ValueInfo = nil // the runtime infers types
	if err := g.model.Tap(tapped(names, inputs)...); err != nil {
		return nil, err
	}
	s, err := ort.NewSession(g.model, ort.Options{})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrModel, err)
	}
	defer s.Close()
	for _, pass := range []func(*histogram, []float32){(*histogram).stretch, (*histogram).count} {
		for _, b := range batches {
			err := run(ctx, s, b, func(i int, rows []float32) { pass(o.tensors[names[i]], rows) })
			if err != nil {
				return nil, err
			}
		}
	}
	return o, nil
}

// copySuffix ends the name of a copy of an input, which a graph cannot return itself.
const copySuffix = "_observed"

func copies(g *graph, names []string, inputs map[string]bool) []*onnx.NodeProto {
	var nodes []*onnx.NodeProto
	for _, name := range names {
		if inputs[name] {
			nodes = append(nodes, node(g.unused(name+copySuffix), "Identity", name))
		}
	}
	return nodes
}

func tapped(names []string, inputs map[string]bool) []string {
	list := slices.Clone(names)
	for i, name := range list {
		if inputs[name] {
			list[i] += copySuffix
		}
	}
	return list
}

// run runs a session on a batch and calls use with the rows of each output that count.
func run(ctx context.Context, s *ort.Session, b Batch, use func(output int, rows []float32)) (err error) {
	in, err := b.Input()
	if err != nil {
		return err
	}
	outputs := make([]ort.Value, len(s.Outputs()))
	defer func() {
		for _, v := range append(outputs, in) {
			if v != nil {
				err = errors.Join(err, v.Close())
			}
		}
	}()
	if err := s.Run(ctx, []ort.Value{in}, outputs); err != nil {
		return err
	}
	for i, v := range outputs {
		t, ok := v.(*ort.Tensor[float32])
		if !ok {
			return fmt.Errorf("%w: output %d is %s, expected float32", ErrModel, i, v.Elem())
		}
		values := t.Data()
		use(i, values[:len(values)/t.Shape()[0]*b.Rows])
	}
	return nil
}

func (h *histogram) stretch(values []float32) {
	for _, v := range values {
		h.low, h.high = min(h.low, float64(v)), max(h.high, float64(v))
	}
}

func (h *histogram) count(values []float32) {
	width := (h.high - h.low) / bins
	most := max(math.Abs(h.low), math.Abs(h.high)) / bins
	for _, v := range values {
		h.signed[place(float64(v)-h.low, width)]++
		h.absolute[place(math.Abs(float64(v)), most)]++
	}
	h.total += float64(len(values))
}

func place(x, width float64) int {
	if width <= 0 {
		return 0
	}
	return min(max(int(x/width), 0), bins-1)
}

// Ranges chooses ranges by a method.
func (o *Observation) Ranges(method string) map[string]Range {
	ranges := make(map[string]Range, len(o.tensors))
	for name, h := range o.tensors {
		switch method {
		case Percentile:
			ranges[name] = h.percentile(1e-4)
		case Tighter:
			ranges[name] = h.percentile(1e-3)
		case Entropy:
			ranges[name] = h.entropy()
		default:
			ranges[name] = Range{h.low, h.high}
		}
	}
	return ranges
}

// percentile leaves out a share of the values at each end.
func (h *histogram) percentile(share float64) Range {
	width := (h.high - h.low) / bins
	left, low := h.total*share, 0
	for low < bins-1 && left >= h.signed[low] {
		left -= h.signed[low]
		low++
	}
	left = h.total * share
	high := bins - 1
	for high > low && left >= h.signed[high] {
		left -= h.signed[high]
		high--
	}
	return Range{h.low + float64(low)*width, h.low + float64(high+1)*width}
}

// entropy clips absolute values where the distribution that 8 bits can tell apart has the least Kullback-Leibler
// divergence from what was seen, everything beyond counted at the edge. Of few values the range is all of them.
//
//	KL(P‖Q) = Σ p·log(p/q)
//
// Source: Migacz, 8-bit inference with TensorRT, GTC 2017.
func (h *histogram) entropy() Range {
	if h.total < enough*bins {
		return Range{h.low, h.high}
	}
	most := max(math.Abs(h.low), math.Abs(h.high))
	best, at := math.Inf(1), bins
	for edge := levels; edge <= bins; edge += levels / 8 {
		if d := h.divergence(edge); d < best {
			best, at = d, edge
		}
	}
	limit := most * float64(at) / bins
	return Range{max(h.low, -limit), min(h.high, limit)}
}

// divergence is that of clipping at a bin.
func (h *histogram) divergence(edge int) float64 {
	p := slices.Clone(h.absolute[:edge])
	for _, n := range h.absolute[edge:] {
		p[edge-1] += n
	}
	sum, kl := 0.0, 0.0
	q := make([]float64, edge)
	for l := range levels {
		from, to := l*edge/levels, (l+1)*edge/levels
		total, filled := 0.0, 0.0
		for i := from; i < to; i++ {
			if h.absolute[i] > 0 {
				total, filled = total+h.absolute[i], filled+1
			}
		}
		for i := from; i < to; i++ {
			if h.absolute[i] > 0 {
				q[i] = total / filled
				sum += q[i]
			}
		}
	}
	if sum == 0 {
		return math.Inf(1)
	}
	for i, n := range p {
		if n > 0 {
			kl += n / h.total * math.Log(n/h.total/max(q[i]/sum, 1e-12))
		}
	}
	return kl
}

// Embeddings are the rows of a model's first output on batches.
func Embeddings(ctx context.Context, m *onnx.Model, batches []Batch) ([]float32, error) {
	first := &onnx.Model{Proto: proto.Clone(m.Proto).(*onnx.ModelProto), Dir: m.Dir}
	if err := first.Tap(m.Outputs()[0].Name); err != nil {
		return nil, err
	}
	s, err := ort.NewSession(first, ort.Options{})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrModel, err)
	}
	defer s.Close()
	var all []float32
	for _, b := range batches {
		if err := run(ctx, s, b, func(_ int, rows []float32) { all = append(all, rows...) }); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Error compares rows of width d with those that they stand for: the squared distance, relative to the spread,
//
//	Σ‖y_i − x_i‖² / Σ‖x_i − x̄‖²
func Error(want, got []float32, d int) float64 {
	mean := make([]float64, d)
	rows := len(want) / d
	for i, v := range want {
		mean[i%d] += float64(v) / float64(rows)
	}
	wrong, spread := 0.0, 0.0
	for i, v := range want {
		e, s := float64(got[i])-float64(v), float64(v)-mean[i%d]
		wrong, spread = wrong+e*e, spread+s*s
	}
	if spread == 0 {
		return wrong
	}
	return wrong / spread
}

// Cost is what quantising a layer alone costs.
type Cost struct {
	Layer
	Error float64 // of the embeddings, see Error
}

// Sensitivity measures what each layer costs when it alone is quantised, dearest first. want are the embeddings of
// batches by the model in float, of width d.
func Sensitivity(ctx context.Context, m *onnx.Model, ranges map[string]Range, batches []Batch, want []float32, d int,
) ([]Cost, error) {
	layers, err := Layers(m)
	if err != nil {
		return nil, err
	}
	costs := make([]Cost, len(layers))
	for i, l := range layers {
		q, err := Int8(m, ranges, func(name string) bool { return name == l.Name })
		if err != nil {
			return nil, err
		}
		got, err := Embeddings(ctx, q, batches)
		if err != nil {
			return nil, fmt.Errorf("with layer %q quantised: %w", l.Name, err)
		}
		costs[i] = Cost{l, Error(want, got, d)}
	}
	slices.SortStableFunc(costs, func(a, b Cost) int { return cmp.Compare(b.Error, a.Error) })
	return costs, nil
}
