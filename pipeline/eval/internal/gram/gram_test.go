package gram

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func normal(seed uint64, n int) []float32 {
	rng := rand.New(rand.NewPCG(seed, 0))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

func TestProductsHaveThePortableBitsAndTheFormulasValues(t *testing.T) {
	for _, d := range []int{8, 16, 24, 64, 136} {
		for _, n := range []int{1, 5, 6, 7, 12, 19} {
			for m := 1; m <= PanelRows; m++ {
				rows, few := normal(1, n*d), normal(2, m*d)
				panel, got, want := normal(3, PanelRows*d), make([]float32, n*PanelRows), make([]float32, n*PanelRows)
				Pack(panel, few, m, d)
				Products(got, panel, rows, n, d)
				products(want, panel, rows, n, d)
				if !slices.Equal(got, want) {
					t.Fatalf("%d rows of width %d, %d of the panel: %v, portable %v", n, d, m, got, want)
				}
				for i := range n {
					for q := range PanelRows {
						sum, size := 0.0, 0.0
						for e := 0; e < d && q < m; e++ {
							product := float64(rows[i*d+e]) * float64(few[q*d+e])
							sum, size = sum+product, size+math.Abs(product)
						}
						if got := float64(got[i*PanelRows+q]); math.Abs(got-sum) > 1e-6*size {
							t.Fatalf("width %d, row %d, column %d: %v, want %v", d, i, q, got, sum)
						}
					}
				}
			}
		}
	}
}

func TestSquaredLengthIsTheProductWithItself(t *testing.T) {
	const d = 72
	row, panel, out := normal(5, d), make([]float32, PanelRows*d), make([]float32, PanelRows)
	Pack(panel, row, 1, d)
	Products(out, panel, row, 1, d)
	if got := SquaredLength(row); got != out[0] || got == 0 {
		t.Errorf("squared length %v, product %v", got, out[0])
	}
}

func TestBelowStopsAtEachRowThatHasOne(t *testing.T) {
	const n = 40
	inner, norms := normal(7, n*PanelRows), normal(8, n)
	for _, limits := range [][PanelRows]float32{
		{-3, -3, -3, -3, -3, -3, -3, -3},
		{-1, -2, -9, 0, float32(math.Inf(-1)), -4, -5, -6},
		{float32(math.Inf(1)), -9, -9, -9, -9, -9, -9, -9},
	} {
		got, want := slices.Clone(inner), slices.Clone(inner)
		stops := 0
		for from := 0; from < n; {
			row, columns := Below(got, norms, &limits, from)
			wantRow, wantColumns := below(want, norms, &limits, from)
			if row != wantRow || columns != wantColumns || !slices.Equal(got, want) {
				t.Fatalf("from %d: row %d, columns %b, expected %d, %b", from, row, columns, wantRow, wantColumns)
			}
			for q := range PanelRows {
				if row < n && columns>>q&1 == 1 != (norms[row]-2*inner[row*PanelRows+q] < limits[q]) {
					t.Errorf("row %d, column %d: %v is below %v: %v", row, q, got[row*PanelRows+q], limits[q], columns>>q&1)
				}
			}
			from = row + 1
			stops++
		}
		if stops < 2 {
			t.Errorf("limits %v: no stop", limits)
		}
		if row, columns := Below(got, norms, &limits, n); row != n || columns != 0 {
			t.Errorf("behind the last row: %d, %b", row, columns)
		}
	}
}

func BenchmarkProducts(b *testing.B) {
	for _, d := range []int{64, 128, 512} {
		b.Run(fmt.Sprintf("D=%d", d), func(b *testing.B) {
			const n = 192
			rows, panel, out := normal(1, n*d), normal(2, PanelRows*d), make([]float32, n*PanelRows)
			for b.Loop() {
				Products(out, panel, rows, n, d)
			}
			b.ReportMetric(2*n*PanelRows*float64(d)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GFLOP/s")
		})
	}
}
