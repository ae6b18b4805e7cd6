package eval

import (
	"context"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/floats"

	"rkd/pipeline/eval/internal/gram"
)

const (
	kMeansStarts     = 5
	kMeansIterations = 100
)

// clustering is the outcome of k-means.
type clustering struct {
	assignment []int32 // (N)
	inertia    float64 // Σ ‖x − its centre‖² in the units of the space
}

// kMeans returns the best of several runs of Lloyd's algorithm from k-means++ seeds.
func kMeans(ctx context.Context, s *space, k int, seed uint64, m *meter) (clustering, error) {
	best := clustering{inertia: math.Inf(1)}
	for start := range kMeansStarts {
		run, err := newLloyd(ctx, s, k, rand.New(rand.NewPCG(seed, uint64(start))))
		if err != nil {
			return clustering{}, err
		}
		if err := run.iterate(ctx, m); err != nil {
			return clustering{}, err
		}
		inertia, err := run.inertia(ctx)
		if err != nil {
			return clustering{}, err
		}
		if inertia < best.inertia {
			best = clustering{run.assignment, inertia}
		}
	}
	return best, nil
}

// lloyd is one run of Lloyd's algorithm.
type lloyd struct {
	s          *space
	k          int
	centres    []float32 // (K,D)
	norms      []float32 // (K) squared lengths of centres
	assignment []int32   // (N) −1 before the first
}

// newLloyd draws rows for centres, each with a probability proportional to its squared distance from the nearest one
// drawn before (k-means++). It draws fewer than k when no row is left that is not a centre.
func newLloyd(ctx context.Context, s *space, k int, rng *rand.Rand) (*lloyd, error) {
	l := &lloyd{s: s, assignment: slices.Repeat([]int32{-1}, s.n)}
	distances := slices.Repeat([]float64{math.Inf(1)}, s.n) // squared, to the nearest centre
	panel := make([]float32, gram.PanelRows*s.d)
	for next := rng.IntN(s.n); next >= 0 && l.k < k; l.k++ {
		centre := s.row(next)
		l.centres, l.norms = append(l.centres, centre...), append(l.norms, s.norms[next])
		gram.Pack(panel, centre, 1, s.d)
		err := eachBlock(ctx, s.n, referenceBlock, func(from, to int) {
			var products [referenceBlock * gram.PanelRows]float32
			gram.Products(products[:], panel, s.rows[from*s.d:], to-from, s.d)
			for i := from; i < to; i++ {
				distance := s.norms[i] - 2*products[(i-from)*gram.PanelRows] + s.norms[next]
				distances[i] = min(distances[i], max(float64(distance), 0))
			}
		})
		if err != nil {
			return nil, err
		}
		next = drawWeighted(rng, distances)
	}
	return l, nil
}

// drawWeighted returns i with a probability proportional to weights[i], or −1 if all are 0.
func drawWeighted(rng *rand.Rand, weights []float64) int {
	target := rng.Float64() * floats.Sum(weights)
	drawn, sum := -1, 0.0
	for i, weight := range weights {
		if weight > 0 {
			drawn = i // the last one too, should rounding leave the sum below the target
			if sum += weight; sum > target {
				break
			}
		}
	}
	return drawn
}

// iterationWork is the work of an iteration, in multiplications.
func iterationWork(n, d, k int) float64 { return float64(n) * float64(d) * float64(k) }

func (l *lloyd) iterate(ctx context.Context, m *meter) error {
	work := iterationWork(l.s.n, l.s.d, l.k)
	for i := range kMeansIterations {
		changed, err := l.assign(ctx)
		if err != nil {
			return err
		}
		if !changed {
			m.add(float64(kMeansIterations-i) * work) // the rest that was reckoned with
			return nil
		}
		m.add(work)
		if err := l.update(ctx); err != nil {
			return err
		}
	}
	return nil
}

// assign gives each row to the nearest centre, and says whether one moved.
func (l *lloyd) assign(ctx context.Context) (bool, error) {
	s := l.s
	moved := make([]bool, (s.n+queryBlock-1)/queryBlock)
	err := eachBlock(ctx, s.n, queryBlock, func(from, to int) {
		nearest := l.nearest(from, to)
		for i := from; i < to; i++ {
			if l.assignment[i] != nearest[i-from] {
				l.assignment[i], moved[from/queryBlock] = nearest[i-from], true
			}
		}
	})
	return slices.Contains(moved, true), err
}

// nearest returns the nearest centre of each of the rows [from, to), at most queryBlock.
func (l *lloyd) nearest(from, to int) (nearest [queryBlock]int32) {
	s := l.s
	panel := make([]float32, gram.PanelRows*s.d)
	var products [referenceBlock * gram.PanelRows]float32
	for i := from; i < to; i += gram.PanelRows {
		gram.Pack(panel, s.rows[i*s.d:], min(gram.PanelRows, to-i), s.d)
		var least [gram.PanelRows]float32
		for q := range least {
			least[q] = math.MaxFloat32
		}
		for c := 0; c < l.k; c += referenceBlock {
			k := min(referenceBlock, l.k-c)
			gram.Products(products[:], panel, l.centres[c*s.d:], k, s.d)
			for j := 0; ; j++ {
				var nearer uint8
				j, nearer = gram.Below(products[:k*gram.PanelRows], l.norms[c:c+k], &least, j)
				if nearer == 0 {
					break
				}
				for ; nearer != 0; nearer &= nearer - 1 {
					q := bits.TrailingZeros8(nearer)
					least[q] = products[j*gram.PanelRows+q]
					nearest[i-from+q] = int32(c + j)
				}
			}
		}
	}
	return nearest
}

// update moves each centre to the mean of its rows, which are added up in their order.
func (l *lloyd) update(ctx context.Context) error {
	s := l.s
	rows := make([][]int, l.k)
	for i, c := range l.assignment {
		rows[c] = append(rows[c], i)
	}
	return eachBlock(ctx, l.k, 1, func(c, _ int) {
		if len(rows[c]) == 0 {
			return
		}
		sum := make([]float64, s.d)
		for _, i := range rows[c] {
			for j, v := range s.row(i) {
				sum[j] += float64(v)
			}
		}
		centre := l.centres[c*s.d : (c+1)*s.d]
		for j, v := range sum {
			centre[j] = float32(v / float64(len(rows[c])))
		}
		l.norms[c] = gram.SquaredLength(centre)
	})
}

func (l *lloyd) inertia(ctx context.Context) (float64, error) {
	s := l.s
	distances := make([]float64, s.n)
	err := eachBlock(ctx, s.n, queryBlock, func(from, to int) {
		for i := from; i < to; i++ {
			c := int(l.assignment[i])
			centre := l.centres[c*s.d : (c+1)*s.d]
			for j, v := range s.row(i) {
				diff := float64(v) - float64(centre[j])
				distances[i] += diff * diff
			}
		}
	})
	return floats.Sum(distances), err
}
