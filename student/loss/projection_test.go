package loss_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"rkd/student/internal/blas"
	"rkd/student/loss"
)

func projection[T blas.Float](t *testing.T, o loss.ProjectionOptions, in, out int) *loss.Projection[T] {
	t.Helper()
	return must(loss.NewProjection[T]("head", o, in, out, newRand(1)))(t)
}

// projections are all kinds with the settings that matter to arithmetic.
func projections() []loss.ProjectionOptions {
	return []loss.ProjectionOptions{
		{Kind: loss.ProjectionLinear},
		{Kind: loss.ProjectionLinear, Bias: true},
		{Kind: loss.ProjectionCosine},
		{Kind: loss.ProjectionCosine, Scale: 3},
	}
}

// referenceProjection is the map of one row, from the formula.
func referenceProjection(p *loss.Projection[float64], o loss.ProjectionOptions, s []float64) []float64 {
	weight := p.Params()[0]
	out := make([]float64, weight.Shape[0])
	for c := range out {
		w := weight.Value[c*len(s):][:len(s)]
		for k := range s {
			out[c] += s[k] * w[k]
		}
		if o.Kind == loss.ProjectionCosine {
			scale := o.Scale
			if scale == 0 {
				scale = 16
			}
			out[c] *= scale / (max(norm(s), 1e-12) * max(norm(w), 1e-12))
		}
		if o.Bias {
			out[c] += p.Params()[1].Value[c]
		}
	}
	return out
}

func TestProjectionAgreesWithTheFormula(t *testing.T) {
	student := gaussian[float64](newRand(2), 300, 5, 1) // more rows than Forward holds at once
	clear(student.Data[:5])
	for _, o := range projections() {
		p := projection[float64](t, o, 5, 7)
		got, err := p.Forward(nil, student)
		if err != nil {
			t.Fatal(err)
		}
		var want []float64
		for i := range student.Rows {
			want = append(want, referenceProjection(p, o, student.Data[i*5:][:5])...)
		}
		if e := relative(got, want); e > 1e-14 {
			t.Errorf("%+v: rows are %g off the formula, expected at most 1e-14", o, e)
		}
		buffer := make([]float64, 300*7)
		if again, _ := p.Forward(buffer, student); &again[0] != &buffer[0] || !slices.Equal(again, got) {
			t.Errorf("%+v: the buffer is not used, or the rows differ", o)
		}
	}
}

func TestDirectionsStandForTheWeights(t *testing.T) {
	student := unit(gaussian[float64](newRand(2), 6, 5, 1))
	for _, o := range []loss.ProjectionOptions{
		{},
		{Kind: loss.ProjectionCosine},
		{Kind: loss.ProjectionCosine, Scale: 3},
	} {
		p := projection[float64](t, o, 5, 4)
		got := make([]float64, 6*4)
		directions := p.Directions()
		for i := range got {
			for k := range 5 {
				got[i] += student.Data[i/4*5+k] * directions[i%4*5+k]
			}
		}
		want, err := p.Forward(nil, student)
		if err != nil {
			t.Fatal(err)
		}
		if e := relative(got, want); e > 1e-14 {
			t.Errorf("%+v: products with unit rows are %g off the map, expected at most 1e-14", o, e)
		}
	}
}

func TestProjectionStartsLikePyTorchsLinear(t *testing.T) {
	params := projection[float64](t, loss.ProjectionOptions{Bias: true}, 25, 400).Params()
	for i, want := range []struct {
		name  string
		shape []int
		size  int
	}{{"head.weight", []int{400, 25}, 10000}, {"head.bias", []int{400}, 400}} {
		p := params[i]
		if p.Name != want.name || !slices.Equal(p.Shape, want.shape) || len(p.Value) != want.size ||
			len(p.Grad) != want.size {
			t.Fatalf("parameter %d is %s %v with %d values, expected %+v", i, p.Name, p.Shape, len(p.Value), want)
		}
		least, most := slices.Min(p.Value), slices.Max(p.Value)
		if least < -0.2 || least > -0.19 || most > 0.2 || most < 0.19 {
			t.Errorf("%s: values are from %g to %g, expected all of ±1/√25", p.Name, least, most)
		}
		deviation := norm(p.Value) / math.Sqrt(float64(want.size))
		if expect := 0.2 / math.Sqrt(3); math.Abs(deviation-expect) > 0.1*expect {
			t.Errorf("%s: standard deviation is %g, expected %g of a uniform distribution", p.Name, deviation, expect)
		}
	}
}

