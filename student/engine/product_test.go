package engine

import (
	"fmt"
	"testing"

	"rkd/models/ort/orttest"
)

// at is element (i,j) of a matrix with so many rows and columns, stored as it is or transposed.
func at(x []float32, i, j, rows, cols int, transposed bool) float32 {
	if transposed {
		return x[j*rows+i]
	}
	return x[i*cols+j]
}

func TestProductsAreSumsOfProducts(t *testing.T) {
	orttest.Start(t)
	const m, n, k = 3, 5, 4
	p := newProducts()
	defer func() {
		if err := p.close(); err != nil {
			t.Error(err)
		}
	}()
	for _, transA := range []bool{false, true} {
		for _, transB := range []bool{false, true} {
			t.Run(fmt.Sprintf("%t,%t", transA, transB), func(t *testing.T) {
				a, b, c := make([]float32, m*k), make([]float32, k*n), make([]float32, m*n)
				run, err := p.Multiply(transA, transB, m, n, k, a, b, c)
				if err != nil {
					t.Fatal(err)
				}
				for i := range a {
					a[i] = float32(i*i%7 - 3)
				}
				for i := range b {
					b[i] = float32(i*i%11 - 5)
				}
				if err := run(); err != nil {
					t.Fatal(err)
				}
				for i := range m {
					for j := range n {
						var want float32
						for l := range k {
							want += at(a, i, l, m, k, transA) * at(b, l, j, k, n, transB)
						}
						if got := c[i*n+j]; got != want {
							t.Errorf("element (%d,%d) is %v, expected %v", i, j, got, want)
						}
					}
				}
			})
		}
	}
}
