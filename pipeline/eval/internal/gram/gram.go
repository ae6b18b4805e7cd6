// Package gram computes inner products of many rows with a few, and turns them into squared distances of which it finds
// those below a limit: in AVX-512 or AVX2 where the processor has it, in plain Go for everything else, with the same
// bits. It knows neither queries nor ranks, and no threads.
//
// An inner product adds up in eight lanes, element e in lane e mod 8, without fused multiply-adds; the lanes l and l+4
// are added, then neighbours, then what is left. It is the order of gonum's dot product on amd64.
package gram

const (
	// Lanes is what the width of rows is a multiple of; callers pad with zeros.
	Lanes = 8
	// PanelRows is the number of rows of a panel.
	PanelRows = 8
)

// Pack lays the m ≤ PanelRows rows of width d side by side in panel (PanelRows·d), eight elements of each in turn. Rows
// that are not there are zeros.
func Pack(panel, rows []float32, m, d int) {
	for q := range PanelRows {
		for t := 0; t < d; t += Lanes {
			to := panel[PanelRows*t+Lanes*q:][:Lanes]
			if q < m {
				copy(to, rows[q*d+t:])
			} else {
				clear(to)
			}
		}
	}
}

// Products fills out (n,PanelRows) with the inner products of the n rows of width d, a multiple of Lanes, and the rows
// of a panel.
func Products(out, panel, rows []float32, n, d int) {
	if n == 0 {
		return
	}
	out, panel, rows = out[:n*PanelRows], panel[:PanelRows*d], rows[:n*d]
	if !productsFast(out, panel, rows, n, d) {
		products(out, panel, rows, n, d)
	}
}

func products(out, panel, rows []float32, n, d int) {
	for i := range n {
		row := rows[i*d : (i+1)*d]
		for q := range PanelRows {
			var sum [Lanes]float32
			for t := 0; t < d; t += Lanes {
				x, y := (*[Lanes]float32)(row[t:]), (*[Lanes]float32)(panel[PanelRows*t+Lanes*q:])
				for l := range sum {
					sum[l] += float32(x[l] * y[l]) // the conversion keeps the compiler from fusing
				}
			}
			out[i*PanelRows+q] = total(sum)
		}
	}
}

func total(s [Lanes]float32) float32 {
	a, b, c, d := s[0]+s[4], s[1]+s[5], s[2]+s[6], s[3]+s[7]
	return (a + b) + (c + d)
}

// SquaredLength is the inner product of a row, whose width is a multiple of Lanes, with itself, with the bits that
// Products gives.
func SquaredLength(row []float32) float32 {
	var sum [Lanes]float32
	for t := 0; t < len(row); t += Lanes {
		x := (*[Lanes]float32)(row[t:])
		for l := range sum {
			sum[l] += float32(x[l] * x[l])
		}
	}
	return total(sum)
}

// Below turns products (n,PanelRows), from row `from` on, into norms[i] − 2·product, and stops behind the first row
// where one is below the limit of its column. It returns the row and a bit for each of its columns that is; without
// any, n.
func Below(products, norms []float32, limits *[PanelRows]float32, from int) (row int, columns uint8) {
	n := len(norms)
	if from >= n {
		return n, 0
	}
	products = products[:n*PanelRows]
	if row, columns, ok := belowFast(products, norms, limits, from); ok {
		return row, columns
	}
	return below(products, norms, limits, from)
}

func below(products, norms []float32, limits *[PanelRows]float32, from int) (row int, columns uint8) {
	for i, norm := range norms[from:] {
		x := (*[PanelRows]float32)(products[(from+i)*PanelRows:])
		for q := range x {
			x[q] = norm - 2*x[q]
			if x[q] < limits[q] {
				columns |= 1 << q
			}
		}
		if columns != 0 {
			return from + i, columns
		}
	}
	return len(norms), 0
}
