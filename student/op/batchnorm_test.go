package op

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"gorgonia.org/gorgonia"
)

// batchNormOp is BatchNorm with the statistics of x, on (x, gamma, beta).
func batchNormOp(eps float64) build {
	return func(in gorgonia.Nodes) (*gorgonia.Node, error) {
		stats, err := BatchStats(in[0])
		if err != nil {
			return nil, err
		}
		return BatchNorm(in[0], stats, in[1], in[2], eps)
	}
}

// batchNormInferenceOp is BatchNormInference on (x, mean, variance, gamma, beta).
func batchNormInferenceOp(eps float64) build {
	return func(in gorgonia.Nodes) (*gorgonia.Node, error) {
		return BatchNormInference(in[0], in[1], in[2], in[3], in[4], eps)
	}
}

// statistics are mean and biased variance of channel c.
func statistics(x array, c int) (mean, variance float64) {
	var values []float64
	filled(func(i []int) float64 {
		if i[1] == c {
			values = append(values, x.at(i...))
		}
		return 0
	}, x.Shape...)
	for _, v := range values {
		mean += v / float64(len(values))
	}
	for _, v := range values {
		variance += (v - mean) * (v - mean) / float64(len(values))
	}
	return mean, variance
}

func batchNormSpecs() map[string]spec {
	training := spec{op: batchNormOp(1e-3), reference: func(in []array) array {
		return filled(func(i []int) float64 {
			mean, variance := statistics(in[0], i[1])
			return in[1].at(i[1])*(in[0].at(i...)-mean)/math.Sqrt(variance+1e-3) + in[2].at(i[1])
		}, in[0].Shape...)
	}}
	inference := spec{op: batchNormInferenceOp(1e-5), reference: func(in []array) array {
		return filled(func(i []int) float64 {
			c := i[1]
			return in[3].at(c)*(in[0].at(i...)-in[1].at(c))/math.Sqrt(in[2].at(c)+1e-5) + in[4].at(c)
		}, in[0].Shape...)
	}}
	return map[string]spec{
		"batch norm/images":            training,
		"batch norm/vectors":           training,
		"batch norm/one image":         training,
		"batch norm inference/images":  inference,
		"batch norm inference/vectors": inference,
	}
}

func TestBatchStatsAreMeanAndBiasedVariance(t *testing.T) {
	for name, shape := range map[string][]int{"images": {3, 2, 4, 5}, "vectors": {7, 3}, "one value": {1, 2}} {
		t.Run(name, func(t *testing.T) {
			x := filled(func(i []int) float64 { return 1000 + float64((7*i[0]+3*i[1]+5*i[len(i)-1])%11) }, shape...)
			want := filled(func(i []int) float64 {
				mean, variance := statistics(x, i[1])
				return []float64{mean, variance}[i[0]]
			}, 2, shape[1])
			stats := func(in gorgonia.Nodes) (*gorgonia.Node, error) { return BatchStats(in[0]) }
			expectClose(t, "float64", forward[float64](t, stats, []array{x}), want, 1e-12)
			// A mean far from 0 must not cost float32 its variance.
			got := forward[float32](t, stats, []array{x})
			for c := range shape[1] {
				if d := math.Abs(got.at(1, c) - want.at(1, c)); d > 1e-4*(1+want.at(1, c)) {
					t.Errorf("float32 variance of channel %d is %g, want %g", c, got.at(1, c), want.at(1, c))
				}
			}
		})
	}
}

// Variances are added up about the mean of one plane, which may be far from all the others.
func TestBatchStatsStandAnOddFirstSample(t *testing.T) {
	for name, shape := range map[string][]int{"images": {64, 2, 5, 5}, "vectors": {64, 3}} {
		t.Run(name, func(t *testing.T) {
			x := random(rand.New(rand.NewPCG(4, 4)), shape...)
			for i := range len(x.Data) / shape[0] {
				x.Data[i] += 1000
			}
			got := forward[float32](t, func(in gorgonia.Nodes) (*gorgonia.Node, error) { return BatchStats(in[0]) }, []array{x})
			for c := range shape[1] {
				mean, variance := statistics(x, c)
				if math.Abs(got.at(0, c)-mean) > 1e-5*mean || math.Abs(got.at(1, c)-variance) > 1e-5*variance {
					t.Errorf("channel %d has mean %g and variance %g, expected %g and %g", c, got.at(0, c), got.at(1, c),
						mean, variance)
				}
			}
		})
	}
}

