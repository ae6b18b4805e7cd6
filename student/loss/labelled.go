package loss

import (
	"errors"
	"fmt"

	"rkd/student/internal/blas"
)

// Labelled is a loss on the rows of a batch that have a label, those that are not negative:
//
//	L = inner(rows i with y_i ≥ 0)
//
// The other rows get no gradient. A batch without such a row has the value 0. Where all rows have a label, the bits are
// those of the inner loss. Time and memory are those of the inner loss and of copying the rows.
//
// Eval returns ErrShape when there are not as many labels as rows, and the errors of the inner loss.
type Labelled[T blas.Float] struct {
	inner         Loss[T]
	rows          []int
	labels        []int32
	student, grad []T
}

// NewLabelled returns inner on the rows with labels.
func NewLabelled[T blas.Float](inner Loss[T]) *Labelled[T] { return &Labelled[T]{inner: inner} }

// Params implements [Learner]: those of the inner loss.
func (l *Labelled[T]) Params() []*Param[T] { return params(l.inner) }

// Eval implements [Loss]; its terms are the inner loss's.
func (l *Labelled[T]) Eval(b Batch[T], weight float64, grad Matrix[T]) (Value, error) {
	if len(b.Labels) != b.Student.Rows {
		return Value{}, fmt.Errorf("%w: %d labels for %d rows, expected as many", ErrShape, len(b.Labels), b.Student.Rows)
	}
	l.rows, l.labels = l.rows[:0], l.labels[:0]
	for i, y := range b.Labels {
		if y >= 0 {
			l.rows, l.labels = append(l.rows, i), append(l.labels, y)
		}
	}
	switch {
	case len(l.rows) == b.Student.Rows:
		return l.inner.Eval(b, weight, grad)
	case len(l.rows) == 0:
		return Value{}, nil
	}
	if err := validateGrad(grad, b.Student); err != nil {
		return Value{}, err
	}
	if err := b.Student.validate("student", 1); err != nil {
		return Value{}, err
	}
	n, d := len(l.rows), b.Student.Cols
	l.student = resize(l.student, n*d)
	for to, from := range l.rows {
		copy(l.student[to*d:(to+1)*d], b.Student.row(from))
	}
	some := b
	some.Student, some.Labels = Matrix[T]{Rows: n, Cols: d, Data: l.student}, l.labels
	some.Teacher, some.Logits = Matrix[T]{}, Matrix[T]{} // losses on labels look at neither
	var slope Matrix[T]
	if grad.Data != nil {
		l.grad = resize(l.grad, n*d)
		clear(l.grad)
		slope = Matrix[T]{Rows: n, Cols: d, Data: l.grad}
	}
	value, err := l.inner.Eval(some, weight, slope)
	if row, ok := errors.AsType[*RowError](err); ok && row.Row < n {
		of := *row
		of.Row = l.rows[row.Row]
		return Value{}, &of
	}
	if err != nil || grad.Data == nil {
		return value, err
	}
	for from, to := range l.rows {
		row := grad.row(to)
		for j, g := range slope.row(from) {
			row[j] += g
		}
	}
	return value, nil
}
