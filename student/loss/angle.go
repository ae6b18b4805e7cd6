package loss

import (
	"rkd/student/internal/blas"
	"rkd/student/internal/parallel"
)

const (
	// angleLanes is the number of partial sums of the derivative, each a matrix (N,N). It is fixed, so that the order of
	// additions does not depend on the number of threads; it bounds both parallelism and memory.
	angleLanes = 8
	// angleTile is the number of rows i that use a row j while it is in the L1 cache.
	angleTile = 4
)

// angle is the angle-wise term of [Relational].
//
// With q = ‖·‖² and r = 1/√(2q) an angle is a function of distances alone, ψ_ijk = (q_ij + q_ik − q_jk)·r_ij·r_ik, and
// so the sum runs over triangles i<j<k, each of which has three angles that share its three sides. Every angle counts
// twice in the mean over N³, as ψ_ijk and as ψ_ikj.
type angle[T blas.Float] struct {
	student, teacher *pairs[T]
	gradient         *pairGradient[T]

	lanes      [angleLanes][]T // (N,N) each, j > i: Σ of dψ/dq·huber'
	laneLoss   [angleLanes]float64
	triangles  func(h []T, i, j int) float64 // sumTriangles, or what does the same faster
	scale      T
	sum, merge *parallel.Loop
}

func newAngle[T blas.Float](student, teacher *pairs[T], gradient *pairGradient[T]) *angle[T] {
	a := &angle[T]{student: student, teacher: teacher, gradient: gradient}
	a.sum = parallel.NewLoop(a.sumLane)
	a.merge = parallel.NewLoop(a.mergeRow)
	a.triangles = a.sumTriangles
	if single, ok := any(a).(*angle[float32]); ok {
		single.triangles = func(h []float32, i, j int) float64 {
			if loss, ok := sumTrianglesFast(single, h, i, j); ok {
				return loss
			}
			return single.sumTriangles(h, i, j)
		}
	}
	return a
}

// eval returns the value and adds weight times the derivative to the gradient.
func (a *angle[T]) eval(weight float64) float64 {
	n := a.student.n
	for l := range a.lanes {
		a.lanes[l] = resize(a.lanes[l], n*n)
	}
	a.sum.Run(angleLanes)
	cube := float64(n) * float64(n) * float64(n)
	a.scale = T(weight * 2 / cube)
	a.merge.Run(n)
	total := a.degenerate()
	for _, loss := range a.laneLoss {
		total += loss
	}
	return total / cube
}

// degenerate is the sum over ψ_ijj, which is 1 unless rows i and j coincide: huber(1) for every pair (i,j) that
// coincides on one side only.
func (a *angle[T]) degenerate() float64 {
	if a.student.coincident == 0 && a.teacher.coincident == 0 {
		return 0
	}
	count := 0
	for i, r := range a.student.inverse {
		if (r == 0) != (a.teacher.inverse[i] == 0) {
			count++
		}
	}
	return float64(count) / 2
}

// sumLane adds up the triangles whose first row lies in the lane's tiles: the l-th from the front of every first, the
// l-th from the back of every second group of tiles, since later rows have fewer triangles.
func (a *angle[T]) sumLane(l int) {
	n := a.student.n
	clear(a.lanes[l])
	loss := 0.0
	for group := 0; group*angleLanes*angleTile < n; group++ {
		tile := group*angleLanes + l
		if group%2 == 1 {
			tile = group*angleLanes + angleLanes - 1 - l
		}
		first := tile * angleTile
		for j := first + 1; j < n-1; j++ {
			for i := first; i < min(first+angleTile, j); i++ {
				loss += a.triangles(a.lanes[l], i, j)
			}
		}
	}
	a.laneLoss[l] = loss
}

// sumTriangles returns Σ_k 2·huber over the three angles of each triangle i<j<k and adds huber'·dψ/dq to h.
//
// With sides A = q_ij, B = q_ik, C = q_jk and a, b, c their r, the angle at i depends on them by
//
//	∂ψ_i/∂A = ab − a²ψ_i,  ∂ψ_i/∂B = ab − b²ψ_i,  ∂ψ_i/∂C = −ab
func (a *angle[T]) sumTriangles(h []T, i, j int) float64 {
	n := a.student.n
	m := n - j - 1
	fromI, fromJ, ij := i*n+j+1, j*n+j+1, i*n+j
	s, t := a.student, a.teacher
	sBs, sCs, sbs, scs := s.squared[fromI:][:m], s.squared[fromJ:][:m], s.inverse[fromI:][:m], s.inverse[fromJ:][:m]
	tBs, tCs, tbs, tcs := t.squared[fromI:][:m], t.squared[fromJ:][:m], t.inverse[fromI:][:m], t.inverse[fromJ:][:m]
	hI, hJ := h[fromI:][:m], h[fromJ:][:m]
	sA, sa, tA, ta := s.squared[ij], s.inverse[ij], t.squared[ij], t.inverse[ij]
	var loss, sides, angles T
	for k := range m {
		sB, sC, sb, sc := sBs[k], sCs[k], sbs[k], scs[k]
		ab, ac, bc := sa*sb, sa*sc, sb*sc
		difference := sB - sC
		psiI, psiJ, psiK := (sA+difference)*ab, (sA-difference)*ac, (sB+sC-sA)*bc

		tB, tC, tb, tc := tBs[k], tCs[k], tbs[k], tcs[k]
		difference = tB - tC
		gI := psiI - (tA+difference)*(ta*tb)
		gJ := psiJ - (tA-difference)*(ta*tc)
		gK := psiK - (tB+tC-tA)*(tb*tc)

		// A sum of squares up to 1 has no term beyond 1, and is then twice the loss.
		square := gI*gI + gJ*gJ + gK*gK
		if square > 1 {
			var lossI, lossJ, lossK T
			lossI, gI = huber(gI)
			lossJ, gJ = huber(gJ)
			lossK, gK = huber(gK)
			square = 2 * (lossI + lossJ + lossK)
		}
		loss += square

		ab, ac, bc = gI*ab, gJ*ac, gK*bc
		psiI, psiJ, psiK = gI*psiI, gJ*psiJ, gK*psiK
		sides += ab + ac - bc
		angles += psiI + psiJ
		hI[k] += ab + bc - ac - sb*sb*(psiI+psiK)
		hJ[k] += ac + bc - ab - sc*sc*(psiJ+psiK)
	}
	h[ij] += sides - sa*sa*angles
	return float64(loss)
}

func (a *angle[T]) mergeRow(i int) {
	n := a.student.n
	row := a.gradient.h[i*n+i : (i+1)*n]
	for k := range row {
		at := i*n + i + k
		var sum T
		for l := range a.lanes {
			sum += a.lanes[l][at]
		}
		row[k] += a.scale * sum
	}
}
