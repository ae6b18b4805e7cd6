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

// The references are written from the formulas, entry by entry, over all N² pairs and N³ triples.

func referenceHuber(x float64) float64 {
	if x = math.Abs(x); x >= 1 {
		return x - 0.5
	}
	return x * x / 2
}

func referenceDifference[T blas.Float](m loss.Matrix[T], i, j int) (e []float64, length float64) {
	for c := range m.Cols {
		d := float64(m.Data[j*m.Cols+c]) - float64(m.Data[i*m.Cols+c])
		e = append(e, d)
		length += d * d
	}
	return e, math.Sqrt(length)
}

func referenceDistances[T blas.Float](m loss.Matrix[T]) []float64 {
	d := make([]float64, m.Rows*m.Rows)
	sum := 0.0
	for i := range m.Rows {
		for j := range m.Rows {
			if i != j {
				_, length := referenceDifference(m, i, j)
				d[i*m.Rows+j] = max(length, 1e-6)
				sum += d[i*m.Rows+j]
			}
		}
	}
	mean := sum / float64(m.Rows*(m.Rows-1))
	for i := range d {
		d[i] /= mean
	}
	return d
}

func referenceAngles[T blas.Float](m loss.Matrix[T]) []float64 {
	var psi []float64
	for i := range m.Rows {
		unit := make([][]float64, m.Rows)
		for j := range m.Rows {
			e, length := referenceDifference(m, i, j)
			for c := range e {
				if length <= 1e-6 {
					e[c] = 0
				} else {
					e[c] /= length
				}
			}
			unit[j] = e
		}
		for _, a := range unit {
			for _, b := range unit {
				dot := 0.0
				for c := range a {
					dot += a[c] * b[c]
				}
				psi = append(psi, dot)
			}
		}
	}
	return psi
}

func referenceMean(student, teacher []float64) float64 {
	sum := 0.0
	for i, s := range student {
		sum += referenceHuber(s - teacher[i])
	}
	return sum / float64(len(student))
}

// relationalTerms are the two losses with their references.
var relationalTerms = []struct {
	name            string
	distance, angle float64
	reference       func(b loss.Batch[float64]) float64
}{
	{"rkd_distance", 1, 0, func(b loss.Batch[float64]) float64 {
		return referenceMean(referenceDistances(b.Student), referenceDistances(b.Teacher))
	}},
	{"rkd_angle", 0, 1, func(b loss.Batch[float64]) float64 {
		return referenceMean(referenceAngles(b.Student), referenceAngles(b.Teacher))
	}},
}

func TestRelationalGivesTheCheckValues(t *testing.T) {
	b := loss.Batch[float64]{
		Student: loss.Matrix[float64]{Rows: 4, Cols: 3, Data: []float64{0, 0, 1, 1, 0, 0, 0, 2, 0, 1, 1, 3}},
		Teacher: loss.Matrix[float64]{Rows: 4, Cols: 2, Data: []float64{0, 0, 1, 0, 0, 2, 3, 1}},
	}
	v, err := loss.NewRelational[float64](1, 2).Eval(b, 1, loss.Matrix[float64]{})
	if err != nil {
		t.Fatal(err)
	}
	want := []loss.Term{
		{Name: "rkd_distance", Weight: 1, Value: 0.016728559494726},
		{Name: "rkd_angle", Weight: 2, Value: 0.064770358235190},
	}
	for i, w := range want {
		if got := v.Terms[i]; got.Name != w.Name || got.Weight != w.Weight || math.Abs(got.Value-w.Value) > 1e-13 {
			t.Errorf("term %d is %+v, expected %+v", i, got, w)
		}
	}
	if want := want[0].Value + 2*want[1].Value; math.Abs(v.Total-want) > 1e-13 {
		t.Errorf("total is %.15f, expected %.15f", v.Total, want)
	}
}

func TestRelationalAgreesWithTheFormula(t *testing.T) {
	for _, size := range []struct{ n, ds, dt int }{
		{2, 1, 1},
		{3, 2, 5},
		{4, 3, 2},
		{31, 5, 40},
		{33, 16, 17},
		{67, 3, 9},
	} {
		b := gaussianBatch[float64](uint64(size.n), size.n, size.ds, size.dt, 1)
		for _, term := range relationalTerms {
			got, _ := eval(t, loss.NewRelational[float64](term.distance, term.angle), b)
			if want := term.reference(b); math.Abs(got-want) > 1e-12*max(want, 1e-3) {
				t.Errorf("N=%d,Ds=%d,Dt=%d: %s is %.15g, expected %.15g", size.n, size.ds, size.dt, term.name, got, want)
			}
		}
	}
}

