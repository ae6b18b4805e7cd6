package loss_test

import (
	"math"
	"testing"

	"rkd/student/internal/blas"
	"rkd/student/loss"
)

func prototypical[T blas.Float](t *testing.T, shots int) *loss.Prototypical[T] {
	t.Helper()
	return must(loss.NewPrototypical[T](loss.PrototypicalOptions{Shots: shots}))(t)
}

func referencePrototypical(b loss.Batch[float64], shots int) float64 {
	dim, rows := b.Student.Cols, map[int32][]int{}
	for i, y := range b.Labels {
		rows[y] = append(rows[y], i)
	}
	likelihood := func(i int, y int32) float64 {
		square := 0.0
		for c := range dim {
			mean := 0.0
			for _, j := range rows[y][:shots] {
				mean += b.Student.Data[j*dim+c] / float64(shots)
			}
			square += (b.Student.Data[i*dim+c] - mean) * (b.Student.Data[i*dim+c] - mean)
		}
		return math.Exp(-square)
	}
	total, queries := 0.0, 0
	for y, of := range rows {
		for _, i := range of[shots:] {
			all := 0.0
			for k := range rows {
				all += likelihood(i, k)
			}
			total -= math.Log(likelihood(i, y) / all)
			queries++
		}
	}
	return total / float64(queries)
}

func TestPrototypicalAgreesWithTheFormula(t *testing.T) {
	for _, labels := range [][]int32{balanced(4, 3), {9, 9, 9, 9, 9, 9, 9, -4, 2, -4, 2, 2}} {
		b := embeddingBatch[float64](1, 12, 3, 1)
		b.Labels = labels
		want := referencePrototypical(b, 1)
		if got, _ := eval(t, prototypical[float64](t, 1), b); math.Abs(got-want) > 1e-12*want {
			t.Errorf("labels %v: value is %.15g, expected %.15g", labels, got, want)
		}
	}
}

func TestPrototypicalOfIdenticalRowsIsLogK(t *testing.T) {
	b := loss.Batch[float64]{Student: zeros[float64](6, 2), Labels: balanced(3, 2)}
	if got, _ := eval(t, prototypical[float64](t, 1), b); math.Abs(got-math.Log(3)) > 1e-15 {
		t.Errorf("value is %g, expected log 3 = %g", got, math.Log(3))
	}
}

func TestPrototypicalIgnoresACommonOffset(t *testing.T) {
	b := embeddingBatch[float64](1, 24, 5, 0)
	want, wantGrad := eval(t, prototypical[float64](t, 2), b)
	for i := range b.Student.Data {
		b.Student.Data[i] += 1 << 20
	}
	value, grad := eval(t, prototypical[float64](t, 2), b)
	if e := relative(grad, wantGrad); math.Abs(value-want) > 1e-8 || e > 1e-8 {
		t.Errorf("value moves by %g and the gradient by %g with an offset of 2^20, expected at most 1e-8", value-want, e)
	}
}

func TestPrototypicalAgreesWithPyTorch(t *testing.T) {
	checkCases(t, goldenCases[embeddingCase](t, "logit_golden.json", "prototypical"),
		func(c embeddingCase) loss.Loss[float64] { return prototypical[float64](t, c.Shots) })
}

func TestPrototypicalIsALoss(t *testing.T) {
	for _, shots := range []int{1, 2} {
		checkGradient(t, prototypical[float64](t, shots), embeddingBatch[float64](2, 12, 4, 1), func(*loss.Batch[float64]) {})
		checkTerm(t, "prototypical", prototypical[float64](t, shots))
		checkSinglePrecision(t, prototypical[float32](t, shots), prototypical[float64](t, shots))
		checkRepeatable(t, prototypical[float32](t, shots))
	}
	checkFiniteEmbedding(t, prototypical[float64](t, 1))
	checkRefusals(t, prototypical[float32](t, 1), append(singleRefusals()[:2],
		refusal{
			"a label missing", func(b *loss.Batch[float32]) { b.Labels = b.Labels[:7] }, loss.ErrShape,
			"7 labels for student (8,3)",
		},
		refusal{
			"one class", func(b *loss.Batch[float32]) { b.Labels = make([]int32, 8) }, loss.ErrBatch,
			"8 rows of 1 classes",
		},
		refusal{
			"no query", func(b *loss.Batch[float32]) { b.Labels[7] = 5 }, loss.ErrBatch,
			"class 3 has 1 rows, expected more than its 1 shots",
		},
		refusal{"one row", func(b *loss.Batch[float32]) {
			b.Student, b.Labels = zeros[float32](1, 3), []int32{0}
		}, loss.ErrBatch, "1 rows of 1 classes"}))
}

func TestNewPrototypicalRefusesBadOptions(t *testing.T) {
	_, err := loss.NewPrototypical[float32](loss.PrototypicalOptions{})
	checkOption(t, err, "shots is 0, expected 1 or more")
}

func TestPrototypicalNeedsMoreRowsThanShots(t *testing.T) {
	b := embeddingBatch[float32](1, 8, 3, 0)
	_, err := prototypical[float32](t, 1<<40).Eval(b, 1, zeros[float32](8, 3))
	checkError(t, err, loss.ErrBatch, "class 0 has 2 rows, expected more than its 1099511627776 shots, to leave a query")
}
