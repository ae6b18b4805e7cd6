package gram

import "golang.org/x/sys/cpu"

// productsAVX512 computes all products; d is a multiple of 8, n ≥ 1.
//
//go:noescape
func productsAVX512(out, panel, rows *float32, n, d int)

// productsAVX2 is productsAVX512 in AVX2.
//
//go:noescape
func productsAVX2(out, panel, rows *float32, n, d int)

// belowAVX2 is below of the n ≥ 1 rows from the first on.
//
//go:noescape
func belowAVX2(products, norms *float32, n int, limits *[PanelRows]float32) (row int, columns uint8)

func productsFast(out, panel, rows []float32, n, d int) bool {
	switch x := &cpu.X86; {
	case d == 0:
		return false
	case x.HasAVX512F && x.HasAVX512VL && x.HasAVX512DQ:
		productsAVX512(&out[0], &panel[0], &rows[0], n, d)
	case x.HasAVX2:
		productsAVX2(&out[0], &panel[0], &rows[0], n, d)
	default:
		return false
	}
	return true
}

func belowFast(products, norms []float32, limits *[PanelRows]float32, from int) (row int, columns uint8, ok bool) {
	if !cpu.X86.HasAVX2 {
		return 0, 0, false
	}
	row, columns = belowAVX2(&products[from*PanelRows], &norms[from], len(norms)-from, limits)
	return from + row, columns, true
}
