package eval

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
)

// TestDescribe describes rows whose answers are known: two dimensions that matter equally, one that is constant, one
// that hardly moves, and a row that is there twice.
func TestDescribe(t *testing.T) {
	const n, d = 400, 6
	rng := rand.New(rand.NewPCG(1, 2))
	rows, labels := make([]float32, n*d), make([]int32, n)
	for i := range n {
		row := rows[i*d : (i+1)*d]
		angle := 2 * math.Pi * float64(i) / n
		row[0], row[1] = float32(3*math.Cos(angle)), float32(3*math.Sin(angle))
		row[2], row[3] = 5, float32(1e-4*rng.NormFloat64())
		row[4], row[5] = float32(0.05*rng.NormFloat64()), float32(0.05*rng.NormFloat64())
		labels[i] = int32(i * 4 / n)
	}
	copy(rows[7*d:8*d], rows[300*d:301*d])
	got, err := Describe(t.Context(), rows, n, d, labels)
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(got.Participation-2) > 0.02 || math.Abs(got.EffectiveRank-2) > 0.05 || got.Components99 != 2 {
		t.Errorf("%v dimensions by participation, %v by entropy, %d hold 99 %%; want 2", got.Participation,
			got.EffectiveRank, got.Components99)
	}
	if len(got.Constant) != 1 || got.Constant[0] != 2 || len(got.Collapsed) != 1 || got.Collapsed[0] != 3 {
		t.Errorf("constant %v, collapsed %v; want 2 and 3", got.Constant, got.Collapsed)
	}
	if p := got.Nearest[0]; p.A != 7 || p.B != 300 || p.Distance > 1e-6 || got.NearDuplicates < 2 {
		t.Errorf("nearest %v, %d near duplicates; want 7 and 300", p, got.NearDuplicates)
	}
	same, other := 0, 0
	for i := range got.Same.Counts {
		same, other = same+got.Same.Counts[i], other+got.Other.Counts[i]
	}
	if same != 4*100*99/2 || same+other != n*(n-1)/2 {
		t.Errorf("%d distances within classes, %d between them", same, other)
	}
	if _, err := Describe(t.Context(), rows[:2*d], 2, d, labels[:2]); !errors.Is(err, ErrInput) {
		t.Errorf("two rows: %v, want ErrInput", err)
	}
}
