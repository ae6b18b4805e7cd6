package loss_test

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"rkd/student/internal/blas"
	"rkd/student/loss"
)

// gramCase is one batch of testdata/gram_golden.json, made by the script beside it.
type gramCase struct {
	Name              string
	Student, Teacher  goldenMatrix
	SP, PKT, Bilinear goldenLoss
	Gaussian          []struct {
		goldenLoss
		Gamma float64
		Order int
	}
}

func readGramGolden(t *testing.T) []gramCase {
	t.Helper()
	var cases []gramCase
	readCases(t, "testdata/gram_golden.json", &cases)
	if len(cases) != 6 {
		t.Fatalf("gram_golden.json holds %d cases, expected 6", len(cases))
	}
	return cases
}

func readCases(t *testing.T, name string, cases any) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, cases); err != nil {
		t.Fatal(err)
	}
}

func (c gramCase) batch() loss.Batch[float64] {
	return loss.Batch[float64]{Student: c.Student.matrix(), Teacher: c.Teacher.matrix()}
}

func checkGolden(t *testing.T, name string, l loss.Loss[float64], b loss.Batch[float64], want goldenLoss) {
	t.Helper()
	value, grad := eval(t, l, b)
	if math.Abs(value-want.Value) > 1e-10*max(want.Value, 1) {
		t.Errorf("%s: value is %.15g, PyTorch has %.15g", name, value, want.Value)
	}
	// Where rows share a large offset, PyTorch's own rounding is some 1e-13 of terms that cancel.
	difference := make([]float64, len(grad))
	for i, g := range want.Grad {
		difference[i] = grad[i] - g
	}
	if e := norm(difference); len(grad) != len(want.Grad) || e > 1e-9*norm(want.Grad)+1e-14 {
		t.Errorf("%s: gradient is %g off PyTorch's, whose norm is %g", name, e, norm(want.Grad))
	}
}

// relationSize is the shape of a batch for references.
type relationSize struct{ n, ds, dt int }

var relationSizes = []relationSize{{2, 1, 1}, {3, 2, 5}, {5, 3, 2}, {18, 5, 40}, {33, 16, 17}, {35, 130, 9}}

func checkReference(t *testing.T, l loss.Loss[float64], reference func(loss.Batch[float64]) float64) {
	t.Helper()
	for _, size := range relationSizes {
		b := gaussianBatch[float64](uint64(size.n), size.n, size.ds, size.dt, 0.3)
		got, _ := eval(t, l, b)
		if want := reference(b); math.Abs(got-want) > 1e-10*max(want, 1e-3) {
			t.Errorf("%+v: value is %.15g, expected %.15g", size, got, want)
		}
	}
}

// referenceCosines is the (N,N) matrix of inner products over lengths with epsilon added, from the formula.
func referenceCosines(m loss.Matrix[float64], epsilon float64) [][]float64 {
	products := referenceProducts(m)
	cosines := make([][]float64, m.Rows)
	for i := range cosines {
		for j := range cosines {
			lengths := (math.Sqrt(products[i][i]) + epsilon) * (math.Sqrt(products[j][j]) + epsilon)
			cosines[i] = append(cosines[i], products[i][j]/lengths)
		}
	}
	return cosines
}

func referenceProducts(m loss.Matrix[float64]) [][]float64 {
	products := make([][]float64, m.Rows)
	for i := range products {
		for j := range products {
			sum := 0.0
			for c := range m.Cols {
				sum += m.Data[i*m.Cols+c] * m.Data[j*m.Cols+c]
			}
			products[i] = append(products[i], sum)
		}
	}
	return products
}

// relation makes a loss that looks at student and teacher and nothing else, in both precisions.
type relation struct {
	single func() loss.Loss[float32]
	double func() loss.Loss[float64]
	term   string
	// tooLarge is a value that is refused in a float32 row.
	tooLarge float64
}

