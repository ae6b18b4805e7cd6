package loss

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"rkd/datasets/memory"
	"rkd/student/internal/blas"
)

var (
	// ErrShape reports matrices whose sizes do not fit each other or the loss.
	ErrShape = errors.New("shapes do not fit")
	// ErrNotFinite reports a row with NaN, an infinity, or values too large to square; see [RowError].
	ErrNotFinite = errors.New("not finite")
	// ErrDegenerate reports a batch in which all rows coincide, so that no mean distance can scale the others.
	ErrDegenerate = errors.New("degenerate batch")
	// ErrBatch reports a batch that lacks what a loss needs: labels from which it can make something, the teacher's
	// logits, a random generator.
	ErrBatch = errors.New("batch does not suit the loss")
	// ErrOption reports a setting that is out of range.
	ErrOption = errors.New("loss option")
)

// RowError is the ErrNotFinite of one row of a batch, for callers who know which sample the row is.
type RowError struct {
	Side string // "student" or "teacher"
	Row  int    // from 0
	What string // what is wrong with it
}

// Error says which row it is and what is wrong with it.
func (e *RowError) Error() string { return fmt.Sprintf("%s row %d %s", e.Side, e.Row, e.What) }

// Unwrap returns ErrNotFinite.
func (e *RowError) Unwrap() error { return ErrNotFinite }

// Matrix is a view of a row-major (Rows,Cols) matrix; Data has Rows·Cols elements.
type Matrix[T blas.Float] struct {
	Rows, Cols int
	Data       []T
}

func (m Matrix[T]) row(i int) []T { return m.Data[i*m.Cols : (i+1)*m.Cols] }

func (m Matrix[T]) validate(side string, minRows int) error {
	if m.Rows < minRows || m.Cols < 1 || m.Rows*m.Cols != len(m.Data) {
		return fmt.Errorf("%w: %s is (%d,%d) with %d values, expected at least %d rows and 1 column, all there",
			ErrShape, side, m.Rows, m.Cols, len(m.Data), minRows)
	}
	return nil
}

// Batch is what a loss may look at. A loss keeps none of it and changes none of it, Rand's state excepted.
type Batch[T blas.Float] struct {
	Student Matrix[T]  // (N,Ds), as the network gave it
	Teacher Matrix[T]  // (N,Dt), empty for losses that have no teacher
	Logits  Matrix[T]  // (N,C), the teacher's, empty for losses that look at none
	Labels  []int32    // (N), nil for losses that have no labels
	Rand    *rand.Rand // for mining, nil for losses that draw nothing
	Epoch   float64    // epochs passed since training began, for schedules
}

// Loss is an objective over batches.
//
// A value of it keeps its working memory between calls, so that a call allocates nothing once it has seen a batch of
// that size; it must not be used by two goroutines at once. Results are functions of the batch alone: the number of
// threads changes no bit of them. One with weights of its own is a [Learner] too.
type Loss[T blas.Float] interface {
	// Eval returns the unweighted value and adds weight·dL/dStudent to grad, (N,Ds). A grad without data is left out.
	// Terms of the value stay valid until the next call.
	Eval(b Batch[T], weight float64, grad Matrix[T]) (Value, error)
}

// Options are the settings of a loss: its keys in a configuration, an option that is 0 having its default. A type with
// defaults also has a method WithDefaults, which returns the settings with them filled in.
type Options interface {
	// New makes the loss, or returns ErrOption for a setting out of range.
	New() (Loss[float32], error)
}

// Value is a loss's value with the terms that it is the sum of: Total = Σ Weight·Value.
type Value struct {
	Total float64
	Terms []Term
}

// Term is one unweighted part of a loss.
type Term struct {
	Name          string // as in a configuration: rkd_distance, rkd_angle, triplet
	Weight, Value float64
}

// validateGrad returns ErrShape unless grad is absent or fits the student.
func validateGrad[T blas.Float](grad, student Matrix[T]) error {
	if grad.Data == nil {
		return nil
	}
	if grad.Rows != student.Rows || grad.Cols != student.Cols || len(grad.Data) != len(student.Data) {
		return fmt.Errorf("%w: gradient is (%d,%d) with %d values, student is (%d,%d), expected the same",
			ErrShape, grad.Rows, grad.Cols, len(grad.Data), student.Rows, student.Cols)
	}
	return nil
}

// validateSides returns ErrShape unless both sides have as many rows and the gradient fits the student.
func validateSides[T blas.Float](b Batch[T], grad Matrix[T]) error {
	if b.Student.Rows != b.Teacher.Rows {
		return fmt.Errorf("%w: student is (%d,%d), teacher is (%d,%d), expected as many rows",
			ErrShape, b.Student.Rows, b.Student.Cols, b.Teacher.Rows, b.Teacher.Cols)
	}
	return validateGrad(grad, b.Student)
}

// validateWidths returns ErrShape unless both sides have one shape and the gradient fits the student.
func validateWidths[T blas.Float](b Batch[T], grad Matrix[T]) error {
	if err := validateSides(b, grad); err != nil {
		return err
	}
	if b.Student.Cols != b.Teacher.Cols {
		return fmt.Errorf("%w: student is (%d,%d), teacher is (%d,%d), expected equal widths, not %d and %d", ErrShape,
			b.Student.Rows, b.Student.Cols, b.Teacher.Rows, b.Teacher.Cols, b.Student.Cols, b.Teacher.Cols)
	}
	return nil
}

// resize returns a slice of n elements, s itself where it is large enough. Its elements are anything.
func resize[E any](s []E, n int) []E {
	if cap(s) < n {
		return memory.Make[E](n)
	}
	return s[:n]
}
