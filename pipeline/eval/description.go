package eval

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"
)

// Description says what a set of embeddings is like, whatever it is good for.
type Description struct {
	Rows int `json:"rows"`
	Dim  int `json:"dim"`
	// Participation is (Σλ)²/Σλ² of the variances λ along the principal components: D where all are equal, 1 where one
	// direction has everything. EffectiveRank is exp(−Σ p ln p) with p = λ/Σλ.
	Participation float64 `json:"participation"`
	EffectiveRank float64 `json:"effective_rank"`
	// Components90 and Components99 are the numbers of components that hold so many percent of the variance.
	Components90 int `json:"components_90"`
	Components99 int `json:"components_99"`
	// Spectrum lists the variances along the components, descending, as shares of their sum.
	Spectrum []float64 `json:"spectrum"`
	// Constant lists dimensions that have one value in all rows, Collapsed those whose standard deviation is below a
	// hundredth of the median.
	Constant  []int `json:"constant"`
	Collapsed []int `json:"collapsed"`
	// NormMean and NormStd are of the rows' lengths.
	NormMean float64 `json:"norm_mean"`
	NormStd  float64 `json:"norm_std"`
	// Same and Other are histograms of the distances between rows of one class and of different ones, in units of the
	// mean distance; Angles is one of the cosines of the angles of triples.
	Same   Histogram `json:"distances_same_class"`
	Other  Histogram `json:"distances_other_class"`
	Angles Histogram `json:"angle_cosines"`
	// NearDuplicates is the number of rows whose nearest row is closer than a hundredth of the mean distance;
	// Nearest lists the closest pairs, each once.
	NearDuplicates int         `json:"near_duplicates"`
	Nearest        []PairFound `json:"nearest"`
}

// Histogram counts values in bins of equal width from Low to High; what lies outside is in the first or the last bin.
type Histogram struct {
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
	Counts []int   `json:"counts"`
}

// PairFound is two rows and their distance in units of the mean one.
type PairFound struct {
	A        int     `json:"a"`
	B        int     `json:"b"`
	Distance float64 `json:"distance"`
}

func newHistogram(low, high float64) Histogram {
	const bins = 50
	return Histogram{low, high, make([]int, bins)}
}

func (h *Histogram) add(v float64) {
	i := int(float64(len(h.Counts)) * (v - h.Low) / (h.High - h.Low))
	h.Counts[min(len(h.Counts)-1, max(0, i))]++
}

const (
	nearDuplicate  = 0.01    // of the mean distance
	collapsedBelow = 0.01    // of the median standard deviation
	nearestListed  = 20      // pairs
	triples        = 200_000 // of which angles are taken
)

// Describe describes embeddings (N,D), N ≥ 3, with labels (N). It computes all distances, in O(N²D) time and O(N·D +
// D²) memory, in float64; triples are drawn by a fixed seed.
//
// It returns ErrInput for shapes that do not fit and for values that are not finite, naming the row.
func Describe(ctx context.Context, embeddings []float32, n, d int, labels []int32) (*Description, error) {
	if err := checkShape(embeddings, n, d, labels); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInput, err)
	}
	if n < 3 {
		return nil, fmt.Errorf("%w: %d rows, expected 3 or more", ErrInput, n)
	}
	if err := checkFinite(embeddings, d, "embeddings"); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInput, err)
	}
	x := mat.NewDense(n, d, nil)
	for i, v := range embeddings {
		x.RawMatrix().Data[i] = float64(v)
	}
	out := &Description{
		Rows: n, Dim: d, Constant: []int{}, Collapsed: []int{}, Nearest: []PairFound{}, Same: newHistogram(0, 3),
		Other: newHistogram(0, 3), Angles: newHistogram(-1, 1),
	}
	out.lengths(x)
	centre(x)
	if err := out.spectrum(x); err != nil {
		return nil, err
	}
	out.dimensions(x)
	return out, out.distances(ctx, x, labels)
}

func (o *Description) lengths(x *mat.Dense) {
	norms := make([]float64, o.Rows)
	for i := range norms {
		norms[i] = mat.Norm(x.RowView(i), 2)
	}
	o.NormMean, o.NormStd = MeanStd(norms)
}

// centre subtracts the columns' means.
func centre(x *mat.Dense) {
	n, d := x.Dims()
	mean := make([]float64, d)
	for i := range n {
		for j, v := range x.RawRowView(i) {
			mean[j] += v / float64(n)
		}
	}
	for i := range n {
		row := x.RawRowView(i)
		for j := range row {
			row[j] -= mean[j]
		}
	}
}

