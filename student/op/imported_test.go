package op

import (
	"math"
	"runtime"
	"testing"

	"gorgonia.org/gorgonia"
)

func eluOp(alpha float64) build {
	return func(in gorgonia.Nodes) (*gorgonia.Node, error) { return ELU(in[0], alpha) }
}

func preluOp(in gorgonia.Nodes) (*gorgonia.Node, error) { return PReLU(in[0], in[1]) }

// importedSpecs are the golden cases of testdata/imported_golden.py, by name.
func importedSpecs() map[string]spec {
	elu := func(alpha float64) func(float64) float64 {
		return func(x float64) float64 { return math.Max(x, 0) + math.Min(alpha*(math.Exp(x)-1), 0) }
	}
	all := map[string]spec{}
	for name, a := range map[string]activation{
		"elu":        {eluOp(1), elu(1)},
		"elu of 0.3": {eluOp(0.3), elu(0.3)},
		"elu of 2":   {eluOp(2), elu(2)},
		"erf":        {unary(Erf), func(x float64) float64 { return 1 - math.Erfc(x) }},
		"gelu with tanh": {unary(GELUTanh), func(x float64) float64 {
			return 0.5 * x * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
		}},
		"softplus": {unary(Softplus), func(x float64) float64 { return math.Log(1 + math.Exp(x)) }},
	} {
		s := spec{op: a.op, reference: func(in []array) array {
			return filled(func(i []int) float64 { return a.value(in[0].at(i...)) }, in[0].Shape...)
		}}
		all[name+"/matrix"], all[name+"/images"] = s, s
	}
	for _, name := range []string{"images", "matrix", "one slope", "zeros"} {
		all["prelu/"+name] = spec{op: preluOp, reference: func(in []array) array {
			return filled(func(i []int) float64 {
				x := in[0].at(i...)
				return math.Max(x, 0) + in[1].at(i[1]%in[1].Shape[0])*math.Min(x, 0)
			}, in[0].Shape...)
		}}
	}
	return all
}

func TestImportedActivationsFarFromZero(t *testing.T) {
	for name, test := range map[string]struct {
		op                                   build
		below, belowSlope, above, aboveSlope float64
	}{
		"elu":            {eluOp(0.5), -0.5, 0, 1000, 1},
		"erf":            {unary(Erf), -1, 0, 1, 0},
		"gelu with tanh": {unary(GELUTanh), 0, 0, 1000, 1},
		"softplus":       {unary(Softplus), 0, 0, 1000, 1},
	} {
		x, gy := array{[]int{3}, []float64{-1000, 1000, math.NaN()}}, array{[]int{3}, []float64{1, 1, 1}}
		r := newGraph[float32](t, test.op, []array{x}, []bool{false}, gy)
		y, gx := undense[float32](t, r.output), undense[float32](t, r.grads[0])
		expectClose(t, name, array{[]int{2}, y.Data[:2]}, array{[]int{2}, []float64{test.below, test.above}}, 1e-6)
		expectClose(t, name+"'s slope", array{[]int{2}, gx.Data[:2]},
			array{[]int{2}, []float64{test.belowSlope, test.aboveSlope}}, 1e-6)
		if !math.IsNaN(y.Data[2]) {
			t.Errorf("%s of NaN is %v", name, y.Data[2])
		}
	}
	if y := forward[float32](t, preluOp,
		[]array{{[]int{1, 1}, []float64{math.NaN()}}, {[]int{1}, []float64{0.5}}}); !math.IsNaN(y.Data[0]) {
		t.Errorf("PReLU of NaN is %v", y.Data[0])
	}
}

func TestImportedActivationsRefuseWhatDoesNotFit(t *testing.T) {
	expectRejected(t, map[string]rejection{
		"alpha 0":                 {eluOp(0), [][]int{{2}}, ErrOption},
		"alpha NaN":               {eluOp(math.NaN()), [][]int{{2}}, ErrOption},
		"alpha without end":       {eluOp(math.Inf(1)), [][]int{{2}}, ErrOption},
		"slopes of other numbers": {preluOp, [][]int{{2, 3}, {2}}, ErrShape},
		"slopes a sample":         {preluOp, [][]int{{2, 3}, {2, 3}}, ErrShape},
		"a vector":                {preluOp, [][]int{{2}, {1}}, ErrShape},
	})
	expectMerged(t, false, eluOp(1), eluOp(2), []int{2, 3})
}

func TestPReLUDoesNotDependOnTheNumberOfProcessors(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	x := filled(func(i []int) float64 { return math.Sin(float64(1 + i[0]*7 + i[1]*5 + i[2]*3 + i[3])) }, 5, 3, 4, 4)
	r := newGraph[float32](t, preluOp, []array{x, {[]int{1}, []float64{0.25}}}, []bool{false, false}, x)
	gradient := func(procs int) array {
		runtime.GOMAXPROCS(procs)
		r.run(t)
		return undense[float32](t, r.grads[1])
	}
	want := gradient(1)
	expectClose(t, "the slope's gradient on three", gradient(3), want, 0)
}
