package loss

import (
	"errors"
	"slices"
	"testing"
)

// A loss on some of the teacher's columns is the loss on a teacher that has these alone, gradient included.
func TestColumnsOfOneOfSeveralTeachers(t *testing.T) {
	student := Matrix[float64]{Rows: 3, Cols: 2, Data: []float64{1, 2, -1, 0.5, 0.25, 3}}
	first := []float64{0.5, -1, 2, 1, 0, 3}              // (3,2)
	second := []float64{1, 1, 2, 0.5, 4, -1, 2, 2, 0.25} // (3,3)
	both := Matrix[float64]{Rows: 3, Cols: 5}
	for i := range 3 {
		both.Data = append(both.Data, first[2*i:2*i+2]...)
		both.Data = append(both.Data, second[3*i:3*i+3]...)
	}
	alone := Matrix[float64]{Rows: 3, Cols: 3, Data: second}
	eval := func(l Loss[float64], teacher Matrix[float64]) (Value, []float64) {
		grad := Matrix[float64]{Rows: 3, Cols: 2, Data: make([]float64, 6)}
		v, err := l.Eval(Batch[float64]{Student: student, Teacher: teacher}, 0.5, grad)
		if err != nil {
			t.Fatal(err)
		}
		return v, grad.Data
	}
	want, wantGrad := eval(NewRelational[float64](1, 2), alone)
	got, grad := eval(NewColumns(NewRelational[float64](1, 2), "dino", 2, 5), both)
	if got.Total != want.Total || !slices.Equal(grad, wantGrad) {
		t.Errorf("got %v and gradient %v, want %v and %v", got.Total, grad, want.Total, wantGrad)
	}
	if got.Terms[0].Name != "rkd_distance[dino]" {
		t.Errorf("got terms %v, want names with the teacher", got.Terms)
	}
	_, err := NewColumns(NewRelational[float64](1, 2), "dino", 2, 6).Eval(
		Batch[float64]{Student: student, Teacher: both}, 1, Matrix[float64]{})
	if !errors.Is(err, ErrShape) {
		t.Errorf("got error %v, want ErrShape for a column that is not there", err)
	}
}
