package pipeline

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"rkd/datasets"
	"rkd/models/onnx"
	"rkd/models/ort"
	"rkd/models/quantize"
	"rkd/pipeline/eval"
)

const (
	// calibrationBatch is the number of samples that are watched at a time.
	calibrationBatch = 16
	// sensitivitySamples are those on which ranges and layers are compared.
	sensitivitySamples = 128
)

// int8 finds the ranges, and the fewest layers to be left in float.
func (r *Runner) int8(ctx context.Context, s *student, m *onnx.Model, g *gate, done *Quantized) (*onnx.Model, error) {
	batches, err := r.calibration(ctx, s, m, g.options.Calibrate)
	if err != nil {
		return nil, err
	}
	for _, b := range batches {
		done.Samples += b.Rows
	}
	seen, err := quantize.Observe(ctx, m, batches)
	if err != nil {
		return nil, err
	}
	some := batches[:min(len(batches), sensitivitySamples/calibrationBatch)]
	want, err := quantize.Embeddings(ctx, m, some)
	if err != nil {
		return nil, err
	}
	ranges, err := r.bestRanges(ctx, m, s.network.Dim, seen, some, want, done)
	if err != nil {
		return nil, err
	}
	costs, err := quantize.Sensitivity(ctx, m, ranges, some, want, s.network.Dim)
	if err != nil {
		return nil, err
	}
	done.All = len(costs)
	var best *onnx.Model
	// try leaves the first layers in float.
	try := func(left int) (fits bool, err error) {
		q, err := quantize.Int8(m, ranges, func(name string) bool {
			return slices.IndexFunc(costs, func(c quantize.Cost) bool { return c.Name == name }) >= left
		})
		if err != nil {
			return false, err
		}
		drop, refused, err := g.check(ctx, q)
		if err != nil {
			return false, err
		}
		if !refused || done.Drop == nil {
			best, done.Drop, done.Refused, done.Layers = q, drop, refused, len(costs)-left
			done.Float = nil
			for _, c := range costs[:left] {
				done.Float = append(done.Float, c.Name)
			}
		}
		return !refused, nil
	}
	err = fewest(len(costs), try)
	return best, err
}

// fewest calls fits with numbers of layers to be left in float, of n that there are: 0 first, then, quality growing
// with their number but for noise, halves of what is left. All of them are none quantised, and not asked for.
func fewest(n int, fits func(left int) (bool, error)) error {
	if ok, err := fits(0); ok || err != nil {
		return err
	}
	for low, high := 1, n; low < high; {
		middle := (low + high) / 2
		ok, err := fits(middle)
		switch {
		case err != nil:
			return err
		case ok:
			high = middle
		default:
			low = middle + 1
		}
	}
	return nil
}

// bestRanges takes the method whose embeddings are nearest to those in float.
func (r *Runner) bestRanges(ctx context.Context, m *onnx.Model, dim int, seen *quantize.Observation,
	batches []quantize.Batch, want []float32, done *Quantized,
) (map[string]quantize.Range, error) {
	type candidate struct {
		method string
		ranges map[string]quantize.Range
		err    float64
	}
	var all []candidate
	for _, method := range quantize.Methods {
		c := candidate{method: method, ranges: seen.Ranges(method)}
		q, err := quantize.Int8(m, c.ranges, func(string) bool { return true })
		if err != nil {
			return nil, err
		}
		got, err := quantize.Embeddings(ctx, q, batches)
		if err != nil {
			return nil, err
		}
		c.err = quantize.Error(want, got, dim)
		all = append(all, c)
	}
	best := slices.MinFunc(all, func(a, b candidate) int { return cmp.Compare(a.err, b.err) })
	done.Ranges = best.method
	return best.ranges, nil
}

// calibration makes batches of training samples, as the model takes them.
func (r *Runner) calibration(ctx context.Context, s *student, m *onnx.Model, count int) ([]quantize.Batch, error) {
	data, err := r.dataset(ctx, "train")
	if err != nil {
		return nil, err
	}
	samples, err := datasets.Spread(ctx, data, count)
	if err != nil {
		return nil, err
	}
	if len(samples) == 0 {
		return nil, fmt.Errorf("%w: no training sample to calibrate with", eval.ErrInput)
	}
	elem := datasets.Float32
	p := *s.config.Student.Preprocess
	baked := m.Inputs()[0].Elem == onnx.Uint8
	if baked {
		elem, p.Layout = datasets.Uint8, "NHWC"
	}
	t, err := datasets.NewPictures(p, elem, s.about.size())
	if err != nil {
		return nil, err
	}
	var batches []quantize.Batch
	for some := range slices.Chunk(samples, calibrationBatch) {
		b, err := datasets.Gather(ctx, t, len(some), some...)
		if err != nil {
			return nil, err
		}
		shape := append([]int{len(some)}, t.Shape()...)
		batches = append(batches, quantize.Batch{Rows: len(some), Input: func() (ort.Value, error) {
			if baked {
				return ort.NewTensor(shape, b.Values.Uint8)
			}
			return ort.NewTensor(shape, b.Values.Float32)
		}})
	}
	return batches, nil
}
