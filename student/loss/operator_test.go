package loss_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/student/internal/blas"
	"rkd/student/loss"
)

type relationalNode func(student, teacher *gorgonia.Node) (*gorgonia.Node, error)

// onGraph returns 3·distance − 2·angle and its gradient as the tape machine computes them.
func onGraph[T blas.Float](t *testing.T, b loss.Batch[T]) (float64, []T) {
	t.Helper()
	g := gorgonia.NewGraph()
	input := func(name string, m loss.Matrix[T]) *gorgonia.Node {
		return gorgonia.NewTensor(g, tensor.New(tensor.WithShape(1), tensor.WithBacking(m.Data[:1])).Dtype(), 2,
			gorgonia.WithName(name), gorgonia.WithShape(m.Rows, m.Cols),
			gorgonia.WithValue(tensor.New(tensor.WithShape(m.Rows, m.Cols), tensor.WithBacking(m.Data))))
	}
	student, teacher := input("student", b.Student), input("teacher", b.Teacher)
	scaled := func(f relationalNode, weight T) *gorgonia.Node {
		n, err := f(student, teacher)
		if err != nil {
			t.Fatal(err)
		}
		return gorgonia.Must(gorgonia.Mul(n, gorgonia.NewConstant(weight)))
	}
	total := gorgonia.Must(gorgonia.Sub(scaled(loss.RelationalDistance, 3), scaled(loss.RelationalAngle, 2)))
	grads, err := gorgonia.Grad(total, student)
	if err != nil {
		t.Fatal(err)
	}
	vm := gorgonia.NewTapeMachine(g)
	defer func() {
		if err := vm.Close(); err != nil {
			t.Error(err)
		}
	}()
	for range 2 { // the second run uses what the machine allocated in the first
		vm.Reset()
		if err := vm.RunAll(); err != nil {
			t.Fatal(err)
		}
	}
	value := 0.0
	switch v := total.Value().Data().(type) {
	case float32:
		value = float64(v)
	case float64:
		value = v
	}
	return value, grads[0].Value().Data().([]T)
}

func checkOnGraph[T blas.Float](t *testing.T, tolerance float64) {
	rng := newRand(1)
	b := loss.Batch[T]{Student: gaussian[T](rng, 12, 4, 0), Teacher: gaussian[T](rng, 12, 6, 0)}
	got, gotGrad := onGraph(t, b)
	distance, wantGrad := eval(t, loss.NewRelational[T](1, 0), b)
	angle, angleGrad := eval(t, loss.NewRelational[T](0, 1), b)
	for i, a := range angleGrad {
		wantGrad[i] = 3*wantGrad[i] - 2*a
	}
	if want := 3*distance - 2*angle; math.Abs(got-want) > tolerance {
		t.Errorf("value is %g, expected %g", got, want)
	}
	if e := relative(gotGrad, wantGrad); e > tolerance {
		t.Errorf("gradient is %g off, expected at most %g", e, tolerance)
	}
}

func TestOperatorsRunOnTheTapeMachine(t *testing.T) {
	t.Run("float64", func(t *testing.T) { checkOnGraph[float64](t, 1e-12) })
	t.Run("float32", func(t *testing.T) { checkOnGraph[float32](t, 1e-5) })
}

func TestOperatorsHashTheirAttributes(t *testing.T) {
	g := gorgonia.NewGraph()
	student := gorgonia.NewMatrix(g, tensor.Float64, gorgonia.WithShape(4, 2), gorgonia.WithName("s"))
	teacher := gorgonia.NewMatrix(g, tensor.Float64, gorgonia.WithShape(4, 3), gorgonia.WithName("t"))
	distance := gorgonia.Must(loss.RelationalDistance(student, teacher))
	angle := gorgonia.Must(loss.RelationalAngle(student, teacher))
	if distance == angle || distance.Op().Hashcode() == angle.Op().Hashcode() {
		t.Errorf("%v and %v have one hash", distance.Op(), angle.Op())
	}
}

func TestOperatorsRefuseBadInputs(t *testing.T) {
	g := gorgonia.NewGraph()
	matrix := func(dt tensor.Dtype, rows, cols int) *gorgonia.Node {
		return gorgonia.NewMatrix(g, dt, gorgonia.WithShape(rows, cols), gorgonia.WithName("m"))
	}
	vector := gorgonia.NewVector(g, tensor.Float64, gorgonia.WithShape(4), gorgonia.WithName("v"))
	f64, f32 := tensor.Float64, tensor.Float32
	for name, f := range map[string]relationalNode{"distance": loss.RelationalDistance, "angle": loss.RelationalAngle} {
		for _, c := range []struct {
			name             string
			student, teacher *gorgonia.Node
			want             error
			expect           string
		}{
			{"unequal rows", matrix(f64, 4, 2), matrix(f64, 5, 3), loss.ErrShape, "student is (4, 2), teacher is (5, 3)"},
			{"one row", matrix(f64, 1, 2), matrix(f64, 1, 3), loss.ErrShape, "student is (1, 2)"},
			{"vector", vector, matrix(f64, 4, 3), loss.ErrShape, "student is (4)"},
			{"element types", matrix(f64, 4, 2), matrix(f32, 4, 3), loss.ErrType, "student is float64, teacher is float32"},
			{"integers", matrix(tensor.Int, 4, 2), matrix(tensor.Int, 4, 3), loss.ErrType, "student is int"},
			{"nil", matrix(f64, 4, 2), nil, loss.ErrShape, "student or teacher is nil"},
		} {
			_, err := f(c.student, c.teacher)
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.expect) {
				t.Errorf("%s, %s: error is %v, expected one of %q that says %q", name, c.name, err, c.want, c.expect)
			}
		}
	}
}

func TestOperatorReportsRowsThatAreNotFinite(t *testing.T) {
	g := gorgonia.NewGraph()
	input := func(name string, data []float64) *gorgonia.Node {
		return gorgonia.NewMatrix(g, tensor.Float64, gorgonia.WithShape(2, 2), gorgonia.WithName(name),
			gorgonia.WithValue(tensor.New(tensor.WithShape(2, 2), tensor.WithBacking(data))))
	}
	gorgonia.Must(loss.RelationalAngle(input("s", []float64{1, 2, math.NaN(), 4}), input("t", []float64{1, 2, 3, 4})))
	vm := gorgonia.NewTapeMachine(g)
	defer vm.Close()
	if err := vm.RunAll(); err == nil || !strings.Contains(err.Error(), "student row 1 has NaN in column 0") {
		t.Errorf("error is %v, expected one that names row 1", err)
	}
}
