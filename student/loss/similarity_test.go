package loss_test

import (
	"math"
	"testing"

	"rkd/student/loss"
)

// referenceSimilarity is the loss from the formula.
func referenceSimilarity(b loss.Batch[float64]) float64 {
	s, t := referenceProducts(b.Student), referenceProducts(b.Teacher)
	sum := 0.0
	for i := range s {
		for j := range s {
			d := s[i][j]/norm(s[i]) - t[i][j]/norm(t[i])
			sum += d * d
		}
	}
	return sum / float64(len(s)*len(s))
}

func TestSimilarityAgreesWithTheFormula(t *testing.T) {
	checkReference(t, loss.NewSimilarity[float64](), referenceSimilarity)
}

func TestSimilarityAgreesWithPyTorch(t *testing.T) {
	for _, c := range readGramGolden(t) {
		checkGolden(t, c.Name, loss.NewSimilarity[float64](), c.batch(), c.SP)
	}
}

func TestSimilarity(t *testing.T) {
	relation{
		single:   func() loss.Loss[float32] { return loss.NewSimilarity[float32]() },
		double:   func() loss.Loss[float64] { return loss.NewSimilarity[float64]() },
		term:     "sp",
		tooLarge: 1e10,
	}.check(t)
}

func TestSimilarityDoesNotChangeWithScale(t *testing.T) {
	b := gaussianBatch[float64](1, 10, 4, 6, 0)
	want, _ := eval(t, loss.NewSimilarity[float64](), b)
	for i := range b.Student.Data {
		b.Student.Data[i] *= 1e4
	}
	if got, _ := eval(t, loss.NewSimilarity[float64](), b); math.Abs(got-want) > 1e-14 {
		t.Errorf("value is %.15g for a student 1e4 times as large, expected %.15g", got, want)
	}
}
