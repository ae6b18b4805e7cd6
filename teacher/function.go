package teacher

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"rkd/datasets"
	"rkd/models/onnx"
)

// ErrNotFunction is wrapped by errors about a model whose row for a sample is not a function of that sample alone: what
// a cache holds of it would be an accident of the batch.
var ErrNotFunction = errors.New("the model is not a function of one sample")

// The largest ‖a-b‖ / ‖a‖ between two rows for one sample that counts as rounding: sums of other lengths are added up
// in another order, and models of half precision round every intermediate result.
const (
	rounding     = 1e-3
	halfRounding = 2e-2
	// scaleRounding holds where a node takes one scale for all rows: those are known to differ.
	scaleRounding = 1e-4
)

// Notes say in words what Open decided that the configuration does not say.
func (m *Model) Notes() []string { return m.notes }

// settle probes the model at the configured batch and, where the graph cannot compute that because it fixes a batch
// inside, at one sample and at the sizes that its nodes name.
func (m *Model) settle(ctx context.Context, graph *onnx.Model, samples []datasets.Sample) (cast []string, err error) {
	cast, err = m.probe(ctx, samples)
	if err == nil || len(cast) > 0 || m.fixed || m.batch == 1 || errors.Is(err, ErrOptions) {
		return cast, err
	}
	configured, first := m.batch, err
	sizes := []int{1}
	for _, d := range graph.Dependences() {
		if d.Kind == onnx.DependsOnSize && d.Size <= maxFixedBatch && !slices.Contains(sizes, int(d.Size)) {
			sizes = append(sizes, int(d.Size))
		}
	}
	m.fixed = true
	for _, size := range sizes {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		m.batch = size
		if cast, err = m.probe(ctx, samples); err == nil || len(cast) > 0 {
			m.notes = append(m.notes, fmt.Sprintf("takes batches of %d: the graph fixes that size inside", size))
			return cast, err
		}
	}
	m.batch, m.fixed = configured, false
	return nil, first
}

// maxFixedBatch bounds the batches that are tried because a node names their size.
const maxFixedBatch = 1024

// checkFunction holds what the model says of two samples alone against what it says of them together, in the other
// order, and again. Where rows depend on their neighbours and nothing speaks against it, one sample a run is taken from
// then on. With one sample only, the model is run on it twice.
func (m *Model) checkFunction(ctx context.Context, graph *onnx.Model, samples []datasets.Sample) error {
	suspects := graph.Dependences()
	limit := tolerance(graph, suspects, m.options.Provider)
	samples = samples[:min(len(samples), m.batch)]
	together, err := m.rows(ctx, samples...)
	if err != nil {
		return err
	}
	again, err := m.rows(ctx, samples...)
	if err != nil {
		return err
	}
	if far := distance(together, again); far > limit {
		return fmt.Errorf("%w: two runs on the same samples differ by %.2g of the embedding's length%s; export it for "+
			"inference (in PyTorch: model.eval())", ErrNotFunction, far, blame(suspects, onnx.DependsOnChance,
			onnx.DependsOnTraining))
	}
	if len(samples) < 2 {
		return nil
	}
	swapped, err := m.rows(ctx, samples[1], samples[0])
	if err != nil {
		return err
	}
	far := distance(together, [][][]float32{swapped[1], swapped[0]})
	for i, s := range samples {
		alone, err := m.rows(ctx, s)
		if err != nil {
			return err
		}
		far = max(far, distance(together[i:i+1], alone))
	}
	if far <= limit {
		return nil
	}
	why := blame(suspects, onnx.DependsOnTraining, onnx.DependsOnBatch, onnx.DependsOnScale)
	of := func(kind onnx.DependenceKind) bool {
		return slices.ContainsFunc(suspects, func(d onnx.Dependence) bool { return d.Kind == kind })
	}
	switch {
	case of(onnx.DependsOnTraining):
		return fmt.Errorf("%w: a sample's row depends on the others of its batch, by %.2g of its length%s; export it for "+
			"inference (in PyTorch: model.eval())", ErrNotFunction, far, why)
	case of(onnx.DependsOnBatch) || m.fixed:
		return fmt.Errorf("%w: a sample's row depends on the others of its batch, by %.2g of its length%s; where it is "+
			"meant to see one sample at a time, export it so and set teacher.batch: 1", ErrNotFunction, far, why)
	}
	m.batch = 1
	m.notes = append(m.notes,
		fmt.Sprintf("takes one sample at a time: together with others its row changes by %.2g of its "+
			"length%s", far, why))
	return nil
}

// rows runs the model on samples and returns each sample's row of every output.
func (m *Model) rows(ctx context.Context, samples ...datasets.Sample) ([][][]float32, error) {
	b, err := datasets.Gather(ctx, m.Transform(), m.batch, samples...)
	if err != nil {
		return nil, err
	}
	results := m.room(b)
	if err := m.compute(ctx, b, results); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrShape, err)
	}
	rows := make([][][]float32, len(samples))
	for i := range rows {
		for k, o := range m.outputs {
			rows[i] = append(rows[i], results[k][i*o.size:(i+1)*o.size])
		}
	}
	return rows, nil
}

// distance is the largest ‖a-b‖ / max(‖a‖, ‖b‖) over the rows of all outputs. What is not finite in both is equal.
func distance(a, b [][][]float32) (far float64) {
	for i := range a {
		for k := range a[i] {
			var between, lengthA, lengthB float64
			for j, x := range a[i][k] {
				x, y := float64(x), float64(b[i][k][j])
				if badX, badY := math.IsNaN(x) || math.IsInf(x, 0), math.IsNaN(y) || math.IsInf(y, 0); badX || badY {
					if badX != badY {
						return math.Inf(1)
					}
					continue
				}
				between += (x - y) * (x - y)
				lengthA += x * x
				lengthB += y * y
			}
			if between > 0 {
				far = max(far, math.Sqrt(between/max(lengthA, lengthB)))
			}
		}
	}
	return far
}

// tolerance is the distance that counts as rounding for a graph.
func tolerance(graph *onnx.Model, suspects []onnx.Dependence, provider string) float64 {
	switch {
	case slices.ContainsFunc(suspects, func(d onnx.Dependence) bool { return d.Kind == onnx.DependsOnScale }):
		return scaleRounding
	case graph.HalfPrecision() || provider != "" && provider != "cpu":
		return halfRounding
	}
	return rounding
}

// blame names the first suspect of the kinds, in the order of the kinds.
func blame(suspects []onnx.Dependence, kinds ...onnx.DependenceKind) string {
	for _, kind := range kinds {
		for _, d := range suspects {
			if d.Kind == kind {
				return fmt.Sprintf(", likely because of %s", d)
			}
		}
	}
	return ""
}