// projectedCase is a case of a regression behind a projection in testdata/logit_golden.json.
type projectedCase struct {
	Kind                    string
	Scale                   float64
	Bias                    bool
	Student, Target, Weight goldenMatrix
	Offset                  []float64
	Loss                    goldenLoss
	WeightGrad              []float64 `json:"weight_grad"`
	OffsetGrad              []float64 `json:"offset_grad"`
}

func TestProjectedAgreesWithPyTorch(t *testing.T) {
	for i, c := range goldenCases[projectedCase](t, "logit_golden.json", "projected") {
		p := projection[float64](t, loss.ProjectionOptions{Kind: c.Kind, Scale: c.Scale, Bias: c.Bias},
			c.Weight.Cols, c.Weight.Rows)
		copy(p.Params()[0].Value, c.Weight.Data)
		if c.Bias {
			copy(p.Params()[1].Value, c.Offset)
		}
		l := loss.NewProjected(p, regression[float64](t, loss.RegressionMSE))
		value, grad := eval(t, l, loss.Batch[float64]{Student: c.Student.matrix(), Teacher: c.Target.matrix()})
		if math.Abs(value-c.Loss.Value) > 1e-12*c.Loss.Value {
			t.Errorf("case %d: value is %.15g, expected %.15g", i, value, c.Loss.Value)
		}
		if e := relative(grad, c.Loss.Grad); e > 1e-12 {
			t.Errorf("case %d: the student's gradient is %g off, expected at most 1e-12", i, e)
		}
		for k, want := range [][]float64{c.WeightGrad, c.OffsetGrad}[:len(p.Params())] {
			if e := relative(p.Params()[k].Grad, want); e > 1e-12 {
				t.Errorf("case %d: the gradient of %s is %g off, expected at most 1e-12", i, p.Params()[k].Name, e)
			}
		}
	}
}

// checkParamGradients compares the gradients by the sum's parameters with central differences of its value.
func checkParamGradients(t *testing.T, sum *loss.Sum[float64], b loss.Batch[float64]) {
	t.Helper()
	const step = 1e-5
	total := func(grad loss.Matrix[float64]) float64 {
		v, err := sum.Eval(b, grad)
		if err != nil {
			t.Fatal(err)
		}
		return v.Total
	}
	for _, p := range sum.Params() {
		total(zeros[float64](b.Student.Rows, b.Student.Cols))
		grad, want := slices.Clone(p.Grad), make([]float64, len(p.Grad))
		for i, x := range p.Value {
			p.Value[i] = x + step
			above := total(loss.Matrix[float64]{})
			p.Value[i] = x - step
			want[i] = (above - total(loss.Matrix[float64]{})) / (2 * step)
			p.Value[i] = x
		}
		if norm(want) < 1e-6 {
			t.Fatalf("%s: the gradient's norm is %g, too small to check", p.Name, norm(want))
		}
		if e := relative(grad, want); e > 1e-6 {
			t.Errorf("%s: gradient is %g off central differences, expected at most 1e-6", p.Name, e)
		}
	}
}

func TestProjectedGradientsAreTheDerivatives(t *testing.T) {
	b := embeddingBatch[float64](2, 8, 5, 1)
	b.Teacher, b.Logits = gaussian[float64](newRand(3), 8, 6, 0), gaussian[float64](newRand(4), 8, 6, 0)
	for _, o := range projections() {
		for name, inner := range map[string]loss.Loss[float64]{
			"cross_entropy": crossEntropy[float64](t, 0.1),
			"hkd":           softTarget[float64](t, loss.SoftTargetOptions{}),
			"regression":    regression[float64](t, loss.RegressionCosine),
			"info_nce":      infoNCE[float64](t, 0.5),
			"normalized":    loss.NewNormalized[float64](regression[float64](t, loss.RegressionMSE), true, true),
			"projected":     loss.NewProjected(projection[float64](t, loss.ProjectionOptions{}, 6, 6), infoNCE[float64](t, 0.5)),
		} {
			t.Run(fmt.Sprintf("%s %s bias=%t", name, o.Kind, o.Bias), func(t *testing.T) {
				l := loss.NewProjected(projection[float64](t, o, 5, 6), inner)
				checkGradient(t, l, b, func(*loss.Batch[float64]) {})
				var sum loss.Sum[float64]
				sum.Add(0.7, l)
				checkParamGradients(t, &sum, b)
			})
		}
	}
}

