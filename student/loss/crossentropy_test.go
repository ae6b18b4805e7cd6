package loss_test

import (
	"math"
	"testing"

	"rkd/student/internal/blas"
	"rkd/student/loss"
)

func crossEntropy[T blas.Float](t *testing.T, smoothing float64) *loss.CrossEntropy[T] {
	t.Helper()
	return must(loss.NewCrossEntropy[T](loss.CrossEntropyOptions{Smoothing: smoothing}))(t)
}

// probabilities is the softmax of x over a temperature, from the formula.
func probabilities(x []float64, temperature float64) []float64 {
	p, sum := make([]float64, len(x)), 0.0
	for c, v := range x {
		p[c] = math.Exp(v / temperature)
		sum += p[c]
	}
	for c := range p {
		p[c] /= sum
	}
	return p
}

func TestCrossEntropyAgreesWithTheFormula(t *testing.T) {
	const n, classes = 12, 5
	b := embeddingBatch[float64](1, n, classes, 1)
	for _, smoothing := range []float64{0, 0.1, 0.75} {
		want := 0.0
		for i, y := range b.Labels {
			for c, p := range probabilities(b.Student.Data[i*classes:][:classes], 1) {
				q := smoothing / classes
				if c == int(y) {
					q += 1 - smoothing
				}
				want -= q * math.Log(p) / n
			}
		}
		if got, _ := eval(t, crossEntropy[float64](t, smoothing), b); math.Abs(got-want) > 1e-13*want {
			t.Errorf("smoothing %g: value is %.15g, expected %.15g", smoothing, got, want)
		}
	}
}

func TestCrossEntropyAgreesWithPyTorch(t *testing.T) {
	checkCases(t, goldenCases[embeddingCase](t, "logit_golden.json", "cross_entropy"),
		func(c embeddingCase) loss.Loss[float64] { return crossEntropy[float64](t, c.Smoothing) })
}

func TestCrossEntropyIsALoss(t *testing.T) {
	for _, smoothing := range []float64{0, 0.2} {
		checkGradient(t, crossEntropy[float64](t, smoothing), embeddingBatch[float64](2, 8, 4, 1),
			func(*loss.Batch[float64]) {})
		checkTerm(t, "cross_entropy", crossEntropy[float64](t, smoothing))
		b := embeddingBatch[float64](2, 8, 4, 0)
		b.Student.Data[0] = 1e4 // exp overflows
		if value, grad := eval(t, crossEntropy[float64](t, smoothing), b); math.IsInf(value, 0) || math.IsNaN(norm(grad)) {
			t.Errorf("value is %g, gradient's norm %g, expected finite numbers of large logits", value, norm(grad))
		}
		checkSinglePrecision(t, crossEntropy[float32](t, smoothing), crossEntropy[float64](t, smoothing))
		checkRepeatable(t, crossEntropy[float32](t, smoothing))
	}
	head := projection[float32](t, loss.ProjectionOptions{}, 3, 4)
	checkRefusals(t, loss.NewProjected(head, crossEntropy[float32](t, 0)), append(singleRefusals(),
		refusal{
			"a label missing", func(b *loss.Batch[float32]) { b.Labels = b.Labels[:7] }, loss.ErrShape,
			"7 labels for student (8,4)",
		},
		refusal{
			"a label that is no class", func(b *loss.Batch[float32]) { b.Labels[2] = 4 }, loss.ErrBatch,
			"row 2 has label 4, expected 0 to 3 for 4 logits",
		},
		refusal{
			"a label below 0", func(b *loss.Batch[float32]) { b.Labels[0] = -1 }, loss.ErrBatch,
			"row 0 has label -1, expected 0 to 3 for 4 logits",
		}))
}

func TestCrossEntropyOfIdenticalLogitsIsLogC(t *testing.T) {
	b := loss.Batch[float64]{Student: zeros[float64](1, 7), Labels: []int32{3}}
	if got, _ := eval(t, crossEntropy[float64](t, 0), b); math.Abs(got-math.Log(7)) > 1e-15 {
		t.Errorf("value is %g, expected log 7 = %g", got, math.Log(7))
	}
}

func TestCrossEntropyKeepsTheDigitsOfACertainRow(t *testing.T) {
	b := loss.Batch[float64]{Student: zeros[float64](1, 2), Labels: []int32{0}}
	b.Student.Data[0] = 50
	want := math.Exp(-50) // log(1 + e^−50) but for e^−100
	value, grad := eval(t, crossEntropy[float64](t, 0), b)
	for _, got := range []float64{value, -grad[0], grad[1]} {
		if math.Abs(got-want) > 1e-14*want {
			t.Errorf("value is %g, gradient %g, expected %g up to the sign", value, grad, want)
		}
	}
}

func TestCrossEntropyNamesTheRowThatIsNoNumber(t *testing.T) {
	b := embeddingBatch[float32](1, 8, 4, 0)
	b.Student.Data[9] = float32(math.NaN())
	_, err := crossEntropy[float32](t, 0).Eval(b, 1, zeros[float32](8, 4))
	checkError(t, err, loss.ErrNotFinite, "student row 2 has NaN in column 1")
}

func TestNewCrossEntropyRefusesBadOptions(t *testing.T) {
	for smoothing, expect := range map[float64]string{
		-0.1: "smoothing is -0.1", 1: "smoothing is 1", math.NaN(): "smoothing is NaN",
	} {
		_, err := loss.NewCrossEntropy[float32](loss.CrossEntropyOptions{Smoothing: smoothing})
		checkOption(t, err, expect)
	}
}
