package loss_test

import (
	"math"
	"testing"

	"rkd/student/internal/blas"
	"rkd/student/loss"
)

func infoNCE[T blas.Float](t *testing.T, temperature float64) *loss.InfoNCE[T] {
	t.Helper()
	return must(loss.NewInfoNCE[T](loss.InfoNCEOptions{Temperature: temperature}))(t)
}

func TestInfoNCEAgreesWithTheFormula(t *testing.T) {
	b := embeddingBatch[float64](1, 12, 5, 1)
	us, ut := unit(b.Student), unit(b.Teacher)
	for temperature, tau := range map[float64]float64{0: 0.07, 0.5: 0.5} {
		want := 0.0
		for i := range 12 {
			own, all := 0.0, 0.0
			for j := range 12 {
				c := 0.0
				for k := range 5 {
					c += us.Data[i*5+k] * ut.Data[j*5+k]
				}
				all += math.Exp(c / tau)
				if j == i {
					own = math.Exp(c / tau)
				}
			}
			want -= math.Log(own/all) / 12
		}
		if got, _ := eval(t, infoNCE[float64](t, temperature), b); math.Abs(got-want) > 1e-12*want {
			t.Errorf("temperature %g: value is %.15g, expected %.15g", temperature, got, want)
		}
	}
}

func TestInfoNCEOfIdenticalRowsIsLogN(t *testing.T) {
	s := loss.Matrix[float64]{Rows: 5, Cols: 1, Data: []float64{1, 1, 1, 1, 1}}
	got, _ := eval(t, infoNCE[float64](t, 0.07), loss.Batch[float64]{Student: s, Teacher: s})
	if math.Abs(got-math.Log(5)) > 1e-12 {
		t.Errorf("value is %g, expected log 5 = %g", got, math.Log(5))
	}
}

func TestInfoNCEAgreesWithPyTorch(t *testing.T) {
	checkEmbeddingGolden(t, "info_nce",
		func(c embeddingCase) loss.Loss[float64] { return infoNCE[float64](t, c.Temperature) })
}

func TestInfoNCEIsALoss(t *testing.T) {
	checkGradient(t, infoNCE[float64](t, 0.3), embeddingBatch[float64](2, 8, 4, 1), func(*loss.Batch[float64]) {})
	checkTerm(t, "info_nce", infoNCE[float64](t, 0.07))
	checkFiniteEmbedding(t, infoNCE[float64](t, 0.07))
	checkFiniteEmbedding(t, infoNCE[float64](t, 1e-3))
	checkSinglePrecision(t, infoNCE[float32](t, 0.07), infoNCE[float64](t, 0.07))
	checkRepeatable(t, infoNCE[float32](t, 0.07))
	checkRefusals(t, infoNCE[float32](t, 0.07), teacherRefusals())
}

func TestNewInfoNCERefusesBadOptions(t *testing.T) {
	for temperature, expect := range map[float64]string{
		-1: "temperature is -1", math.NaN(): "temperature is NaN", math.Inf(1): "temperature is +Inf",
	} {
		_, err := loss.NewInfoNCE[float32](loss.InfoNCEOptions{Temperature: temperature})
		checkOption(t, err, expect)
	}
}
