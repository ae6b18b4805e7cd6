package loss_test

import (
	"math"
	"testing"

	"rkd/student/loss"
)

// referencePKT is the loss from the formula.
func referencePKT(b loss.Batch[float64]) float64 {
	const epsilon = 1e-7
	probabilities := func(m loss.Matrix[float64]) [][]float64 {
		p := referenceCosines(m, epsilon)
		for _, row := range p {
			sum := 0.0
			for j := range row {
				row[j] = (row[j] + 1) / 2
				sum += row[j]
			}
			for j := range row {
				row[j] /= sum
			}
		}
		return p
	}
	s, t := probabilities(b.Student), probabilities(b.Teacher)
	sum := 0.0
	for i := range s {
		for j := range s {
			sum += t[i][j] * math.Log((t[i][j]+epsilon)/(s[i][j]+epsilon))
		}
	}
	return sum / float64(len(s)*len(s))
}

func TestPKTAgreesWithTheFormula(t *testing.T) {
	checkReference(t, loss.NewPKT[float64](), referencePKT)
}

func TestPKTAgreesWithPyTorch(t *testing.T) {
	for _, c := range readGramGolden(t) {
		checkGolden(t, c.Name, loss.NewPKT[float64](), c.batch(), c.PKT)
	}
}

func TestPKT(t *testing.T) {
	relation{
		single:   func() loss.Loss[float32] { return loss.NewPKT[float32]() },
		double:   func() loss.Loss[float64] { return loss.NewPKT[float64]() },
		term:     "pkt",
		tooLarge: 1e19,
	}.check(t)
}