func TestBatchNormRefusesWhatDoesNotFit(t *testing.T) {
	raw := func(in gorgonia.Nodes) (*gorgonia.Node, error) { return BatchNorm(in[0], in[1], in[2], in[3], 1e-5) }
	stats := func(in gorgonia.Nodes) (*gorgonia.Node, error) { return BatchStats(in[0]) }
	x := []int{2, 3, 4, 4}
	expectRejected(t, map[string]rejection{
		"sequence":             {batchNormOp(1e-5), [][]int{{2, 3, 4}, {3}, {3}}, ErrShape},
		"gamma too short":      {batchNormOp(1e-5), [][]int{x, {2}, {3}}, ErrShape},
		"beta too long":        {batchNormOp(1e-5), [][]int{x, {3}, {4}}, ErrShape},
		"eps 0":                {batchNormOp(0), [][]int{x, {3}, {3}}, ErrOption},
		"eps NaN":              {batchNormOp(math.NaN()), [][]int{x, {3}, {3}}, ErrOption},
		"stats of other width": {raw, [][]int{x, {2, 4}, {3}, {3}}, ErrShape},
		"stats of one row":     {raw, [][]int{x, {1, 3}, {3}, {3}}, ErrShape},
		"stats of a vector":    {stats, [][]int{{3}}, ErrShape},
		"inference, sequence":  {batchNormInferenceOp(1e-5), [][]int{{2, 3, 4}, {3}, {3}, {3}, {3}}, ErrShape},
		"inference, mean":      {batchNormInferenceOp(1e-5), [][]int{x, {2}, {3}, {3}, {3}}, ErrShape},
		"inference, variance":  {batchNormInferenceOp(1e-5), [][]int{x, {3}, {4}, {3}, {3}}, ErrShape},
		"inference, eps":       {batchNormInferenceOp(-1), [][]int{x, {3}, {3}, {3}, {3}}, ErrOption},
	})
}

func TestNormalisationsThatDifferInEpsAreTwoNodes(t *testing.T) {
	expectMerged(t, false, batchNormOp(1e-5), batchNormOp(1e-3), []int{2, 3}, []int{3}, []int{3})
	expectMerged(t, true, batchNormOp(1e-5), batchNormOp(1e-5), []int{2, 3}, []int{3}, []int{3})
}

func TestUpdateRunningFollowsPyTorch(t *testing.T) {
	// torch.nn.BatchNorm1d(2) in training on [[1, 10], [2, 20], [6, 60]] and then on [[0, 0], [2, 4]]
	mean, variance := []float64{0, 0}, []float64{1, 1}
	for _, batch := range []struct {
		stats []float64
		n     int
	}{
		{[]float64{3, 30, 14.0 / 3, 1400.0 / 3}, 3},
		{[]float64{1, 2, 1, 4}, 2},
	} {
		if err := UpdateRunning(mean, variance, batch.stats, batch.n, 0.1); err != nil {
			t.Fatal(err)
		}
	}
	expectClose(t, "mean", array{[]int{2}, mean}, array{[]int{2}, []float64{0.37, 2.9}}, 1e-12)
	expectClose(t, "variance", array{[]int{2}, variance}, array{[]int{2}, []float64{1.64, 64.61}}, 1e-12)
}

func TestUpdateRunningRefusesWhatDoesNotFit(t *testing.T) {
	v := make([]float32, 4)
	for name, c := range map[string]struct {
		mean, variance, stats []float32
		n                     int
		momentum              float64
		want                  error
	}{
		"variance too short": {v[:2], v[:1], v, 4, 0.1, ErrShape},
		"stats too short":    {v[:2], v[:2], v[:3], 4, 0.1, ErrShape},
		"no samples":         {v[:2], v[:2], v, 0, 0.1, ErrShape},
		"momentum":           {v[:2], v[:2], v, 4, 1.1, ErrOption},
		"momentum NaN":       {v[:2], v[:2], v, 4, math.NaN(), ErrOption},
		"one sample":         {v[:2], v[:2], v, 1, 0.1, nil},
	} {
		if err := UpdateRunning(c.mean, c.variance, c.stats, c.n, c.momentum); !errors.Is(err, c.want) {
			t.Errorf("%s: error %v, want %v", name, err, c.want)
		}
	}
}
