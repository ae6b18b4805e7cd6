package loss

import (
	"fmt"

	"rkd/student/internal/blas"
)

// Columns gives another loss some columns of the teacher's rows: those of one teacher, where several lie behind each
// other. Its terms are the inner loss's, named with the teacher: rkd_distance[dino].
type Columns[T blas.Float] struct {
	inner    Loss[T]
	name     string
	from, to int

	rows  []T // (N,to-from)
	terms []Term
	named map[string]string // of the inner loss's terms
}

// NewColumns returns inner on the teacher's columns [from, to); name is the teacher's.
func NewColumns[T blas.Float](inner Loss[T], name string, from, to int) *Columns[T] {
	return &Columns[T]{inner: inner, name: name, from: from, to: to, named: map[string]string{}}
}

// Eval implements [Loss]. It returns ErrShape where the teacher has fewer columns.
func (l *Columns[T]) Eval(b Batch[T], weight float64, grad Matrix[T]) (Value, error) {
	if err := b.Teacher.validate("teacher", 1); err != nil {
		return Value{}, err
	}
	if l.from < 0 || l.to <= l.from || b.Teacher.Cols < l.to {
		return Value{}, fmt.Errorf("%w: columns [%d,%d) of a teacher with %d", ErrShape, l.from, l.to, b.Teacher.Cols)
	}
	width := l.to - l.from
	l.rows = resize(l.rows, b.Teacher.Rows*width)
	for i := range b.Teacher.Rows {
		copy(l.rows[i*width:(i+1)*width], b.Teacher.row(i)[l.from:l.to])
	}
	b.Teacher = Matrix[T]{Rows: b.Teacher.Rows, Cols: width, Data: l.rows}
	v, err := l.inner.Eval(b, weight, grad)
	if err != nil {
		return Value{}, err
	}
	l.terms = append(l.terms[:0], v.Terms...)
	for i := range l.terms {
		name := l.terms[i].Name
		if l.named[name] == "" {
			l.named[name] = fmt.Sprintf("%s[%s]", name, l.name)
		}
		l.terms[i].Name = l.named[name]
	}
	return Value{Total: v.Total, Terms: l.terms}, nil
}

// Params implements [Learner].
func (l *Columns[T]) Params() []*Param[T] { return params(l.inner) }
