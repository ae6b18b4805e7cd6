package blas_test

import (
	"slices"
	"testing"

	"rkd/student/internal/blas"
)

func TestGemvAgreesWithTheSumOfProducts(t *testing.T) {
	a := []float64{1, 2, 3, 9, 4, 5, 6, 9} // (2,3) with row stride 4
	y := []float64{10, 20}
	blas.Gemv(2, 3, 2, a, 4, []float64{1, -1, 2}, 3, y)
	if want := []float64{2*5 + 30, 2*11 + 60}; !slices.Equal(y, want) {
		t.Errorf("Gemv gives %v, expected %v", y, want)
	}
}