// check runs the tests that every such loss must pass.
func (r relation) check(t *testing.T) {
	t.Run("gradient is the derivative", func(t *testing.T) {
		for _, size := range []relationSize{{3, 3, 2}, {5, 4, 8}, {12, 6, 4}, {20, 5, 3}} {
			b := gaussianBatch[float64](uint64(size.n), size.n, size.ds, size.dt, 0)
			for i := range b.Student.Data {
				b.Student.Data[i] *= 0.7
			}
			checkGradient(t, r.double(), b, func(*loss.Batch[float64]) {})
		}
	})
	t.Run("float32 agrees with float64", func(t *testing.T) {
		for _, mean := range []float64{0, 1, 100} {
			single := gaussianBatch[float32](5, 48, 16, 40, mean)
			double := loss.Batch[float64]{Student: widen(single.Student), Teacher: widen(single.Teacher)}
			got, gotGrad := eval(t, r.single(), single)
			want, wantGrad := eval(t, r.double(), double)
			if e := math.Abs(got-want) / want; e > 1e-5 {
				t.Errorf("mean %g: value is %g off in float32, expected at most 1e-5", mean, e)
			}
			difference := widen(loss.Matrix[float32]{Rows: 1, Cols: len(gotGrad), Data: gotGrad}).Data
			for i, g := range wantGrad {
				difference[i] -= g
			}
			if e := norm(difference) / norm(wantGrad); !(e <= 1e-5) {
				t.Errorf("mean %g: gradient is %g off in float32, expected at most 1e-5", mean, e)
			}
		}
	})
	t.Run("adds the weighted gradient", func(t *testing.T) {
		b := gaussianBatch[float64](3, 20, 4, 6, 0)
		student, teacher := slices.Clone(b.Student.Data), slices.Clone(b.Teacher.Data)
		value, gradient := eval(t, r.double(), b)
		grad, want := zeros[float64](20, 4), make([]float64, 80)
		for i := range want {
			grad.Data[i] = float64(i)
			want[i] = float64(i) + 3*gradient[i]
		}
		v, err := r.double().Eval(b, 3, grad)
		if err != nil {
			t.Fatal(err)
		}
		terms := []loss.Term{{Name: r.term, Weight: 1, Value: value}}
		if v.Total != value || !slices.Equal(v.Terms, terms) {
			t.Errorf("value is %+v, expected the terms %+v", v, terms)
		}
		if e := relative(grad.Data, want); e > 1e-14 {
			t.Errorf("gradient is %g off 3·gradient added to what was there", e)
		}
		if !slices.Equal(b.Student.Data, student) || !slices.Equal(b.Teacher.Data, teacher) {
			t.Error("Eval changed the batch")
		}
	})
	t.Run("does not depend on earlier batches", func(t *testing.T) {
		used := r.single()
		for _, size := range []relationSize{{40, 9, 10}, {12, 33, 5}, {12, 20, 50}, {41, 3, 4}, {2, 1, 2}} {
			b := gaussianBatch[float32](4, size.n, size.ds, size.dt, 0)
			got, gotGrad := eval(t, used, b)
			want, wantGrad := eval(t, r.single(), b)
			if got != want || !slices.Equal(gotGrad, wantGrad) {
				t.Errorf("%+v: a loss that has seen other batches gives other bits than a new one", size)
			}
		}
	})
	t.Run("bits do not depend on threads", func(t *testing.T) {
		l, b := r.single(), gaussianBatch[float32](6, 70, 150, 50, 0)
		checkBits(t, func() []float32 {
			value, grad := eval(t, l, b)
			return append(grad, float32(value))
		})
	})
	t.Run("allocates nothing", func(t *testing.T) {
		checkNoAllocation(t, r.single(), gaussianBatch[float32](7, 64, 200, 50, 0))
	})
	t.Run("stays finite", func(t *testing.T) { checkDegenerate(t, r.single()); checkDegenerate(t, r.double()) })
	t.Run("refuses bad batches", r.refuses)
}

func checkDegenerate[T blas.Float](t *testing.T, l loss.Loss[T]) {
	t.Helper()
	b := gaussianBatch[T](8, 9, 5, 6, 0)
	zero := loss.Batch[T]{Student: gaussian[T](newRand(9), 9, 5, 0), Teacher: gaussian[T](newRand(10), 9, 6, 0)}
	clear(zero.Student.Data[5:10])
	clear(zero.Teacher.Data[6:18])
	some := gaussian[T](newRand(11), 9, 5, 0)
	for i := range 6 {
		copy(some.Data[i*5:(i+1)*5], some.Data[:5])
	}
	ones := zeros[T](9, 5)
	for i := range ones.Data {
		ones.Data[i] = 1
	}
	for name, b := range map[string]loss.Batch[T]{
		"zero rows":              zero,
		"identical rows":         {Student: some, Teacher: b.Teacher},
		"all student rows equal": {Student: ones, Teacher: b.Teacher},
		"all teacher rows equal": {Student: b.Student, Teacher: ones},
		"all rows zero":          {Student: zeros[T](9, 5), Teacher: zeros[T](9, 3)},
		"two opposite rows":      {Student: loss.Matrix[T]{Rows: 2, Cols: 1, Data: []T{1, -1}}, Teacher: zeros[T](2, 1)},
	} {
		value, grad := eval(t, l, b)
		if size := norm(grad); math.IsNaN(value+size) || math.IsInf(value+size, 0) || size > 1000 {
			t.Errorf("%s: value is %g and the gradient's norm %g, expected moderate numbers", name, value, size)
		}
	}
}

func (r relation) refuses(t *testing.T) {
	matrix := func(rows, cols int) loss.Matrix[float32] { return gaussian[float32](newRand(1), rows, cols, 0) }
	with := func(at int, v float64) loss.Matrix[float32] {
		m := matrix(3, 3)
		m.Data[at] = float32(v)
		return m
	}
	none, square := loss.Matrix[float32]{}, matrix(3, 3)
	short := loss.Matrix[float32]{Rows: 3, Cols: 2, Data: make([]float32, 5)}
	for _, c := range []struct {
		name                   string
		student, teacher, grad loss.Matrix[float32]
		want                   error
		text                   string
	}{
		{"one row", matrix(1, 3), matrix(1, 4), zeros[float32](1, 3), loss.ErrShape, "student is (1,3)"},
		{"no rows", none, none, none, loss.ErrShape, "student is (0,0)"},
		{"no teacher", square, none, none, loss.ErrShape, "student is (3,3), teacher is (0,0)"},
		{"unequal rows", square, matrix(4, 5), none, loss.ErrShape, "student is (3,3), teacher is (4,5)"},
		{"too few values", square, short, none, loss.ErrShape, "teacher is (3,2) with 5 values"},
		{"gradient of another shape", square, square, zeros[float32](3, 2), loss.ErrShape, "gradient is (3,2)"},
		{"NaN", with(4, math.NaN()), square, zeros[float32](3, 3), loss.ErrNotFinite, "student row 1 has NaN in column 1"},
		{"infinity", square, with(8, math.Inf(-1)), none, loss.ErrNotFinite, "teacher row 2 has -Inf in column 2"},
		{"too large", with(3, r.tooLarge), square, zeros[float32](3, 3), loss.ErrNotFinite, "is too"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := r.single().Eval(loss.Batch[float32]{Student: c.student, Teacher: c.teacher}, 1, c.grad)
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("error is %v, expected %q that says %q", err, c.want, c.text)
			}
			if norm(c.grad.Data) != 0 {
				t.Error("the gradient was changed")
			}
		})
	}
}
