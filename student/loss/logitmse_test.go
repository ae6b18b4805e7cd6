package loss_test

import (
	"math"
	"testing"

	"rkd/student/loss"
)

func TestLogitMSEAgreesWithTheFormula(t *testing.T) {
	const n, classes = 12, 5
	b := embeddingBatch[float64](1, n, classes, 1)
	want := 0.0
	for i, s := range b.Student.Data {
		d := s - b.Logits.Data[i]
		want += d * d / (n * classes)
	}
	if got, _ := eval(t, loss.NewLogitMSE[float64](), b); math.Abs(got-want) > 1e-13*want {
		t.Errorf("value is %.15g, expected %.15g", got, want)
	}
	b.Student = b.Logits
	value, grad := eval(t, loss.NewLogitMSE[float64](), b)
	if size := norm(grad); value != 0 || size != 0 {
		t.Errorf("of the teacher itself: value is %g, gradient's norm %g, expected 0", value, size)
	}
}

func TestLogitMSEAgreesWithPyTorch(t *testing.T) {
	checkCases(t, goldenCases[embeddingCase](t, "logit_golden.json", "logit_mse"), func(embeddingCase) loss.Loss[float64] {
		return loss.NewLogitMSE[float64]()
	})
}

func TestLogitMSEIsALoss(t *testing.T) {
	checkGradient(t, loss.NewLogitMSE[float64](), embeddingBatch[float64](2, 8, 4, 1), func(*loss.Batch[float64]) {})
	checkTerm(t, "logit_mse", loss.NewLogitMSE[float64]())
	checkFiniteEmbedding(t, loss.NewLogitMSE[float64]())
	checkSinglePrecision(t, loss.NewLogitMSE[float32](), loss.NewLogitMSE[float64]())
	checkRepeatable(t, loss.NewLogitMSE[float32]())
	checkNoAllocation(t, loss.NewLogitMSE[float32](), embeddingBatch[float32](1, 8, 3, 0))
	checkRefusals(t, loss.NewLogitMSE[float32](), append(singleRefusals(),
		refusal{
			"no logits", func(b *loss.Batch[float32]) { b.Logits = loss.Matrix[float32]{} }, loss.ErrBatch,
			"the teacher's logits are missing, expected (8,3)",
		},
		refusal{
			"another width", func(b *loss.Batch[float32]) { b.Logits = zeros[float32](8, 5) }, loss.ErrShape,
			"student's logits are (8,3), teacher's are (8,5)",
		}))
	b := embeddingBatch[float64](1, 8, 3, 0)
	b.Student.Data[5] = 1e200
	_, err := loss.NewLogitMSE[float64]().Eval(b, 1, zeros[float64](8, 3))
	checkError(t, err, loss.ErrNotFinite, "student row 1 is too far from the teacher's")
}
