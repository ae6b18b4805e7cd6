package loss

import "rkd/student/internal/instruction"

// triangles is the argument of sumTrianglesAVX: the rows of one call of sumTriangles from k = j+1 on, and what it
// returns.
type triangles struct {
	sB, sC, sb, sc *float32
	tB, tC, tb, tc *float32
	hI, hJ         *float32
	mask           *int32 // of eight elements, those that the rows' ends have beyond the last whole block of eight

	sA, sa, tA, ta      float32
	loss, sides, angles float32
	_                   float32
	count               int // elements of each row
}

// sumTrianglesAVX is the loop of sumTriangles, eight triangles at a time.
//
//go:noescape
func sumTrianglesAVX(t *triangles)

// masks selects the first r of eight elements from masks[8−r] on.
var masks = [16]int32{-1, -1, -1, -1, -1, -1, -1, -1}

// sumTrianglesFast is sumTriangles of float32, false where the processor has no AVX.
func sumTrianglesFast(a *angle[float32], h []float32, i, j int) (loss float64, ok bool) {
	if instruction.Best() < instruction.AVX {
		return 0, false
	}
	n := a.student.n
	m := n - j - 1
	fromI, fromJ, ij := i*n+j+1, j*n+j+1, i*n+j
	s, t := a.student, a.teacher
	r := triangles{
		sB: &s.squared[fromI], sC: &s.squared[fromJ], sb: &s.inverse[fromI], sc: &s.inverse[fromJ],
		tB: &t.squared[fromI], tC: &t.squared[fromJ], tb: &t.inverse[fromI], tc: &t.inverse[fromJ],
		hI: &h[fromI], hJ: &h[fromJ], mask: &masks[8-m%8],
		sA: s.squared[ij], sa: s.inverse[ij], tA: t.squared[ij], ta: t.inverse[ij], count: m,
	}
	sumTrianglesAVX(&r)
	h[ij] += r.sides - r.sa*r.sa*r.angles
	return float64(r.loss), true
}
