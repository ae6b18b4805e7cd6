package loss_test

import (
	"math"
	"testing"

	"rkd/student/internal/blas"
	"rkd/student/loss"
)

func softTarget[T blas.Float](t *testing.T, o loss.SoftTargetOptions) *loss.SoftTarget[T] {
	t.Helper()
	return must(loss.NewSoftTarget[T](o))(t)
}

func TestSoftTargetAgreesWithTheFormula(t *testing.T) {
	const n, classes = 12, 5
	b := embeddingBatch[float64](1, n, classes, 1)
	for o, factor := range map[loss.SoftTargetOptions]float64{
		{}:                        1,
		{SquareTemperature: true}: 16,
		{Temperature: 0.5}:        1,
		{Temperature: 2, SquareTemperature: true}: 4,
	} {
		temperature := o.Temperature
		if temperature == 0 {
			temperature = 4
		}
		want := 0.0
		for i := range n {
			q := probabilities(b.Student.Data[i*classes:][:classes], temperature)
			for c, p := range probabilities(b.Logits.Data[i*classes:][:classes], temperature) {
				want += factor / n * p * math.Log(p/q[c])
			}
		}
		if got, _ := eval(t, softTarget[float64](t, o), b); math.Abs(got-want) > 1e-13*want {
			t.Errorf("%+v: value is %.15g, expected %.15g", o, got, want)
		}
	}
}

func TestSoftTargetOfTheTeacherIsZero(t *testing.T) {
	b := embeddingBatch[float64](1, 12, 5, 1)
	b.Student = b.Logits
	value, grad := eval(t, softTarget[float64](t, loss.SoftTargetOptions{}), b)
	if size := norm(grad); value != 0 || size != 0 {
		t.Errorf("value is %g, gradient's norm %g, expected 0", value, size)
	}
}

func TestSoftTargetAgreesWithPyTorch(t *testing.T) {
	checkCases(t, goldenCases[embeddingCase](t, "logit_golden.json", "hkd"), func(c embeddingCase) loss.Loss[float64] {
		return softTarget[float64](t, loss.SoftTargetOptions{Temperature: c.Temperature, SquareTemperature: c.Square})
	})
}

func TestSoftTargetIsALoss(t *testing.T) {
	o := loss.SoftTargetOptions{Temperature: 2, SquareTemperature: true}
	checkGradient(t, softTarget[float64](t, o), embeddingBatch[float64](2, 8, 4, 1), func(*loss.Batch[float64]) {})
	checkTerm(t, "hkd", softTarget[float64](t, o))
	checkFiniteEmbedding(t, softTarget[float64](t, o))
	checkFiniteEmbedding(t, softTarget[float64](t, loss.SoftTargetOptions{Temperature: 1e-3}))
	checkSinglePrecision(t, softTarget[float32](t, o), softTarget[float64](t, o))
	checkRepeatable(t, softTarget[float32](t, o))
	checkRefusals(t, softTarget[float32](t, o), append(singleRefusals(),
		refusal{
			"no logits", func(b *loss.Batch[float32]) { b.Logits = loss.Matrix[float32]{} }, loss.ErrBatch,
			"the teacher's logits are missing, expected (8,3)",
		},
		refusal{
			"a row missing", func(b *loss.Batch[float32]) { b.Logits = zeros[float32](7, 3) }, loss.ErrShape,
			"student's logits are (8,3), teacher's are (7,3)",
		},
		refusal{
			"another width", func(b *loss.Batch[float32]) { b.Logits = zeros[float32](8, 5) }, loss.ErrShape,
			"student's logits are (8,3), teacher's are (8,5)",
		},
		refusal{
			"NaN in the teacher", func(b *loss.Batch[float32]) { b.Logits.Data[4] = float32(math.NaN()) }, loss.ErrNotFinite,
			"teacher row 1 has NaN in column 1",
		}))
}

func TestSoftTargetRefusesLogitsThatOverflow(t *testing.T) {
	b := embeddingBatch[float64](1, 8, 3, 0)
	b.Student.Data[5] = 1e308
	_, err := softTarget[float64](t, loss.SoftTargetOptions{}).Eval(b, 1, zeros[float64](8, 3))
	checkError(t, err, loss.ErrNotFinite, "student row 1 is too large: it has 1e+308 in column 2")
}

func TestNewSoftTargetRefusesBadOptions(t *testing.T) {
	for temperature, expect := range map[float64]string{
		-1: "temperature is -1", math.NaN(): "temperature is NaN", math.Inf(1): "temperature is +Inf",
		1e-320: "temperature is 1e-320",
	} {
		_, err := loss.NewSoftTarget[float32](loss.SoftTargetOptions{Temperature: temperature})
		checkOption(t, err, expect)
	}
}
