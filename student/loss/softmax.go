package loss

import (
	"fmt"
	"math"

	"rkd/student/internal/blas"
)

// logSoftmax writes ln(exp(factor·x_c) / Σ_k exp(factor·x_k)) to dst, both (C). It keeps the digits of a class that is
// all but certain.
func logSoftmax[T blas.Float](dst []float64, x []T, factor float64) {
	largest := 0
	for c, v := range x {
		dst[c] = factor * float64(v)
		if dst[c] > dst[largest] {
			largest = c
		}
	}
	shift, others := dst[largest], 0.0
	for c := range dst {
		dst[c] -= shift
		if c != largest {
			others += math.Exp(dst[c])
		}
	}
	logSum := math.Log1p(others)
	for c := range dst {
		dst[c] -= logSum
	}
}

// crossEntropyRow returns the cross entropy of softmax(x) and the target (1 − smoothing)·[c = own] + smoothing/C, and
// turns x, (C), into its derivative by x, softmax − target.
func crossEntropyRow(x []float64, own int, smoothing float64) float64 {
	logSoftmax(x, x, 1)
	value, share := -(1-smoothing)*x[own], smoothing/float64(len(x))
	if smoothing > 0 {
		for _, log := range x {
			value -= share * log
		}
	}
	for c, log := range x {
		if c == own {
			x[c] = math.Expm1(log) + smoothing - share // softmax − 1 without the cancellation where the row is sure
		} else {
			x[c] = math.Exp(log) - share
		}
	}
	return value
}

// validateLogits returns ErrShape unless m is a matrix with rows, and ErrNotFinite as a *RowError for a row that has no
// softmax at factor times its numbers: differences of logits, and their sums with weights of 1 in all, must not
// overflow.
func validateLogits[T blas.Float](side string, m Matrix[T], factor float64) error {
	if err := m.validate(side, 1); err != nil {
		return err
	}
	for i := range m.Rows {
		for c, v := range m.row(i) {
			f := float64(v)
			switch scaled := 8 * factor * f; {
			case math.IsNaN(f) || math.IsInf(f, 0):
				return &RowError{Side: side, Row: i, What: fmt.Sprintf("has %g in column %d", f, c)}
			case math.IsInf(scaled, 0):
				return &RowError{Side: side, Row: i, What: fmt.Sprintf("is too large: it has %g in column %d", f, c)}
			}
		}
	}
	return nil
}

// validateBothLogits returns an error unless the student's rows and the batch's logits are of one size and have a
// softmax at factor times their numbers, and the gradient fits.
func validateBothLogits[T blas.Float](b Batch[T], grad Matrix[T], factor float64) error {
	if b.Logits.Data == nil {
		return fmt.Errorf("%w: the teacher's logits are missing, expected (%d,%d)", ErrBatch, b.Student.Rows,
			b.Student.Cols)
	}
	if b.Student.Rows != b.Logits.Rows || b.Student.Cols != b.Logits.Cols {
		return fmt.Errorf("%w: student's logits are (%d,%d), teacher's are (%d,%d), expected the same", ErrShape,
			b.Student.Rows, b.Student.Cols, b.Logits.Rows, b.Logits.Cols)
	}
	if err := validateGrad(grad, b.Student); err != nil {
		return err
	}
	if err := validateLogits("student", b.Student, factor); err != nil {
		return err
	}
	return validateLogits("teacher", b.Logits, factor)
}
