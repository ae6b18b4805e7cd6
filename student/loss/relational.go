package loss

import "rkd/student/internal/blas"

// Relational is relational knowledge distillation (RKD): a weighted sum of the distance-wise and the angle-wise loss,
// which share the distances within the batch. Its value has a term for each weight that is not 0.
//
// Distance-wise, term rkd_distance:
//
//	L = 1/N² Σ_ij huber(ds_ij − dt_ij),  d_ij = ‖x_i − x_j‖₂ / μ,  μ = mean of ‖x_i − x_j‖₂ over i ≠ j
//
// Angle-wise, term rkd_angle:
//
//	L = 1/N³ Σ_ijk huber(ψs_ijk − ψt_ijk),  ψ_ijk = ⟨e_ij,e_ik⟩,  e_ij = (x_j − x_i) / ‖x_j − x_i‖₂
//
// huber(x) is x²/2 for |x| < 1 and |x| − 1/2 beyond. Student is (N,Ds), teacher (N,Dt), N ≥ 2; Ds and Dt are free.
// Values are dimensionless. The teacher is a constant; the student's μ is not. Time is O(N²·D + N³), memory O(N²).
//
// Two rows coincide when the square of their distance is at most 1e-12. They count with distance 1e-6 in μ and in
// rkd_distance, their e_ij is 0, and they get no gradient through their distance, so identical rows stay finite.
//
// Eval returns ErrShape for N < 2 or unequal numbers of rows, ErrNotFinite for rows that hold NaN or an infinity, and
// ErrDegenerate when all rows of one side coincide.
//
// Source: Park et al., Relational Knowledge Distillation, CVPR 2019, eqs. 5–9. As in the authors' code means run over
// all N² and N³ entries, degenerate ones included. Deviations from it: coincident rows, which get a gradient of the
// order of 1e12 there, get none here; and a batch that is all one point is an error, not a NaN or a matrix of ones.
type Relational[T blas.Float] struct {
	distanceWeight, angleWeight float64
	student, teacher            *pairs[T]
	gradient                    *pairGradient[T]
	distance                    *distance[T]
	angle                       *angle[T]
	terms                       []Term
}

// DistanceOptions are the settings of the distance term alone: none.
type DistanceOptions struct{}

// New implements [Options].
func (DistanceOptions) New() (Loss[float32], error) { return NewRelational[float32](1, 0), nil }

// AngleOptions are the settings of the angle term alone: none.
type AngleOptions struct{}

// New implements [Options].
func (AngleOptions) New() (Loss[float32], error) { return NewRelational[float32](0, 1), nil }

// NewRelational returns distance·rkd_distance + angle·rkd_angle. A term with weight 0 is not computed.
func NewRelational[T blas.Float](distance, angle float64) *Relational[T] {
	r := &Relational[T]{
		distanceWeight: distance, angleWeight: angle,
		student: newPairs[T]("student"), teacher: newPairs[T]("teacher"),
		gradient: newPairGradient[T](),
	}
	r.distance = newDistance(r.student, r.teacher, r.gradient)
	r.angle = newAngle(r.student, r.teacher, r.gradient)
	return r
}

// Eval implements [Loss]; it looks at the batch's student and teacher.
func (r *Relational[T]) Eval(b Batch[T], weight float64, grad Matrix[T]) (Value, error) {
	if err := validateSides(b, grad); err != nil {
		return Value{}, err
	}
	for _, side := range []struct {
		pairs *pairs[T]
		rows  Matrix[T]
	}{{r.student, b.Student}, {r.teacher, b.Teacher}} {
		if err := side.pairs.measure(side.rows); err != nil {
			return Value{}, err
		}
		if _, err := side.pairs.scale(); err != nil {
			return Value{}, err
		}
	}
	r.gradient.reset(b.Student.Rows)
	r.terms = r.terms[:0]
	if w := r.distanceWeight; w != 0 {
		r.terms = append(r.terms, Term{Name: "rkd_distance", Weight: w, Value: r.distance.eval(weight * w)})
	}
	if w := r.angleWeight; w != 0 {
		r.terms = append(r.terms, Term{Name: "rkd_angle", Weight: w, Value: r.angle.eval(weight * w)})
	}
	if grad.Data != nil {
		r.gradient.addTo(r.student, grad)
	}
	total := 0.0
	for _, term := range r.terms {
		total += term.Weight * term.Value
	}
	return Value{Total: total, Terms: r.terms}, nil
}

// huber returns smooth-L1 with transition 1 and its derivative.
func huber[T blas.Float](x T) (value, derivative T) {
	switch {
	case x > 1:
		return x - 0.5, 1
	case x < -1:
		return -x - 0.5, -1
	}
	return x * x / 2, x
}
