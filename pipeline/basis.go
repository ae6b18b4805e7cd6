package pipeline

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"

	"rkd/datasets"
	"rkd/pipeline/cache"
	"rkd/pipeline/config"
	"rkd/teacher"
)

// Principal components are fitted when a cache is planned, so that its shards are functions of the plan. fitSamples
// samples are enough for directions that thousands of samples share, or as many as fitPerDim for each number of the
// embedding: those with the smallest SHA-256, a choice that does not depend on their order or names.
const (
	fitSamples = 8192
	fitPerDim  = 8
)

// basis returns what reduces the embeddings of a cache, nil where it holds them whole: that of the folder, if it has a
// plan, or one that is fitted to training samples, in view 0.
func (r *Runner) basis(ctx context.Context, c *config.Config, model *teacher.Model, data datasets.Dataset,
) (*cache.Basis, error) {
	if c.Cache.PCA == 0 {
		return nil, nil
	}
	if basis, err := cache.ReadBasis(ctx, c.Cache.Dir); basis != nil || err != nil {
		return basis, err
	}
	rows := make([]datasets.Row, data.Len())
	for i := range rows {
		rows[i].Sample = i
	}
	slices.SortFunc(rows, func(a, b datasets.Row) int {
		x, y := data.Sum(a.Sample), data.Sum(b.Sample)
		return bytes.Compare(x[:], y[:])
	})
	rows = rows[:min(len(rows), max(fitSamples, fitPerDim*model.Dim()))]
	e := newEmbedder(model, data, rows, model.Transform())
	r.Progress.Start("precompute: fitting principal components", "images", 0, len(rows))
	defer r.Progress.Finish()
	f := newComponents(model.Dim())
	err := e.embed(ctx, e.loader.InOrder(0, e.loader.Len()), func(b *datasets.Batch, out teacher.Embeddings) error {
		f.add(out.Embedding)
		r.Progress.Add(b.Len() + len(b.Skipped))
		return nil
	})
	if err != nil {
		return nil, err
	}
	basis, kept, err := f.fit(min(c.Cache.PCA, model.Dim()), c.Cache.Whiten)
	if err == nil {
		r.Progress.Say("precompute: %d principal components of %d dimensions hold %.2f %% of the variance",
			basis.Dim(), model.Dim(), 100*kept)
	}
	return basis, err
}

// components gathers what principal components are computed from: for rows x_1 to x_n their sum and Σ x xᵀ, both less a
// shift, the first row, so that large means cost no digits.
type components struct {
	n        int
	shift    []float64
	sum      []float64
	products *mat.SymDense
}

func newComponents(width int) *components {
	return &components{sum: make([]float64, width), products: mat.NewSymDense(width, nil)}
}

// add takes rows (R,W).
func (c *components) add(rows []float32) {
	width := len(c.sum)
	n := len(rows) / width
	if n == 0 {
		return
	}
	x := mat.NewDense(n, width, nil)
	for i, v := range rows {
		if c.n == 0 && i < width {
			c.shift = append(c.shift, float64(v))
		}
		d := float64(v) - c.shift[i%width]
		x.Set(i/width, i%width, d)
		c.sum[i%width] += d
	}
	blas64.Syrk(blas.Trans, 1, x.RawMatrix(), 1, c.products.RawSymmetric())
	c.n += n
}

// fit returns the first dim principal components, and the share of the variance that they hold. The sign of an axis is
// that which makes its largest number positive. Components are scaled as whitening says.
func (c *components) fit(dim int, whiten float64) (*cache.Basis, float64, error) {
	width := len(c.sum)
	basis := &cache.Basis{Mean: make([]float32, width), Axes: make([]float32, dim*width)}
	covariance := mat.NewSymDense(width, nil)
	covariance.CopySym(c.products)
	covariance.SymRankOne(covariance, -1/float64(c.n), mat.NewVecDense(width, c.sum))
	for j := range width {
		basis.Mean[j] = float32(c.shift[j] + c.sum[j]/float64(c.n))
	}
	var eigen mat.EigenSym
	if !eigen.Factorize(covariance, true) {
		return nil, 0, fmt.Errorf("fitting %d principal components to %d embeddings: no convergence", dim, c.n)
	}
	values := eigen.Values(nil) // ascending
	var vectors mat.Dense
	eigen.VectorsTo(&vectors)
	all, kept := 0.0, 0.0
	for i, v := range values {
		all += max(0, v)
		if i >= width-dim {
			kept += max(0, v)
		}
	}
	slices.Reverse(values)
	factors := whitening(values[:dim], whiten)
	for d := range dim {
		axis := mat.Col(nil, width-1-d, &vectors)
		largest := 0
		for j, v := range axis {
			if math.Abs(v) > math.Abs(axis[largest]) {
				largest = j
			}
		}
		sign := math.Copysign(1, axis[largest])
		for j, v := range axis {
			basis.Axes[d*width+j] = float32(factors[d] * sign * v)
		}
	}
	if all == 0 {
		return basis, 1, nil
	}
	return basis, kept / all, nil
}

// whitenFloor is the smallest variance, as a share of the largest, that a component is divided by the root of: below it
// there is nothing but rounding, as where there are fewer samples than components.
const whitenFloor = 1e-6

// whitening returns what components of these variances v are multiplied by:
//
//	f_d = c / √v_d^power,  c so that Σ f_d² v_d = Σ v_d
//
// Power 0 is 1 for each, power 1 the same variance for each.
func whitening(variances []float64, power float64) []float64 {
	factors := make([]float64, len(variances))
	floor := whitenFloor * variances[0]
	before, after := 0.0, 0.0
	for d, v := range variances {
		factors[d] = 1
		if power > 0 && floor > 0 {
			factors[d] = math.Pow(max(v, floor), -power/2)
		}
		before += max(0, v)
		after += factors[d] * factors[d] * max(0, v)
	}
	if after > 0 {
		for d := range factors {
			factors[d] *= math.Sqrt(before / after)
		}
	}
	return factors
}
