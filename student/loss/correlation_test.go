package loss_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"rkd/student/internal/blas"
	"rkd/student/loss"
)

func newCorrelation[T blas.Float](t *testing.T, o loss.CorrelationOptions) *loss.Correlation[T] {
	t.Helper()
	l, err := loss.NewCorrelation[T](o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// referenceCorrelation is the loss from the formula, with the default settings.
func referenceCorrelation(kernel string) func(loss.Batch[float64]) float64 {
	return func(b loss.Batch[float64]) float64 {
		k := referenceProducts
		if kernel == loss.KernelGaussian {
			k = func(m loss.Matrix[float64]) [][]float64 {
				rows := referenceCosines(m, 0)
				for _, row := range rows {
					for j, c := range row {
						row[j] = math.Exp(-0.8) * (1 + 0.8*c + 0.8*0.8*c*c/2)
					}
				}
				return rows
			}
		}
		s, t := k(b.Student), k(b.Teacher)
		sum := 0.0
		for i := range s {
			for j := range s {
				sum += (s[i][j] - t[i][j]) * (s[i][j] - t[i][j])
			}
		}
		return sum / float64(len(s)*len(s))
	}
}

func TestCorrelationAgreesWithTheFormula(t *testing.T) {
	for _, kernel := range loss.Kernels() {
		checkReference(t, newCorrelation[float64](t, loss.CorrelationOptions{Kernel: kernel}), referenceCorrelation(kernel))
	}
}

func TestCorrelationAgreesWithPyTorch(t *testing.T) {
	for _, c := range readGramGolden(t) {
		bilinear := newCorrelation[float64](t, loss.CorrelationOptions{Kernel: loss.KernelBilinear})
		checkGolden(t, c.Name, bilinear, c.batch(), c.Bilinear)
		for _, g := range c.Gaussian {
			l := newCorrelation[float64](t, loss.CorrelationOptions{Gamma: g.Gamma, Order: g.Order})
			checkGolden(t, c.Name, l, c.batch(), g.goldenLoss)
		}
	}
}

func TestCorrelation(t *testing.T) {
	for kernel, tooLarge := range map[string]float64{loss.KernelGaussian: 1e19, loss.KernelBilinear: 1e10} {
		o := loss.CorrelationOptions{Kernel: kernel}
		t.Run(kernel, relation{
			single:   func() loss.Loss[float32] { return newCorrelation[float32](t, o) },
			double:   func() loss.Loss[float64] { return newCorrelation[float64](t, o) },
			term:     "cc",
			tooLarge: tooLarge,
		}.check)
	}
}

// TestCorrelationOfHighOrderIsThatOfGaussians takes the series to where nothing is left of it.
func TestCorrelationOfHighOrderIsThatOfGaussians(t *testing.T) {
	b := gaussianBatch[float64](3, 14, 4, 7, 0)
	b.Student, b.Teacher = unit(b.Student), unit(b.Teacher)
	want := 0.0
	for i := range 14 {
		for j := range 14 {
			_, s := referenceDifference(b.Student, i, j)
			_, u := referenceDifference(b.Teacher, i, j)
			d := math.Exp(-1.5*s*s) - math.Exp(-1.5*u*u)
			want += d * d / (14 * 14)
		}
	}
	got, _ := eval(t, newCorrelation[float64](t, loss.CorrelationOptions{Gamma: 1.5, Order: 40}), b)
	if math.Abs(got-want) > 1e-12 {
		t.Errorf("value is %.15g, expected %.15g", got, want)
	}
}

func TestNewCorrelationRefusesBadOptions(t *testing.T) {
	for _, c := range []struct {
		options loss.CorrelationOptions
		expect  string
	}{
		{loss.CorrelationOptions{Kernel: "cubic"}, `kernel is "cubic", expected one of gaussian, bilinear`},
		{loss.CorrelationOptions{Kernel: "bilinear", Order: 2}, `kernel "bilinear" has gamma 0 and order 2`},
		{loss.CorrelationOptions{Gamma: -1}, "gamma is -1"},
		{loss.CorrelationOptions{Gamma: math.NaN()}, "gamma is NaN"},
		{loss.CorrelationOptions{Gamma: math.Inf(1)}, "gamma is +Inf"},
		{loss.CorrelationOptions{Order: -1}, "order is -1, expected 1 to 100"},
		{loss.CorrelationOptions{Order: 101}, "order is 101"},
	} {
		_, err := loss.NewCorrelation[float32](c.options)
		if !errors.Is(err, loss.ErrOption) || !strings.Contains(err.Error(), c.expect) {
			t.Errorf("%+v: error is %v, expected ErrOption that says %q", c.options, err, c.expect)
		}
	}
}