func TestRelationalAgreesWithPyTorch(t *testing.T) {
	for _, c := range readGolden(t).Relational {
		b := loss.Batch[float64]{Student: c.Student.matrix(), Teacher: c.Teacher.matrix()}
		for i, want := range []goldenLoss{c.Distance, c.Angle} {
			term := relationalTerms[i]
			value, grad := eval(t, loss.NewRelational[float64](term.distance, term.angle), b)
			if math.Abs(value-want.Value) > 1e-10*max(want.Value, 1) {
				t.Errorf("%s: %s is %.15g, expected %.15g", c.Name, term.name, value, want.Value)
			}
			if want.Grad == nil {
				continue
			}
			if e := relative(grad, want.Grad); e > 1e-9 {
				t.Errorf("%s: gradient of %s is %g off, expected at most 1e-9", c.Name, term.name, e)
			}
		}
	}
}

func TestRelationalGradientIsTheDerivative(t *testing.T) {
	for _, size := range []struct{ n, ds, dt int }{{3, 2, 2}, {5, 3, 8}, {12, 6, 4}, {40, 2, 3}} {
		b := gaussianBatch[float64](uint64(size.n), size.n, size.ds, size.dt, 0)
		for _, term := range relationalTerms {
			t.Run(fmt.Sprintf("%s/N=%d", term.name, size.n), func(t *testing.T) {
				checkGradient(t, loss.NewRelational[float64](term.distance, term.angle), b, func(*loss.Batch[float64]) {})
			})
		}
	}
}

func TestRelationalKeepsDigitsInFloat32(t *testing.T) {
	for _, c := range []struct {
		name            string
		n, ds, dt       int
		mean, pairWidth float64 // rows 2k and 2k+1 are pairWidth as far apart as others
		tolerance       float64
	}{
		{"offset of 100, small", 16, 8, 32, 100, 1, 1e-5},
		{"offset of 100", 64, 64, 512, 100, 1, 1e-5},
		{"offset of 100, several tiles", 130, 16, 128, 100, 1, 1e-5},
		// The cosine between a side and one 100 times as long loses 2 digits of 7.
		{"near pairs", 64, 16, 32, 0, 0.01, 5e-5},
	} {
		single := gaussianBatch[float32](5, c.n, c.ds, c.dt, c.mean)
		draw(single.Student, c.pairWidth)
		draw(single.Teacher, c.pairWidth)
		double := loss.Batch[float64]{Student: widen(single.Student), Teacher: widen(single.Teacher)}
		for _, term := range relationalTerms {
			got, gotGrad := eval(t, loss.NewRelational[float32](term.distance, term.angle), single)
			want, wantGrad := eval(t, loss.NewRelational[float64](term.distance, term.angle), double)
			if e := math.Abs(got-want) / want; e > c.tolerance {
				t.Errorf("%s: %s is %g off in float32, expected at most %g", c.name, term.name, e, c.tolerance)
			}
			if e := relative(gotGrad, wantGrad); e > c.tolerance {
				t.Errorf("%s: gradient of %s is %g off in float32, expected at most %g", c.name, term.name, e, c.tolerance)
			}
		}
	}
}

// draw moves every second row towards the one before until width of their difference is left.
func draw(m loss.Matrix[float32], width float64) {
	for i := m.Cols; i < len(m.Data); i++ {
		if i/m.Cols%2 == 1 {
			before := float64(m.Data[i-m.Cols])
			m.Data[i] = float32(before + width*(float64(m.Data[i])-before))
		}
	}
}

func widen(m loss.Matrix[float32]) loss.Matrix[float64] {
	w := zeros[float64](m.Rows, m.Cols)
	for i, v := range m.Data {
		w.Data[i] = float64(v)
	}
	return w
}

func TestRelationalStaysFiniteWhereRowsCoincide(t *testing.T) {
	rng := newRand(2)
	const n = 70
	// Clusters of identical rows, far from the origin, in a width whose padding matters.
	s, teacher := gaussian[float32](rng, n, 7, 1000), gaussian[float32](rng, n, 5, 0)
	for i := range n {
		copy(s.Data[i*7:(i+1)*7], s.Data[i%3*7:(i%3+1)*7])
	}
	for _, term := range relationalTerms {
		b := loss.Batch[float32]{Student: s, Teacher: teacher}
		value, grad := eval(t, loss.NewRelational[float32](term.distance, term.angle), b)
		want := term.reference(loss.Batch[float64]{Student: widen(s), Teacher: widen(teacher)})
		if math.Abs(value-want) > 1e-5*want {
			t.Errorf("%s is %g, expected %g", term.name, value, want)
		}
		if size := norm(grad); math.IsNaN(size) || size > 1 {
			t.Errorf("the norm of the gradient of %s is %g, expected a finite number of at most 1", term.name, size)
		}
	}
}

