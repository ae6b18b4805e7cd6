//go:build amd64

package conv

import "testing"

func TestTransposeToIsTheTranspose(t *testing.T) {
	if !HasDirect() {
		return // it is for direct plans alone
	}
	for _, shape := range [][2]int{{1, 1}, {3, 20}, {8, 8}, {8, 7}, {17, 9}, {24, 36}, {40, 33}} {
		rows, cols := shape[0], shape[1]
		src, dst := make([]float32, rows*cols), make([]float32, rows*cols)
		for i := range src {
			src[i] = float32(i)
		}
		transposeTo(dst, rows, src, cols, rows, cols)
		for i := range rows {
			for j := range cols {
				if dst[j*rows+i] != src[i*cols+j] {
					t.Fatalf("(%d,%d): element (%d,%d) is %v, expected %v", rows, cols, j, i, dst[j*rows+i], src[i*cols+j])
				}
			}
		}
	}
}
