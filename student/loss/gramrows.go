package loss

import (
	"fmt"

	"rkd/student/internal/blas"
)

// padded is row i, divided where g divides, with zeros up to the stride.
func (g *gram[T]) padded(i int) []float64 { return g.rows[i*g.stride:][:g.stride] }

// addProduct adds factor times the derivative by the rows of gram to grad, (N,D), where product, (N,D), holds the derivative
// by the divided rows.
func (g *gramGradient[T]) addProduct(gram *gram[T], factor float64, grad Matrix[T]) {
	g.gram, g.factor, g.grad = gram, factor, grad
	g.finish.Run(gram.n)
	g.gram, g.grad = nil, Matrix[T]{}
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
