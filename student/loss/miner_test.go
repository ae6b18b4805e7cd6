package loss

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"testing"
)

// TestDistanceWeightsAgreeWithPyTorch compares the whole matrix of probabilities, anchor by negative.
func TestDistanceWeightsAgreeWithPyTorch(t *testing.T) {
	data, err := os.ReadFile("testdata/loss_golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Mining []struct {
			Name        string
			Student     Matrix[float64]
			Labels      []int32
			Probability []float64 // (N,N)
		}
	}
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatal(err)
	}
	if len(golden.Mining) == 0 {
		t.Fatal("loss_golden.json holds no mining cases")
	}
	for _, c := range golden.Mining {
		t.Run(c.Name, func(t *testing.T) {
			n := len(c.Labels)
			for anchor := range n {
				got := make([]float64, n)
				p, m := measured(t, c.Student), &miner[float64]{kind: MinerDistanceWeighted}
				setNegatives(m, c.Labels, anchor)
				total := m.weigh(p, anchor)
				for i, negative := range m.negatives {
					got[negative] = m.weights[i] / total
				}
				for i, want := range c.Probability[anchor*n:][:n] {
					if math.Abs(got[i]-want) > 1e-9 {
						t.Errorf("anchor %d, row %d: probability is %.12g, expected %.12g", anchor, i, got[i], want)
					}
				}
			}
		})
	}
}

func measured(t *testing.T, m Matrix[float64]) *pairs[float64] {
	t.Helper()
	p := newPairs[float64]("student")
	if err := p.measure(m); err != nil {
		t.Fatal(err)
	}
	return p
}

func setNegatives(m *miner[float64], labels []int32, anchor int) {
	for i, l := range labels {
		if l != labels[anchor] {
			m.negatives = append(m.negatives, i)
		}
	}
}

// TestMinersDrawByWeight mines one batch many times and compares how often each negative of anchor 0 comes.
func TestMinersDrawByWeight(t *testing.T) {
	labels := []int32{0, 0, 1, 1, 2, 2}
	rng := rand.New(rand.NewPCG(1, 1))
	s := Matrix[float64]{Rows: 6, Cols: 3}
	for range 18 {
		s.Data = append(s.Data, 0.45*rng.NormFloat64())
	}
	p := measured(t, s)
	for _, kind := range []string{MinerDistanceWeighted, MinerRandom} {
		const rounds = 40000
		m := &miner[float64]{kind: kind}
		count := make([]float64, 6)
		var triples []triple
		for range rounds {
			triples = m.mine(triples[:0], p, labels, rng)
			if first := triples[0]; len(triples) != 6 || first.anchor != 0 || first.positive != 1 {
				t.Fatalf("%s: triples are %v, expected 6, of anchor 0 and positive 1 first", kind, triples)
			}
			count[triples[0].negative]++
		}
		want := []float64{0, 0, 0.25, 0.25, 0.25, 0.25}
		if kind == MinerDistanceWeighted {
			fresh := &miner[float64]{kind: kind}
			setNegatives(fresh, labels, 0)
			total := fresh.weigh(p, 0)
			for i, negative := range fresh.negatives {
				want[negative] = fresh.weights[i] / total
			}
		}
		for i, c := range count {
			// Five standard deviations of a binomial count; impossible rows never come.
			if tolerance := 5 * math.Sqrt(want[i]*(1-want[i])/rounds); math.Abs(c/rounds-want[i]) > tolerance {
				t.Errorf("%s: row %d comes in %.4f of rounds, expected %.4f ± %.4f", kind, i, c/rounds, want[i], tolerance)
			}
		}
	}
}

func TestMinersChooseTheNegativeTheyAreNamedFor(t *testing.T) {
	// Anchor 0 and positive 1 are 2 apart; negatives lie at distances 1, 3 and 4 of the anchor.
	s := Matrix[float64]{Rows: 5, Cols: 1, Data: []float64{0, 2, -1, 3, -4}}
	labels := []int32{0, 0, 1, 2, 3}
	for _, c := range []struct {
		kind     string
		students []float64
		want     []int // negatives of anchor 0
	}{
		{MinerHard, s.Data, []int{2}},
		{MinerSemiHard, s.Data, []int{3}},
		{MinerSemiHard, []float64{0, 9, -1, 3, -4}, []int{4}}, // none is farther than the positive
		{MinerAll, s.Data, []int{2, 3, 4}},
	} {
		m := &miner[float64]{kind: c.kind}
		triples := m.mine(nil, measured(t, Matrix[float64]{Rows: 5, Cols: 1, Data: c.students}), labels, nil)
		for i, want := range c.want {
			if got := triples[i]; got != (triple{0, 1, want}) {
				t.Errorf("%s: triple %d is %v, expected negative %d", c.kind, i, got, want)
			}
		}
		if len(triples) != 2*len(c.want) {
			t.Errorf("%s: %d triples, expected %d", c.kind, len(triples), 2*len(c.want))
		}
	}
}
