package loss

import (
	"math"

	"rkd/student/internal/blas"
)

// Similarity is similarity-preserving distillation (SP): the student shall find the same rows alike as the teacher
// does.
//
//	L = 1/N² Σ_ij (g̃s_ij − g̃t_ij)²,  g̃_ij = g_ij / max(√Σ_k g_ik², 1e-12),  g_ij = ⟨x_i,x_j⟩
//
// Student is (N,Ds), teacher (N,Dt), N ≥ 2; Ds and Dt are free. The value is dimensionless; it does not change with the
// scale of either side. The teacher is a constant. Time is O(N²·D), memory O(N²).
//
// Rows of zeros have g̃ = 0; where √Σ_k g_ik² is at most 1e-12 row i of g̃ gets no gradient. Identical rows are nothing
// special.
//
// Eval returns ErrShape for N < 2 or unequal numbers of rows, and ErrNotFinite for rows that hold NaN or an infinity or
// are too large for T to hold 4·N²·‖x‖⁴.
//
// Source: Tung and Mori, Similarity-Preserving Knowledge Distillation, ICCV 2019, section 3, on one pair of layers,
// here the embeddings. Deviation: PyTorch's normalisation gives vanishing rows a gradient of the order of 1e12.
type Similarity[T blas.Float] struct{ gram *gramLoss[T] }

// SimilarityOptions are the settings of [Similarity]: none.
type SimilarityOptions struct{}

// New implements [Options].
func (SimilarityOptions) New() (Loss[float32], error) { return NewSimilarity[float32](), nil }

// NewSimilarity returns the similarity-preserving loss.
func NewSimilarity[T blas.Float]() *Similarity[T] {
	return &Similarity[T]{newGramLoss[T]("sp", false, 0, compareSimilarity)}
}

// Eval implements [Loss]; it looks at the batch's student and teacher, and its one term is named sp.
func (l *Similarity[T]) Eval(b Batch[T], weight float64, grad Matrix[T]) (Value, error) {
	return l.gram.eval(b, weight, grad)
}

func compareSimilarity(student, teacher, h []float64) float64 {
	ns, nt := similarityNorm(student), similarityNorm(teacher)
	sum, along := 0.0, 0.0
	for j, s := range student {
		d := s/ns - teacher[j]/nt
		sum += d * d
		h[j] = 2 * d
		along += h[j] * s / ns
	}
	if ns <= shortest {
		clear(h)
		return sum
	}
	for j, s := range student {
		h[j] = (h[j] - along*s/ns) / ns
	}
	return sum
}

func similarityNorm(row []float64) float64 {
	square := 0.0
	for _, v := range row {
		square += v * v
	}
	return max(math.Sqrt(square), shortest)
}
