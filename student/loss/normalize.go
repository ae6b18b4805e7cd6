package loss

import (
	"math"

	"rkd/student/internal/blas"
)

// Normalized gives another loss rows of unit length,
//
//	y_i = x_i / max(‖x_i‖₂, 1e-12),
//
// of the student (N,Ds), of the teacher (N,Dt), or of both, and takes the gradient back through the student's
// normalisation. The paper's classification recipe normalises both before RKD, its metric-learning recipe the teacher
// only, so this is a setting of each loss. A row shorter than 1e-12 is divided by 1e-12, a constant for the gradient.
//
// Value, terms, parameters and errors are the inner loss's; a row with an infinity is reported as NaN. Source: Park et
// al., CVPR 2019, section 4.3; the floor is PyTorch's.
type Normalized[T blas.Float] struct {
	inner            Loss[T]
	student, teacher bool

	lengths       []T // (N) of the student's rows, 1e-12 at least
	units         []T // (N,Ds)
	teacherUnits  []T // (N,Dt)
	unitsGradient []T // (N,Ds)
}

// shortest is the length below which a row is not made longer.
const shortest = 1e-12

// NewNormalized returns inner on rows of unit length of the sides asked for.
func NewNormalized[T blas.Float](inner Loss[T], student, teacher bool) *Normalized[T] {
	return &Normalized[T]{inner: inner, student: student, teacher: teacher}
}

// Eval implements [Loss].
func (l *Normalized[T]) Eval(b Batch[T], weight float64, grad Matrix[T]) (Value, error) {
	if l.teacher && b.Teacher.Data != nil {
		if err := b.Teacher.validate("teacher", 1); err != nil {
			return Value{}, err
		}
		l.teacherUnits = resize(l.teacherUnits, len(b.Teacher.Data))
		unitRows(l.teacherUnits, nil, b.Teacher)
		b.Teacher.Data = l.teacherUnits
	}
	if !l.student {
		return l.inner.Eval(b, weight, grad)
	}
	if err := b.Student.validate("student", 1); err != nil {
		return Value{}, err
	}
	if err := validateGrad(grad, b.Student); err != nil {
		return Value{}, err
	}
	l.lengths = resize(l.lengths, b.Student.Rows)
	l.units = resize(l.units, len(b.Student.Data))
	unitRows(l.units, l.lengths, b.Student)
	b.Student.Data = l.units
	if grad.Data == nil {
		return l.inner.Eval(b, weight, grad)
	}
	l.unitsGradient = resize(l.unitsGradient, len(l.units))
	clear(l.unitsGradient)
	inner := Matrix[T]{Rows: grad.Rows, Cols: grad.Cols, Data: l.unitsGradient}
	v, err := l.inner.Eval(b, weight, inner)
	if err != nil {
		return Value{}, err
	}
	for i, length := range l.lengths {
		l.addRow(grad.row(i), b.Student.row(i), inner.row(i), length)
	}
	return v, nil
}

// unitRows writes the rows of m at unit length and, where wanted, their lengths.
func unitRows[T blas.Float](units, lengths []T, m Matrix[T]) {
	for i := range m.Rows {
		row := m.row(i)
		sum := 0.0
		for _, v := range row {
			sum += float64(v) * float64(v)
		}
		length := T(max(math.Sqrt(sum), shortest))
		if lengths != nil {
			lengths[i] = length
		}
		for j, v := range row {
			units[i*m.Cols+j] = v / length
		}
	}
}

// addRow adds the gradient of one row: (g − y·⟨y,g⟩)/‖x‖, or g/1e-12 for a row that is too short to have a direction.
func (l *Normalized[T]) addRow(dst, y, g []T, length T) {
	along := 0.0
	if length > shortest {
		for j, v := range y {
			along += float64(v) * float64(g[j])
		}
	}
	for j, v := range y {
		dst[j] += (g[j] - v*T(along)) / length
	}
}

// Params implements [Learner]: the inner loss's.
func (l *Normalized[T]) Params() []*Param[T] { return params(l.inner) }
