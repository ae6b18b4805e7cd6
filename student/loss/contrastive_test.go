package loss_test

import (
	"math"
	"testing"

	"rkd/student/internal/blas"
	"rkd/student/loss"
)

func contrastive[T blas.Float](t *testing.T, margin float64) *loss.Contrastive[T] {
	t.Helper()
	return must(loss.NewContrastive[T](loss.ContrastiveOptions{Margin: margin}))(t)
}

func TestContrastiveAgreesWithTheFormula(t *testing.T) {
	const margin = 2.5
	b := embeddingBatch[float64](1, 24, 5, 3)
	var near, far []float64
	for j := range b.Labels {
		for i := range j {
			_, d := referenceDifference(b.Student, i, j)
			if b.Labels[i] == b.Labels[j] {
				near = append(near, d)
			} else if d < margin {
				far = append(far, margin-d)
			}
		}
	}
	mean := func(x []float64) float64 {
		sum := 0.0
		for _, v := range x {
			sum += v
		}
		return sum / float64(len(x))
	}
	got, _ := eval(t, contrastive[float64](t, margin), b)
	if want := mean(near) + mean(far); math.Abs(got-want) > 1e-12*want {
		t.Errorf("value is %.15g, expected %.15g", got, want)
	}
}

func TestContrastiveOfOneKindOfPairsIsTheirMean(t *testing.T) {
	s := loss.Matrix[float64]{Rows: 3, Cols: 1, Data: []float64{0, 1, 3}}
	for _, c := range []struct {
		labels []int32
		want   float64
	}{{[]int32{4, 4, 4}, 2}, {[]int32{0, 1, 2}, (1.5 + 0.5) / 2}} {
		got, _ := eval(t, contrastive[float64](t, 2.5), loss.Batch[float64]{Student: s, Labels: c.labels})
		if math.Abs(got-c.want) > 1e-12 {
			t.Errorf("labels %v: value is %g, expected %g", c.labels, got, c.want)
		}
	}
}

func TestContrastiveAgreesWithPyTorch(t *testing.T) {
	checkEmbeddingGolden(t, "contrastive",
		func(c embeddingCase) loss.Loss[float64] { return contrastive[float64](t, c.Margin) })
}

func TestContrastiveGradientIsTheDerivative(t *testing.T) {
	b := embeddingBatch[float64](2, 12, 4, 1)
	checkGradient(t, contrastive[float64](t, 2), b, func(*loss.Batch[float64]) {})
}

func TestContrastiveIsALoss(t *testing.T) {
	checkTerm(t, "contrastive", contrastive[float64](t, 2))
	checkFiniteEmbedding(t, contrastive[float64](t, 2))
	checkSinglePrecision(t, contrastive[float32](t, 5), contrastive[float64](t, 5))
	checkRepeatable(t, contrastive[float32](t, 20))
	checkRefusals(t, contrastive[float32](t, 1), labelRefusals())
}

func TestNewContrastiveRefusesBadOptions(t *testing.T) {
	for margin, expect := range map[float64]string{
		0: "margin is 0", -1: "margin is -1", math.Inf(1): "margin is +Inf", math.NaN(): "margin is NaN",
	} {
		_, err := loss.NewContrastive[float32](loss.ContrastiveOptions{Margin: margin})
		checkOption(t, err, expect)
	}
}