func TestLossesShareAHead(t *testing.T) {
	b := embeddingBatch[float64](2, 8, 5, 1)
	b.Logits = gaussian[float64](newRand(4), 8, 4, 0)
	for _, o := range projections() {
		head := projection[float64](t, o, 5, 4)
		var sum loss.Sum[float64]
		sum.Add(1, loss.NewProjected(head, crossEntropy[float64](t, 0)))
		sum.Add(16, loss.NewNormalized(loss.NewProjected(head, softTarget[float64](t, loss.SoftTargetOptions{})), true,
			false))
		if got := sum.Params(); !slices.Equal(got, head.Params()) {
			t.Fatalf("%+v: %d parameters, expected the head's %d, each once", o, len(got), len(head.Params()))
		}
		checkParamGradients(t, &sum, b)
	}
}

func TestSumClearsTheGradientsOfParameters(t *testing.T) {
	b := embeddingBatch[float64](2, 8, 5, 1)
	head, idle := projection[float64](t, loss.ProjectionOptions{}, 5, 4),
		projection[float64](t, loss.ProjectionOptions{}, 5, 4)
	var sum loss.Sum[float64]
	sum.Add(1, loss.NewProjected(head, crossEntropy[float64](t, 0)))
	sum.Add(0, loss.NewProjected(idle, crossEntropy[float64](t, 0)))
	run := func(grad loss.Matrix[float64]) []float64 {
		for _, p := range sum.Params() {
			p.Grad[0] = math.NaN()
		}
		if _, err := sum.Eval(b, grad); err != nil {
			t.Fatal(err)
		}
		if size := norm(idle.Params()[0].Grad); size != 0 {
			t.Errorf("the gradient of a loss with weight 0 has the norm %g, expected 0", size)
		}
		return slices.Clone(head.Params()[0].Grad)
	}
	first := run(zeros[float64](8, 5))
	if second := run(zeros[float64](8, 5)); !slices.Equal(first, second) || norm(first) == 0 {
		t.Errorf("gradients of two equal steps are %v and %v, expected equal ones other than 0", first, second)
	}
	if size := norm(run(loss.Matrix[float64]{})); size != 0 {
		t.Errorf("without a gradient for the student the parameters' has the norm %g, expected 0", size)
	}
}

func TestProjectedIsALoss(t *testing.T) {
	for _, o := range projections() {
		checkTerm(t, "cross_entropy", loss.NewProjected(projection[float64](t, o, 5, 4), crossEntropy[float64](t, 0.1)))
		checkFiniteEmbedding(t, loss.NewProjected(projection[float64](t, o, 3, 4), crossEntropy[float64](t, 0.1)))
		single := loss.NewProjected(projection[float32](t, o, 16, 4), crossEntropy[float32](t, 0.1))
		double := loss.NewProjected(projection[float64](t, o, 16, 4), crossEntropy[float64](t, 0.1))
		for i, p := range single.Params() {
			for k, v := range p.Value {
				double.Params()[i].Value[k] = float64(v)
			}
		}
		checkSinglePrecision(t, single, double)
		wide := loss.NewProjected(projection[float32](t, o, 150, 150), regression[float32](t, loss.RegressionMSE))
		checkRepeatable(t, wide)
		checkBits(t, func() []float32 {
			var sum loss.Sum[float32]
			sum.Add(1, wide)
			b := embeddingBatch[float32](6, 76, 150, 0)
			if _, err := sum.Eval(b, zeros[float32](76, 150)); err != nil {
				t.Fatal(err)
			}
			return slices.Clone(sum.Params()[0].Grad)
		})
		checkRefusals(t, loss.NewProjected(projection[float32](t, o, 3, 3), regression[float32](t, loss.RegressionMSE)),
			append(teacherRefusals(), refusal{"rows of another width", func(b *loss.Batch[float32]) {
				b.Student = zeros[float32](8, 4)
			}, loss.ErrShape, `student is (8,4), expected 3 columns for "head"`}))
	}
}

