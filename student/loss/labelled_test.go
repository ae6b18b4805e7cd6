package loss_test

import (
	"errors"
	"math"
	"slices"
	"testing"

	"rkd/student/loss"
)

// Of a batch with some labels, a loss on labels sees the rows that have one.
func TestLabelledIsTheLossOnRowsWithLabels(t *testing.T) {
	whole := gaussianBatch[float64](3, 7, 4, 5, 0)
	whole.Labels = []int32{2, -1, 0, 3, -1, -1, 2}
	some := loss.Batch[float64]{Student: loss.Matrix[float64]{Rows: 4, Cols: 4}}
	for i, y := range whole.Labels {
		if y >= 0 {
			some.Labels = append(some.Labels, y)
			some.Student.Data = append(some.Student.Data, whole.Student.Data[i*4:(i+1)*4]...)
		}
	}
	inner := func() loss.Loss[float64] {
		l, err := loss.NewCrossEntropy[float64](loss.CrossEntropyOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	want, slope := eval(t, inner(), some)
	got, grad := eval[float64](t, loss.NewLabelled(inner()), whole)
	if got != want {
		t.Errorf("value is %v, expected that of the rows with labels, %v", got, want)
	}
	for i, y := range whole.Labels {
		row := grad[i*4 : (i+1)*4]
		if y < 0 {
			if !slices.Equal(row, make([]float64, 4)) {
				t.Errorf("row %d has no label and the gradient %v, expected none", i, row)
			}
			continue
		}
		if !slices.Equal(row, slope[:4]) {
			t.Errorf("row %d has the gradient %v, expected %v", i, row, slope[:4])
		}
		slope = slope[4:]
	}
	checkGradient(t, loss.NewLabelled(inner()), whole, func(*loss.Batch[float64]) {})
}

func TestLabelledEdges(t *testing.T) {
	l, err := loss.NewCrossEntropy[float64](loss.CrossEntropyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	labelled := loss.NewLabelled[float64](l)
	b := gaussianBatch[float64](4, 3, 4, 5, 0)
	b.Labels = []int32{-1, -1, -1}
	value, grad := eval[float64](t, labelled, b)
	if value != 0 || slices.ContainsFunc(grad, func(g float64) bool { return g != 0 }) {
		t.Errorf("without labels the value is %v and the gradient %v, expected 0", value, grad)
	}
	b.Labels = []int32{1, 0, 3}
	all, slope := eval[float64](t, labelled, b)
	want, expected := eval[float64](t, l, b)
	if all != want || !slices.Equal(slope, expected) {
		t.Errorf("with all labels the value is %v, expected the bits of the inner loss, %v", all, want)
	}
	b.Labels = []int32{-1, 0}
	if _, err := labelled.Eval(b, 1, loss.Matrix[float64]{}); !errors.Is(err, loss.ErrShape) {
		t.Errorf("two labels for three rows give %v, expected ErrShape", err)
	}
	b.Labels = []int32{-1, -1, 0}
	b.Student.Data[9] = math.NaN()
	var row *loss.RowError
	if _, err := labelled.Eval(b, 1, loss.Matrix[float64]{}); !errors.As(err, &row) || row.Row != 2 {
		t.Errorf("a NaN in row 2 gives %v, expected its number", err)
	}
}
