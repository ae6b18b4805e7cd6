package loss

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"rkd/student/internal/blas"
)

const (
	// MinerDistanceWeighted draws a negative with the inverse of the density of distances between uniform points on the
	// unit sphere in D dimensions:
	//
	//	log w(d) = (2 − D)·log d − (D − 3)/2·log(1 − d²/4),  d = max(‖x_a − x_n‖, 0.5),  w = 0 for d ≥ 1.4
	//
	// It assumes rows of norm 1 and takes the rows as they are. Where every negative of an anchor has weight 0, each is
	// equally likely. Source: Wu et al., Sampling Matters in Deep Embedding Learning, ICCV 2017, section 4; cutoffs as in
	// the code of Park et al. Deviation: weights are scaled by the largest among the candidates only, so that a distant
	// row of weight 0 cannot make the others 0 or NaN.
	MinerDistanceWeighted = "distance_weighted"
	// MinerAll takes every negative for each pair. Source: the batch-all triplets of Hermans et al., In Defense of the
	// Triplet Loss, 2017.
	MinerAll = "all"
	// MinerRandom draws a negative with equal probabilities.
	MinerRandom = "random"
	// MinerHard takes the negative that is nearest to the anchor, the first of several. Source: the hardest negative of
	// Hermans et al., 2017, with every positive instead of the farthest.
	MinerHard = "hard"
	// MinerSemiHard takes the nearest negative that is farther from the anchor than the positive, or the farthest where
	// there is none. Source: Schroff et al., FaceNet, CVPR 2015, section 3.2; the last rule as in the code of Park et al.
	MinerSemiHard = "semi_hard"
)

const (
	nearCutoff = 0.5 // distances below count as this, to bound the variance of gradients
	farCutoff  = 1.4 // distances from here on are left out: their loss is nearly always 0
)

// Miners returns the names of all miners.
func Miners() []string {
	return []string{MinerDistanceWeighted, MinerAll, MinerRandom, MinerHard, MinerSemiHard}
}

// triple is three rows of a batch.
type triple struct{ anchor, positive, negative int }

// miner lists triples: for each ordered pair of rows with one label, in row order, one negative or, for MinerAll, all.
type miner[T blas.Float] struct {
	kind      string
	negatives []int     // rows with another label than the anchor's
	weights   []float64 // of negatives
}

func (m *miner[T]) validate() error {
	if !slices.Contains(Miners(), m.kind) {
		return fmt.Errorf("%w: miner is %q, expected one of %s", ErrOption, m.kind, strings.Join(Miners(), ", "))
	}
	return nil
}

// draws says whether mining needs a random generator.
func (m *miner[T]) draws() bool { return m.kind == MinerDistanceWeighted || m.kind == MinerRandom }

// mine appends the triples of a batch to triples.
func (m *miner[T]) mine(triples []triple, p *pairs[T], labels []int32, rng *rand.Rand) []triple {
	for anchor, label := range labels {
		m.negatives = m.negatives[:0]
		for i, l := range labels {
			if l != label {
				m.negatives = append(m.negatives, i)
			}
		}
		if len(m.negatives) == 0 {
			continue
		}
		total := m.weigh(p, anchor)
		for positive, l := range labels {
			if l != label || positive == anchor {
				continue
			}
			if m.kind == MinerAll {
				for _, negative := range m.negatives {
					triples = append(triples, triple{anchor, positive, negative})
				}
				continue
			}
			triples = append(triples, triple{anchor, positive, m.choose(p, anchor, positive, total, rng)})
		}
	}
	return triples
}

// choose returns one of the anchor's negatives; total is the sum of their weights.
func (m *miner[T]) choose(p *pairs[T], anchor, positive int, total float64, rng *rand.Rand) int {
	row := p.squared[anchor*p.n:][:p.n]
	switch m.kind {
	case MinerRandom:
		return m.negatives[rng.IntN(len(m.negatives))]
	case MinerDistanceWeighted:
		u := rng.Float64() * total
		last := 0
		for i, w := range m.weights {
			if w == 0 {
				continue
			}
			if u < w {
				return m.negatives[i]
			}
			u -= w
			last = i
		}
		return m.negatives[last] // rounding used up every weight
	case MinerSemiHard:
		nearest, farthest := -1, m.negatives[0]
		for _, n := range m.negatives {
			if row[n] > row[positive] && (nearest < 0 || row[n] < row[nearest]) {
				nearest = n
			}
			if row[n] > row[farthest] {
				farthest = n
			}
		}
		if nearest < 0 {
			return farthest
		}
		return nearest
	default: // MinerHard
		nearest := m.negatives[0]
		for _, n := range m.negatives {
			if row[n] < row[nearest] {
				nearest = n
			}
		}
		return nearest
	}
}

// weigh sets the weights of the anchor's negatives for MinerDistanceWeighted and returns their sum.
func (m *miner[T]) weigh(p *pairs[T], anchor int) float64 {
	if m.kind != MinerDistanceWeighted {
		return 0
	}
	m.weights = resize(m.weights, len(m.negatives))
	dim, largest := float64(p.dim), math.Inf(-1)
	for i, n := range m.negatives {
		d := max(p.distance(anchor, n), nearCutoff)
		m.weights[i] = math.Inf(-1)
		if d < farCutoff {
			m.weights[i] = (2-dim)*math.Log(d) - (dim-3)/2*math.Log(1-d*d/4)
		}
		largest = max(largest, m.weights[i])
	}
	total := 0.0
	for i, logWeight := range m.weights {
		m.weights[i] = 1
		if !math.IsInf(largest, -1) {
			m.weights[i] = math.Exp(logWeight - largest)
		}
		total += m.weights[i]
	}
	return total
}