func (o *Description) spectrum(x *mat.Dense) error {
	covariance := mat.NewSymDense(o.Dim, nil)
	blas64.Syrk(blas.Trans, 1/float64(o.Rows), x.RawMatrix(), 0, covariance.RawSymmetric())
	var eigen mat.EigenSym
	if !eigen.Factorize(covariance, false) {
		return fmt.Errorf("%w: the principal components of %d×%d embeddings do not converge", ErrInput, o.Rows, o.Dim)
	}
	values := eigen.Values(nil)
	slices.Reverse(values)
	all, squares := 0.0, 0.0
	for i, v := range values {
		values[i] = max(0, v)
		all += values[i]
		squares += values[i] * values[i]
	}
	o.Spectrum = values
	if all == 0 {
		return nil // all rows are equal
	}
	o.Participation = all * all / squares
	entropy, sum := 0.0, 0.0
	for i, v := range values {
		values[i] = v / all
		if values[i] > 0 {
			entropy -= values[i] * math.Log(values[i])
		}
		sum += values[i]
		if o.Components90 == 0 && sum >= 0.9 {
			o.Components90 = i + 1
		}
		if o.Components99 == 0 && sum >= 0.99 {
			o.Components99 = i + 1
		}
	}
	o.EffectiveRank = math.Exp(entropy)
	return nil
}

func (o *Description) dimensions(x *mat.Dense) {
	std := make([]float64, o.Dim)
	for i := range o.Rows {
		for j, v := range x.RawRowView(i) {
			std[j] += v * v / float64(o.Rows)
		}
	}
	for j := range std {
		std[j] = math.Sqrt(std[j])
	}
	median := slices.Sorted(slices.Values(std))[o.Dim/2]
	for j, s := range std {
		switch {
		case s < 1e-9*max(o.NormMean, math.SmallestNonzeroFloat32):
			o.Constant = append(o.Constant, j)
		case s < collapsedBelow*median:
			o.Collapsed = append(o.Collapsed, j)
		}
	}
}

// distances fills in what needs distances; x is centred.
func (o *Description) distances(ctx context.Context, x *mat.Dense, labels []int32) error {
	n := o.Rows
	norms := make([]float64, n)
	for i := range norms {
		row := x.RowView(i)
		norms[i] = mat.Dot(row, row)
	}
	// First the mean, as all else is in its units.
	sum, pairs := 0.0, 0
	each := func(take func(i, j int, distance float64)) error {
		const block = 128
		gram := mat.NewDense(block, n, nil)
		for from := 0; from < n; from += block {
			if err := ctx.Err(); err != nil {
				return err
			}
			to := min(n, from+block)
			part := gram.Slice(0, to-from, 0, n).(*mat.Dense)
			part.Mul(x.Slice(from, to, 0, o.Dim), x.T())
			for i := from; i < to; i++ {
				for j, g := range part.RawRowView(i - from)[i+1:] {
					j += i + 1
					take(i, j, math.Sqrt(max(0, norms[i]+norms[j]-2*g)))
				}
			}
		}
		return nil
	}
	if err := each(func(_, _ int, d float64) { sum, pairs = sum+d, pairs+1 }); err != nil {
		return err
	}
	mean := sum / float64(pairs)
	if mean == 0 {
		mean = 1
	}
	nearest := make([]float64, n)
	for i := range nearest {
		nearest[i] = math.Inf(1)
	}
	err := each(func(i, j int, d float64) {
		d /= mean
		h := &o.Other
		if labels[i] == labels[j] {
			h = &o.Same
		}
		h.add(d)
		nearest[i], nearest[j] = min(nearest[i], d), min(nearest[j], d)
		if m := len(o.Nearest); m < nearestListed || d < o.Nearest[m-1].Distance {
			at, _ := slices.BinarySearchFunc(o.Nearest, d, func(p PairFound, d float64) int {
				return cmp.Compare(p.Distance,
					d)
			})
			o.Nearest = slices.Insert(o.Nearest, at, PairFound{i, j, d})
			o.Nearest = o.Nearest[:min(len(o.Nearest), nearestListed)]
		}
	})
	for _, d := range nearest {
		if d < nearDuplicate {
			o.NearDuplicates++
		}
	}
	o.angles(x)
	return err
}

// angles fills in the angles of random triples of different rows, as the relational angle loss sees them.
func (o *Description) angles(x *mat.Dense) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range triples {
		i, j, k := rng.IntN(o.Rows), rng.IntN(o.Rows), rng.IntN(o.Rows)
		if i == j || i == k || j == k {
			continue
		}
		a, b, c := x.RawRowView(i), x.RawRowView(j), x.RawRowView(k)
		var ab, aa, bb float64
		for l, v := range a {
			p, q := b[l]-v, c[l]-v
			ab, aa, bb = ab+p*q, aa+p*p, bb+q*q
		}
		if aa > 0 && bb > 0 {
			o.Angles.add(ab / math.Sqrt(aa*bb))
		}
	}
}