func TestRelationalAddsTheWeightedGradient(t *testing.T) {
	b := gaussianBatch[float64](3, 20, 4, 6, 0)
	student, teacher := slices.Clone(b.Student.Data), slices.Clone(b.Teacher.Data)
	_, distance := eval(t, loss.NewRelational[float64](1, 0), b)
	_, angle := eval(t, loss.NewRelational[float64](0, 1), b)

	grad := zeros[float64](20, 4)
	want := make([]float64, len(grad.Data))
	for i := range grad.Data {
		grad.Data[i] = float64(i)
		want[i] = float64(i) + 3*(0.5*distance[i]+2*angle[i])
	}
	if _, err := loss.NewRelational[float64](0.5, 2).Eval(b, 3, grad); err != nil {
		t.Fatal(err)
	}
	if e := relative(grad.Data, want); e > 1e-14 {
		t.Errorf("gradient is %g off 3·(0.5·distance + 2·angle) added to what was there", e)
	}
	if !slices.Equal(b.Student.Data, student) || !slices.Equal(b.Teacher.Data, teacher) {
		t.Error("Eval changed the batch")
	}
}

func TestRelationalDoesNotDependOnEarlierBatches(t *testing.T) {
	used := loss.NewRelational[float32](1, 2)
	for _, size := range []struct{ n, d int }{{40, 9}, {12, 33}, {12, 20}, {41, 3}, {2, 1}} {
		b := gaussianBatch[float32](4, size.n, size.d, size.d+1, 0)
		got, gotGrad := eval(t, used, b)
		want, wantGrad := eval(t, loss.NewRelational[float32](1, 2), b)
		if got != want || !slices.Equal(gotGrad, wantGrad) {
			t.Errorf("N=%d,D=%d: a loss that has seen other batches gives other bits than a new one", size.n, size.d)
		}
	}
}

func TestRelationalBitsDoNotDependOnThreads(t *testing.T) {
	b := gaussianBatch[float32](6, 100, 30, 50, 0)
	l := loss.NewRelational[float32](1, 2)
	checkBits(t, func() []float32 {
		value, grad := eval(t, l, b)
		return append(grad, float32(value))
	})
}

func TestRelationalAllocatesNothing(t *testing.T) {
	checkNoAllocation(t, loss.NewRelational[float32](1, 2), gaussianBatch[float32](7, 64, 200, 50, 0))
}

func TestRelationalRefusesBadBatches(t *testing.T) {
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
		{"no rows", matrix(0, 3), matrix(0, 4), zeros[float32](0, 3), loss.ErrShape, "student is (0,3)"},
		{"no teacher", square, none, none, loss.ErrShape, "student is (3,3), teacher is (0,0)"},
		{"unequal rows", square, matrix(4, 5), none, loss.ErrShape, "student is (3,3), teacher is (4,5)"},
		{"too few values", square, short, none, loss.ErrShape, "teacher is (3,2) with 5 values"},
		{"gradient of another shape", square, square, zeros[float32](3, 2), loss.ErrShape, "gradient is (3,2)"},
		{"NaN", with(4, math.NaN()), square, zeros[float32](3, 3), loss.ErrNotFinite, "student row 1 has NaN in column 1"},
		{"infinity", square, with(8, math.Inf(-1)), none, loss.ErrNotFinite, "teacher row 2 has -Inf in column 2"},
		{"squares overflow", square, with(3, 1e20), zeros[float32](3, 3), loss.ErrNotFinite, "is too large"},
		{"identical rows", zeros[float32](3, 3), square, none, loss.ErrDegenerate, "all 3 student rows are identical"},
		{"identical teacher", square, zeros[float32](3, 3), none, loss.ErrDegenerate, "all 3 teacher rows are identical"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := loss.Batch[float32]{Student: c.student, Teacher: c.teacher}
			_, err := loss.NewRelational[float32](1, 2).Eval(b, 1, c.grad)
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("error is %q, expected one of %q that says %q", err, c.want, c.text)
			}
			if norm(c.grad.Data) != 0 {
				t.Error("the gradient was changed")
			}
		})
	}
}

func TestRowErrorNamesTheRow(t *testing.T) {
	b := gaussianBatch[float64](1, 5, 2, 2, 0)
	b.Student.Data[7] = math.NaN()
	_, err := loss.NewRelational[float64](1, 0).Eval(b, 1, loss.Matrix[float64]{})
	if row, ok := errors.AsType[*loss.RowError](err); !ok || row.Row != 3 || row.Side != "student" {
		t.Errorf("error is %#v, expected a RowError of student row 3", err)
	}
}
