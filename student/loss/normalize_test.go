package loss_test

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"testing"

	"rkd/student/internal/blas"
	"rkd/student/loss"
)

// unit is m with rows of unit length, straight from the formula.
func unit(m loss.Matrix[float64]) loss.Matrix[float64] {
	u := zeros[float64](m.Rows, m.Cols)
	for i := range m.Rows {
		length := max(norm(m.Data[i*m.Cols:(i+1)*m.Cols]), 1e-12)
		for j := range m.Cols {
			u.Data[i*m.Cols+j] = m.Data[i*m.Cols+j] / length
		}
	}
	return u
}

func TestNormalizedIsTheLossOfUnitRows(t *testing.T) {
	b := gaussianBatch[float64](1, 12, 5, 9, 2)
	for name, sides := range map[string][2]bool{
		"none": {}, "student": {true, false}, "teacher": {false, true},
		"both": {true, true},
	} {
		want := b
		if sides[0] {
			want.Student = unit(b.Student)
		}
		if sides[1] {
			want.Teacher = unit(b.Teacher)
		}
		expected, _ := eval(t, loss.NewRelational[float64](1, 2), want)
		got, _ := eval(t, loss.NewNormalized(loss.NewRelational[float64](1, 2), sides[0], sides[1]), b)
		if math.Abs(got-expected) > 1e-12 {
			t.Errorf("%s: %v, expected %v", name, got, expected)
		}
	}
}

func TestNormalizedGradient(t *testing.T) {
	b := gaussianBatch[float64](2, 8, 4, 6, 1)
	checkGradient(t, loss.NewNormalized(loss.NewRelational[float64](1, 2), true, true), b, func(*loss.Batch[float64]) {})
	checkGradient(t, loss.NewNormalized(loss.NewRelational[float64](1, 2), false, true), b, func(*loss.Batch[float64]) {})
}

func TestNormalizedAgreesWithPyTorch(t *testing.T) {
	data, err := os.ReadFile("testdata/normalize_golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Student, Teacher goldenMatrix
		Cases            []struct {
			Student, Teacher bool
			goldenLoss
		}
	}
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatal(err)
	}
	if len(golden.Cases) != 4 {
		t.Fatalf("%d cases, expected 4", len(golden.Cases))
	}
	b := loss.Batch[float64]{Student: golden.Student.matrix(), Teacher: golden.Teacher.matrix()}
	for _, c := range golden.Cases {
		value, grad := eval(t, loss.NewNormalized(loss.NewRelational[float64](1, 2), c.Student, c.Teacher), b)
		if math.Abs(value-c.Value) > 1e-10 || relative(grad, c.Grad) > 1e-9 {
			t.Errorf("student %v, teacher %v: value %v and gradient %v, PyTorch has %v and %v", c.Student,
				c.Teacher, value, grad,
				c.Value, c.Grad)
		}
	}
}

func TestNormalizedEdges(t *testing.T) {
	for _, f := range []func(*testing.T){normalizedEdges[float32], normalizedEdges[float64]} {
		f(t)
	}
}

func normalizedEdges[T blas.Float](t *testing.T) {
	l := loss.NewNormalized[T](loss.NewRelational[T](1, 2), true, true)
	b := gaussianBatch[T](3, 6, 4, 5, 0)
	clear(b.Student.Data[:4]) // a row of length 0
	_, grad := eval[T](t, l, b)
	for i, g := range grad {
		if math.IsNaN(float64(g)) || math.IsInf(float64(g), 0) {
			t.Errorf("gradient[%d] of a batch with a zero row is %v", i, g)
		}
	}
	if allocs := testing.AllocsPerRun(5, func() { eval[T](t, l, b) }); allocs > 1 { // the gradient that eval makes
		t.Errorf("%v allocations a call, expected none", allocs-1)
	}
	b.Student.Data[5] = T(math.NaN())
	if _, err := l.Eval(b, 1, zeros[T](6, 4)); !errors.Is(err, loss.ErrNotFinite) {
		t.Errorf("a NaN gives %v, expected ErrNotFinite", err)
	}
	if _, err := l.Eval(loss.Batch[T]{}, 1, loss.Matrix[T]{}); !errors.Is(err, loss.ErrShape) {
		t.Errorf("an empty batch gives %v, expected ErrShape", err)
	}
}
