package loss

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"rkd/student/internal/blas"
)

// Kernels of [Correlation].
const (
	KernelGaussian = "gaussian" // the Taylor series of a Gaussian of unit rows
	KernelBilinear = "bilinear" // the inner product of rows as they come
)

// Kernels returns the names of all kernels, the default one first.
func Kernels() []string { return []string{KernelGaussian, KernelBilinear} }

// CorrelationOptions are the settings of [Correlation].
type CorrelationOptions struct {
	// Kernel is one of [Kernels]; empty means KernelGaussian.
	Kernel string `yaml:"kernel,omitempty"`
	// Gamma is γ of the Gaussian, more than 0 and at most 100; 0 means 0.4. Only for KernelGaussian.
	Gamma float64 `yaml:"gamma,omitempty" within:"(0,100]"`
	// Order is the highest power P of its series, from 1 to 100; 0 means 2. Only for KernelGaussian.
	Order int `yaml:"order,omitempty" within:"[1,100]"`
}

// WithDefaults fills in what is 0.
func (o CorrelationOptions) WithDefaults() CorrelationOptions {
	o.Kernel = cmp.Or(o.Kernel, KernelGaussian)
	if o.Kernel == KernelGaussian {
		o.Gamma, o.Order = cmp.Or(o.Gamma, 0.4), cmp.Or(o.Order, 2)
	}
	return o
}

// New implements [Options].
func (o CorrelationOptions) New() (Loss[float32], error) { return NewCorrelation[float32](o) }

// Correlation is correlation congruence (CC): the student's rows shall correlate with each other as the teacher's do.
//
//	L = 1/N² Σ_ij (ks_ij − kt_ij)²
//
//	k_ij = e^{−2γ} Σ_{p=0..P} (2γ·⟨y_i,y_j⟩)^p / p!,  y = x/max(‖x‖₂, 1e-12)    for KernelGaussian
//	k_ij = ⟨x_i,x_j⟩                                                            for KernelBilinear
//
// The first is the series of exp(−γ‖y_i − y_j‖²) at rows of unit length. Student is (N,Ds), teacher (N,Dt), N ≥ 2; Ds
// and Dt are free. The value is dimensionless for KernelGaussian and goes with ‖x‖⁴ for KernelBilinear, whose rows
// [Normalized] brings to unit length. The teacher is a constant. Time is O(N²·(D + P)), memory O(N²).
//
// With KernelGaussian rows of length at most 1e-12 get no gradient. Identical rows are nothing special.
//
// Eval returns ErrShape for N < 2 or unequal numbers of rows, and ErrNotFinite for rows that hold NaN or an infinity or
// are too large for T to hold 16·‖x‖² (KernelGaussian) or 4·N²·‖x‖⁴ (KernelBilinear).
//
// Source: Peng et al., Correlation Congruence for Knowledge Distillation, ICCV 2019; unit rows, γ 0.4, P 2 and the mean
// over all N² entries as in its public re-implementations. Deviations: the instance-wise part of the paper's objective
// is not in here; PyTorch's normalisation gives vanishing rows a gradient of the order of 1e12. The loss of this name
// in the code of Tian et al., Contrastive Representation Distillation, ICLR 2020, which is said there to come from the
// authors, is another: it multiplies |x_s − x_t| of neighbouring rows, so that both sides must be equally wide.
type Correlation[T blas.Float] struct{ gram *gramLoss[T] }

// NewCorrelation returns the correlation congruence loss, or ErrOption for a setting out of range.
func NewCorrelation[T blas.Float](o CorrelationOptions) (*Correlation[T], error) {
	o = o.WithDefaults()
	switch {
	case !slices.Contains(Kernels(), o.Kernel):
		return nil, fmt.Errorf("%w: kernel is %q, expected one of %s", ErrOption, o.Kernel, strings.Join(Kernels(), ", "))
	case o.Kernel == KernelBilinear && (o.Gamma != 0 || o.Order != 0):
		return nil, fmt.Errorf("%w: kernel %q has gamma %g and order %d, expected neither", ErrOption, o.Kernel, o.Gamma,
			o.Order)
	case o.Kernel == KernelBilinear:
		return &Correlation[T]{newGramLoss[T]("cc", false, 0, compareBilinear)}, nil
	}
	if !(o.Gamma > 0 && o.Gamma <= 100) {
		return nil, fmt.Errorf("%w: gamma is %g, expected more than 0 and at most 100", ErrOption, o.Gamma)
	}
	if o.Order < 1 || o.Order > 100 {
		return nil, fmt.Errorf("%w: order is %d, expected 1 to 100", ErrOption, o.Order)
	}
	return &Correlation[T]{newGramLoss[T]("cc", true, 0, func(student, teacher, h []float64) float64 {
		sum := 0.0
		for j, s := range student {
			ks, slope := gaussianSeries(s, o.Gamma, o.Order)
			kt, _ := gaussianSeries(teacher[j], o.Gamma, o.Order)
			sum += (ks - kt) * (ks - kt)
			h[j] = 2 * (ks - kt) * slope
		}
		return sum
	})}, nil
}

// Eval implements [Loss]; it looks at the batch's student and teacher, and its one term is named cc.
func (l *Correlation[T]) Eval(b Batch[T], weight float64, grad Matrix[T]) (Value, error) {
	return l.gram.eval(b, weight, grad)
}

func compareBilinear(student, teacher, h []float64) float64 {
	sum := 0.0
	for j, s := range student {
		d := s - teacher[j]
		sum += d * d
		h[j] = 2 * d
	}
	return sum
}

// gaussianSeries returns the kernel at a cosine and its derivative by the cosine, which is 2γ times the series one
// order shorter.
func gaussianSeries(cosine, gamma float64, order int) (value, slope float64) {
	x, term := 2*gamma*cosine, math.Exp(-2*gamma)
	for p := range order {
		value += term
		term *= x / float64(p+1)
	}
	return value + term, 2 * gamma * value
}
