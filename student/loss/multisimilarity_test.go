package loss_test

import (
	"math"
	"testing"

	"rkd/student/internal/blas"
	"rkd/student/loss"
)

func multiSimilarity[T blas.Float](t *testing.T, o loss.MultiSimilarityOptions) *loss.MultiSimilarity[T] {
	t.Helper()
	return must(loss.NewMultiSimilarity[T](o))(t)
}

// paperMultiSimilarity is what the zero value means.
// number is an option that is given.
func number(v float64) *float64 { return &v }

var paperMultiSimilarity = loss.MultiSimilarityOptions{Alpha: 2, Beta: 50, Base: number(0.5), Epsilon: 0.1}

func referenceMultiSimilarity(b loss.Batch[float64], o loss.MultiSimilarityOptions) float64 {
	u, total := unit(b.Student), 0.0
	cosine := func(i, j int) (sum float64) {
		for c := range u.Cols {
			sum += u.Data[i*u.Cols+c] * u.Data[j*u.Cols+c]
		}
		return sum
	}
	for i := range b.Labels {
		least, most := math.Inf(1), math.Inf(-1)
		for j := range b.Labels {
			if b.Labels[j] != b.Labels[i] {
				most = max(most, cosine(i, j))
			} else if j != i {
				least = min(least, cosine(i, j))
			}
		}
		positive, negative := 0.0, 0.0
		for j := range b.Labels {
			s := cosine(i, j)
			if b.Labels[j] != b.Labels[i] && s+o.Epsilon > least {
				negative += math.Exp(o.Beta * (s - *o.Base))
			} else if b.Labels[j] == b.Labels[i] && j != i && s-o.Epsilon < most {
				positive += math.Exp(-o.Alpha * (s - *o.Base))
			}
		}
		if positive > 0 && negative > 0 {
			total += math.Log(1+positive)/o.Alpha + math.Log(1+negative)/o.Beta
		}
	}
	return total / float64(len(b.Labels))
}

func TestMultiSimilarityAgreesWithTheFormula(t *testing.T) {
	for _, o := range []loss.MultiSimilarityOptions{
		paperMultiSimilarity,
		{Alpha: 1, Beta: 3, Base: number(-0.2), Epsilon: 1e-9},
	} {
		b := embeddingBatch[float64](1, 24, 5, 0.5)
		got, _ := eval(t, multiSimilarity[float64](t, o), b)
		if want := referenceMultiSimilarity(b, o); math.Abs(got-want) > 1e-12*want {
			t.Errorf("%+v: value is %.15g, expected %.15g", o, got, want)
		}
	}
}

func TestMultiSimilarityTakesThePapersSettingsForZeros(t *testing.T) {
	b := embeddingBatch[float64](1, 24, 5, 0.5)
	want, _ := eval(t, multiSimilarity[float64](t, paperMultiSimilarity), b)
	for _, o := range []loss.MultiSimilarityOptions{{}, {Alpha: 2}, {Beta: 50}, {Base: number(0.5)}, {Epsilon: 0.1}} {
		if got, _ := eval(t, multiSimilarity[float64](t, o), b); got != want {
			t.Errorf("%+v: value is %.15g, expected %.15g", o, got, want)
		}
	}
}

func TestMultiSimilarityOfClassesFarApartIsZero(t *testing.T) {
	s := loss.Matrix[float64]{Rows: 4, Cols: 2, Data: []float64{1, 0.1, 1, -0.1, -1, 0.1, -1, -0.1}}
	b := loss.Batch[float64]{Student: s, Labels: []int32{0, 0, 1, 1}}
	value, grad := eval(t, multiSimilarity[float64](t, loss.MultiSimilarityOptions{}), b)
	if size := norm(grad); value != 0 || size != 0 {
		t.Errorf("value is %g, gradient's norm %g, expected 0 since mining leaves no pair", value, size)
	}
}

func TestMultiSimilarityDoesNotOverflow(t *testing.T) {
	o := loss.MultiSimilarityOptions{Alpha: 1e4, Beta: 1e4}
	b := embeddingBatch[float64](1, 12, 2, 0)
	value, grad := eval(t, multiSimilarity[float64](t, o), b)
	if size := norm(grad); math.IsInf(value, 0) || math.IsNaN(value) || math.IsNaN(size-size) || value > 4 {
		t.Errorf("value is %g, gradient's norm %g, expected a value below 4 and a finite gradient", value, size)
	}
}

func TestMultiSimilarityAgreesWithPyTorch(t *testing.T) {
	checkEmbeddingGolden(t, "multi_similarity", func(c embeddingCase) loss.Loss[float64] {
		o := loss.MultiSimilarityOptions{Alpha: c.Alpha, Beta: c.Beta, Base: number(c.Base), Epsilon: c.Epsilon}
		return multiSimilarity[float64](t, o)
	})
}

func TestMultiSimilarityGradientIsTheDerivative(t *testing.T) {
	o := loss.MultiSimilarityOptions{Alpha: 2, Beta: 10, Base: number(0.3), Epsilon: 0.1}
	checkGradient(t, multiSimilarity[float64](t, o), embeddingBatch[float64](2, 12, 4, 0.5), func(*loss.Batch[float64]) {})
}

func TestMultiSimilarityIsALoss(t *testing.T) {
	var o loss.MultiSimilarityOptions
	checkTerm(t, "multi_similarity", multiSimilarity[float64](t, o))
	checkFiniteEmbedding(t, multiSimilarity[float64](t, o))
	checkSinglePrecision(t, multiSimilarity[float32](t, o), multiSimilarity[float64](t, o))
	checkRepeatable(t, multiSimilarity[float32](t, o))
	checkRefusals(t, multiSimilarity[float32](t, o), append(labelRefusals(),
		refusal{
			"one class", func(b *loss.Batch[float32]) { b.Labels = make([]int32, 8) }, loss.ErrBatch,
			"8 rows of 1 classes",
		},
		refusal{
			"one row a class", func(b *loss.Batch[float32]) { b.Labels = balanced(8, 1) }, loss.ErrBatch,
			"8 rows of 8 classes",
		}))
}

func TestNewMultiSimilarityRefusesBadOptions(t *testing.T) {
	for expect, o := range map[string]loss.MultiSimilarityOptions{
		"alpha is -2":    {Alpha: -2},
		"beta is NaN":    {Beta: math.NaN()},
		"base is 2":      {Base: number(2)},
		"epsilon is -1":  {Epsilon: -1},
		"epsilon is +In": {Epsilon: math.Inf(1)},
	} {
		_, err := loss.NewMultiSimilarity[float32](o)
		checkOption(t, err, expect)
	}
}
