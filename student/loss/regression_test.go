package loss_test

import (
	"math"
	"testing"

	"rkd/student/internal/blas"
	"rkd/student/loss"
)

func regression[T blas.Float](t *testing.T, kind string) *loss.Regression[T] {
	t.Helper()
	return must(loss.NewRegression[T](loss.RegressionOptions{Kind: kind}))(t)
}

func TestRegressionAgreesWithTheFormula(t *testing.T) {
	b := embeddingBatch[float64](1, 12, 5, 1)
	us, ut := unit(b.Student), unit(b.Teacher)
	squares, cosines := 0.0, 0.0
	for i, s := range b.Student.Data {
		squares += (s - b.Teacher.Data[i]) * (s - b.Teacher.Data[i])
		cosines += us.Data[i] * ut.Data[i]
	}
	for kind, want := range map[string]float64{
		"": squares / 60, loss.RegressionMSE: squares / 60, loss.RegressionCosine: 1 - cosines/12,
	} {
		if got, _ := eval(t, regression[float64](t, kind), b); math.Abs(got-want) > 1e-12 {
			t.Errorf("kind %q: value is %.15g, expected %.15g", kind, got, want)
		}
	}
}

func TestRegressionAgreesWithPyTorch(t *testing.T) {
	checkEmbeddingGolden(t, "regression",
		func(c embeddingCase) loss.Loss[float64] { return regression[float64](t, c.Kind) })
}

func TestRegressionIsALoss(t *testing.T) {
	for _, kind := range []string{loss.RegressionMSE, loss.RegressionCosine} {
		t.Run(kind, func(t *testing.T) {
			checkGradient(t, regression[float64](t, kind), embeddingBatch[float64](2, 8, 4, 1), func(*loss.Batch[float64]) {})
			checkTerm(t, "regression", regression[float64](t, kind))
			checkFiniteEmbedding(t, regression[float64](t, kind))
			checkSinglePrecision(t, regression[float32](t, kind), regression[float64](t, kind))
			checkRepeatable(t, regression[float32](t, kind))
			checkRefusals(t, regression[float32](t, kind), teacherRefusals())
		})
	}
}

func TestRegressionOfZerosHasCosineZero(t *testing.T) {
	b := loss.Batch[float64]{Student: zeros[float64](4, 3), Teacher: gaussian[float64](newRand(1), 4, 3, 0)}
	value, grad := eval(t, regression[float64](t, loss.RegressionCosine), b)
	if size := norm(grad); value != 1 || size != 0 {
		t.Errorf("value is %g, gradient's norm %g, expected 1 and 0", value, size)
	}
}

func TestNewRegressionRefusesBadOptions(t *testing.T) {
	_, err := loss.NewRegression[float32](loss.RegressionOptions{Kind: "l1"})
	checkOption(t, err, `kind is "l1", expected one of mse, cosine`)
}
