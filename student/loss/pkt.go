package loss

import (
	"math"

	"rkd/student/internal/blas"
)

// pktEpsilon keeps lengths, and probabilities within logarithms, away from 0.
const pktEpsilon = 1e-7

// PKT is probabilistic knowledge transfer: the student shall have the teacher's probabilities of rows to be neighbours.
//
//	L = 1/N² Σ_ij pt_ij · ln((pt_ij + ε)/(ps_ij + ε)),  p_ij = k_ij / Σ_m k_im,  k_ij = (1 + ⟨y_i,y_j⟩)/2
//
// where y = x/(‖x‖₂ + ε) and ε = 1e-7. Student is (N,Ds), teacher (N,Dt), N ≥ 2; Ds and Dt are free. The value is in
// nats. The teacher is a constant. Time is O(N²·D), memory O(N²).
//
// Rows of zeros have the cosine 0 to all, and rows of length at most 1e-12 get no gradient. Identical rows are nothing
// special.
//
// Eval returns ErrShape for N < 2 or unequal numbers of rows, and ErrNotFinite for rows that hold NaN or an infinity or
// are too large for T to hold 16·‖x‖².
//
// Source: Passalis and Tefas, Learning Deep Representations with Probabilistic Knowledge Transfer, ECCV 2018, with the
// cosine kernel. As in the authors' code p runs over all j, i itself included, and the mean over all N² entries, where
// the paper leaves i out and sums. Deviation: rows of zeros, which get NaN for a gradient there, get none here.
type PKT[T blas.Float] struct{ gram *gramLoss[T] }

// PKTOptions are the settings of [PKT]: none.
type PKTOptions struct{}

// New implements [Options].
func (PKTOptions) New() (Loss[float32], error) { return NewPKT[float32](), nil }

// NewPKT returns the loss of probabilistic knowledge transfer.
func NewPKT[T blas.Float]() *PKT[T] {
	return &PKT[T]{newGramLoss[T]("pkt", true, pktEpsilon, comparePKT)}
}

// Eval implements [Loss]; it looks at the batch's student and teacher, and its one term is named pkt.
func (l *PKT[T]) Eval(b Batch[T], weight float64, grad Matrix[T]) (Value, error) {
	return l.gram.eval(b, weight, grad)
}

func comparePKT(student, teacher, h []float64) float64 {
	total, teacherTotal := pktSum(student), pktSum(teacher)
	sum, along := 0.0, 0.0
	for j, cosine := range student {
		p, q := (1+cosine)/2/total, (1+teacher[j])/2/teacherTotal
		sum += q * math.Log((q+pktEpsilon)/(p+pktEpsilon))
		h[j] = -q / (p + pktEpsilon)
		along += h[j] * p
	}
	for j := range h {
		h[j] = (h[j] - along) / total / 2
	}
	return sum
}

// pktSum is Σ_j k_ij, at least 1/2 for j = i.
func pktSum(cosines []float64) float64 {
	sum := 0.0
	for _, c := range cosines {
		sum += (1 + c) / 2
	}
	return sum
}
