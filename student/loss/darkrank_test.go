package loss_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"rkd/student/internal/blas"
	"rkd/student/loss"
)

func newDarkRank[T blas.Float](t *testing.T, o loss.DarkRankOptions) *loss.DarkRank[T] {
	t.Helper()
	l, err := loss.NewDarkRank[T](o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// referenceDarkRank is the loss from the formula, with the default settings.
func referenceDarkRank(b loss.Batch[float64]) float64 {
	n, sum := b.Student.Rows, 0.0
	for i := range n {
		var list []int
		for j := range n {
			if j != i {
				list = append(list, j)
			}
		}
		slices.SortStableFunc(list, func(j, k int) int {
			_, dj := referenceDifference(b.Teacher, i, j)
			_, dk := referenceDifference(b.Teacher, i, k)
			switch {
			case dj < dk:
				return -1
			case dj > dk:
				return 1
			}
			return 0
		})
		list = list[:min(4, n-1)]
		for k, j := range list {
			_, d := referenceDifference(b.Student, i, j)
			rest := 0.0 // Σ_m exp(s_m − s_k)
			for _, m := range list[k:] {
				_, dm := referenceDifference(b.Student, i, m)
				rest += math.Exp(3*d*d*d - 3*dm*dm*dm)
			}
			sum += math.Log(rest)
		}
	}
	return sum / float64(n)
}

func TestDarkRankAgreesWithTheFormula(t *testing.T) {
	for _, size := range []relationSize{{2, 1, 1}, {3, 2, 5}, {5, 3, 2}, {18, 3, 40}, {70, 4, 17}} {
		b := gaussianBatch[float64](uint64(size.n), size.n, size.ds, size.dt, 0.3)
		got, _ := eval(t, newDarkRank[float64](t, loss.DarkRankOptions{}), b)
		if want := referenceDarkRank(b); math.Abs(got-want) > 1e-12*max(want, 1e-3) {
			t.Errorf("%+v: value is %.15g, expected %.15g", size, got, want)
		}
	}
}

func TestDarkRankAgreesWithPyTorch(t *testing.T) {
	var cases []struct {
		goldenLoss
		Student, Teacher goldenMatrix
		Alpha, Beta      float64
		Length           int
	}
	readCases(t, "testdata/darkrank_golden.json", &cases)
	if len(cases) != 6 {
		t.Fatalf("darkrank_golden.json holds %d cases, expected 6", len(cases))
	}
	for i, c := range cases {
		l := newDarkRank[float64](t, loss.DarkRankOptions{Alpha: c.Alpha, Beta: c.Beta, Length: c.Length})
		b := loss.Batch[float64]{Student: c.Student.matrix(), Teacher: c.Teacher.matrix()}
		checkGolden(t, fmt.Sprint("case ", i), l, b, c.goldenLoss)
	}
}

func TestDarkRank(t *testing.T) {
	relation{
		single:   func() loss.Loss[float32] { return newDarkRank[float32](t, loss.DarkRankOptions{}) },
		double:   func() loss.Loss[float64] { return newDarkRank[float64](t, loss.DarkRankOptions{}) },
		term:     "dark_rank",
		tooLarge: 1e19,
	}.check(t)
}

func TestDarkRankGradientWithOtherSettings(t *testing.T) {
	for _, o := range []loss.DarkRankOptions{{Alpha: 0.5, Beta: 1, Length: 2}, {Alpha: 2, Beta: 2.5, Length: 30}} {
		checkGradient(t, newDarkRank[float64](t, o), gaussianBatch[float64](2, 9, 4, 5, 0), func(*loss.Batch[float64]) {})
	}
}

func TestDarkRankOfOneOrderIsZero(t *testing.T) {
	for _, c := range []struct {
		n      int
		length int
	}{{2, 4}, {7, 1}} {
		l := newDarkRank[float64](t, loss.DarkRankOptions{Length: c.length})
		value, grad := eval(t, l, gaussianBatch[float64](1, c.n, 3, 4, 0))
		if value != 0 || norm(grad) != 0 {
			t.Errorf("%+v: value is %g and the gradient's norm %g, expected 0", c, value, norm(grad))
		}
	}
}

// TestDarkRankOrdersCoincidentTeacherRowsByIndex has a reference with a stable sort and rows that are their own twins.
func TestDarkRankOrdersCoincidentTeacherRowsByIndex(t *testing.T) {
	b := gaussianBatch[float64](4, 12, 3, 2, 0)
	for i := range 12 {
		copy(b.Teacher.Data[2*i:2*i+2], b.Teacher.Data[i%3*2:])
	}
	got, _ := eval(t, newDarkRank[float64](t, loss.DarkRankOptions{}), b)
	if want := referenceDarkRank(b); math.Abs(got-want) > 1e-12*want {
		t.Errorf("value is %.15g, expected %.15g", got, want)
	}
}

func TestDarkRankRefusesScoresThatOverflow(t *testing.T) {
	b := gaussianBatch[float32](1, 5, 2, 2, 0)
	b.Student.Data[4] = 1e15 // its square does fit
	grad := zeros[float32](5, 2)
	_, err := newDarkRank[float32](t, loss.DarkRankOptions{Beta: 30}).Eval(b, 1, grad)
	if !errors.Is(err, loss.ErrNotFinite) || !strings.Contains(err.Error(), "powers of its distances overflow") {
		t.Errorf("error is %v, expected ErrNotFinite for powers that overflow", err)
	}
	if norm(grad.Data) != 0 {
		t.Error("the gradient was changed")
	}
}

func TestNewDarkRankRefusesBadOptions(t *testing.T) {
	for _, c := range []struct {
		options loss.DarkRankOptions
		expect  string
	}{
		{loss.DarkRankOptions{Alpha: -1}, "alpha is -1, expected a number of more than 0"},
		{loss.DarkRankOptions{Alpha: math.NaN()}, "alpha is NaN"},
		{loss.DarkRankOptions{Beta: math.Inf(1)}, "beta is +Inf"},
		{loss.DarkRankOptions{Length: -4}, "length is -4, expected 1 or more"},
	} {
		_, err := loss.NewDarkRank[float32](c.options)
		if !errors.Is(err, loss.ErrOption) || !strings.Contains(err.Error(), c.expect) {
			t.Errorf("%+v: error is %v, expected ErrOption that says %q", c.options, err, c.expect)
		}
	}
}