func TestProjectedRefusesParametersThatAreNoNumbers(t *testing.T) {
	p := projection[float32](t, loss.ProjectionOptions{Bias: true}, 3, 4)
	l, b := loss.NewProjected(p, crossEntropy[float32](t, 0)), embeddingBatch[float32](1, 8, 3, 0)
	for i, expect := range []string{"head.weight row 1 has NaN in column 0", "head.bias has NaN at 3"} {
		value := p.Params()[i].Value
		value[3] = float32(math.NaN())
		_, err := l.Eval(b, 1, zeros[float32](8, 3))
		checkError(t, err, loss.ErrNotFinite, expect)
		if row, ok := errors.AsType[*loss.RowError](err); ok {
			t.Errorf("error is about row %d of the batch, expected one about no row", row.Row)
		}
		value[3] = 0
	}
}

func TestForwardNamesTheRowThatIsNoNumber(t *testing.T) {
	p, student := projection[float32](t, loss.ProjectionOptions{}, 2, 3), zeros[float32](600, 2)
	student.Data[2*513+1] = float32(math.Inf(-1))
	_, err := p.Forward(nil, student)
	checkError(t, err, loss.ErrNotFinite, "student row 513 has -Inf in column 1")
	_, err = p.Forward(nil, zeros[float32](600, 3))
	checkError(t, err, loss.ErrShape, `student is (600,3), expected 2 columns for "head"`)
}

func TestVanishingRowsGetNoGradientFromCosine(t *testing.T) {
	p := projection[float64](t, loss.ProjectionOptions{Kind: loss.ProjectionCosine}, 3, 4)
	clear(p.Params()[0].Value[3:6])
	b := embeddingBatch[float64](1, 8, 3, 0)
	clear(b.Student.Data[:3])
	_, grad := eval(t, loss.NewProjected(p, crossEntropy[float64](t, 0)), b)
	if row, weight := norm(grad[:3]), norm(p.Params()[0].Grad[3:6]); row != 0 || weight != 0 {
		t.Errorf("gradients of a vanishing row and weight have the norms %g and %g, expected 0", row, weight)
	}
	if norm(grad[3:]) == 0 || norm(p.Params()[0].Grad[6:]) == 0 {
		t.Error("other rows and weights get no gradient, expected one")
	}
}

func TestNewProjectionRefusesBadOptions(t *testing.T) {
	for _, c := range []struct {
		options loss.ProjectionOptions
		in, out int
		expect  string
	}{
		{loss.ProjectionOptions{Kind: "mlp"}, 3, 4, `kind of "head" is "mlp", expected one of linear, cosine`},
		{loss.ProjectionOptions{Kind: loss.ProjectionCosine, Bias: true}, 3, 4, `"head" of kind cosine has a bias`},
		{loss.ProjectionOptions{Kind: loss.ProjectionCosine, Scale: -1}, 3, 4, `scale of "head" is -1`},
		{loss.ProjectionOptions{Kind: loss.ProjectionCosine, Scale: math.NaN()}, 3, 4, `scale of "head" is NaN`},
		{loss.ProjectionOptions{Scale: 2}, 3, 4, `"head" of kind linear has the scale 2`},
		{loss.ProjectionOptions{}, 0, 4, `"head" is from 0 to 4 columns`},
		{loss.ProjectionOptions{}, 3, 0, `"head" is from 3 to 0 columns`},
	} {
		_, err := loss.NewProjection[float32]("head", c.options, c.in, c.out, newRand(1))
		checkOption(t, err, c.expect)
	}
	_, err := loss.NewProjection[float32]("head", loss.ProjectionOptions{}, 3, 4, nil)
	checkOption(t, err, `"head" needs a random generator`)
}
