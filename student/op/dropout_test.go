package op

import (
	"errors"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

func dropoutOp(o DropoutOptions) build {
	return func(in gorgonia.Nodes) (*gorgonia.Node, error) { return Dropout(in[0], in[1], o) }
}

func ones(shape ...int) array { return filled(func([]int) float64 { return 1 }, shape...) }

// masked is the mask of one step: dropout of ones.
func masked(t *testing.T, o DropoutOptions, step float64, shape ...int) []float64 {
	t.Helper()
	return forward[float32](t, dropoutOp(o), []array{ones(shape...), {[]int{1}, []float64{step}}}).Data
}

func TestDropoutKeepsTheMeanAndDropsItsRate(t *testing.T) {
	for _, rate := range []float64{0.1, 0.5, 0.9} {
		mask := masked(t, DropoutOptions{Rate: rate}, 3, 100, 1001)
		dropped := 0
		for _, v := range mask {
			switch {
			case v == 0:
				dropped++
			case math.Abs(v-1/(1-rate)) > 1e-5:
				t.Fatalf("rate %g: mask has %v, expected 0 or %v", rate, v, 1/(1-rate))
			}
		}
		n := float64(len(mask))
		if deviation := math.Abs(float64(dropped) - rate*n); deviation > 4*math.Sqrt(n*rate*(1-rate)) {
			t.Errorf("rate %g: %d of %d are dropped", rate, dropped, len(mask))
		}
	}
}

func TestDropoutIsAFunctionOfKeyAndStep(t *testing.T) {
	o := DropoutOptions{Rate: 0.5, Key: [2]uint64{1, 2}}
	want := masked(t, o, 7, 3, 5000)
	if !slices.Equal(masked(t, o, 7, 3, 5000), want) {
		t.Error("the same step draws another mask")
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	if !slices.Equal(masked(t, o, 7, 3, 5000), want) {
		t.Error("one processor draws another mask")
	}
	for name, other := range map[string][]float64{
		"another step":        masked(t, o, 8, 3, 5000),
		"another key":         masked(t, DropoutOptions{Rate: 0.5, Key: [2]uint64{1, 3}}, 7, 3, 5000),
		"another block of it": append(slices.Clone(want[maskBlock:]), want[:maskBlock]...),
	} {
		same := 0
		for i, v := range other {
			if v == want[i] {
				same++
			}
		}
		if n := float64(len(want)); math.Abs(float64(same)-n/2) > 4*math.Sqrt(n)/2 {
			t.Errorf("%s agrees in %d of %d elements, expected about half", name, same, len(want))
		}
	}
}

// The way back goes through the mask of the way forth, and the next run through that of the next step.
func TestDropoutGradientIsTheMask(t *testing.T) {
	step := array{[]int{1}, []float64{0}}
	x := random(rand.New(rand.NewPCG(1, 2)), 4, 50)
	gy := random(rand.New(rand.NewPCG(1, 2)), 4, 50)
	r := newGraph[float64](t, dropoutOp(DropoutOptions{Rate: 0.3}), []array{x, step}, []bool{false, true}, gy)
	check := func() []float64 {
		y, gx := undense[float64](t, r.output).Data, undense[float64](t, r.grads[0]).Data
		mask := make([]float64, len(y))
		for i, v := range x.Data {
			mask[i] = y[i] / v
			if math.Abs(gx[i]-gy.Data[i]*mask[i]) > 1e-12 {
				t.Fatalf("element %d: y/x is %v, gx/gy is %v", i, mask[i], gx[i]/gy.Data[i])
			}
		}
		return mask
	}
	first := check()
	for _, n := range r.AllNodes() {
		if n.Name() == "b" {
			n.Value().(*tensor.Dense).Set(0, 1.)
		}
	}
	r.run(t)
	if slices.Equal(check(), first) {
		t.Error("step 1 draws the mask of step 0")
	}
}

// Every operator but the mask has its ONNX form: an engine draws masks itself.
func TestDropoutLowersToAProductWithTheMask(t *testing.T) {
	startRuntime(t)
	x := random(rand.New(rand.NewPCG(1, 2)), 2, 3)
	r := newGraph[float32](t, dropoutOp(DropoutOptions{Rate: 0.5}), []array{x, {[]int{1}, []float64{4}}},
		[]bool{false, true}, x)
	products := 0
	for _, n := range r.AllNodes() {
		if n.IsVar() || n.Value() == nil {
			continue
		}
		if o := Of(n); o == nil || !o.Lowers() {
			continue
		}
		var inputs []array
		for it := r.From(n.ID()); it.Next(); {
			inputs = append(inputs, undense[float32](t, it.Node().(*gorgonia.Node).Value()))
		}
		expectClose(t, n.Op().String(), lowered(t, n, inputs), undense[float32](t, n.Value()), 0)
		products++
	}
	if products != 2 {
		t.Errorf("%d operators have an ONNX form, expected the product and its gradient", products)
	}
}

func TestDropoutRefusesAStepThatIsNone(t *testing.T) {
	in := inputs([]int{2, 3}, []int{1})
	y, err := Dropout(in[0], in[1], DropoutOptions{Rate: 0.5})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []float64{math.NaN(), -1, 0.5, math.Inf(1), 1<<24 + 2} {
		if _, err := maskOf(y).Op().Do(dense[float32](array{[]int{1}, []float64{step}})); !errors.Is(err, ErrOption) {
			t.Errorf("step %v: error %v, want ErrOption", step, err)
		}
	}
}

func TestDropoutRefusesWhatDoesNotFit(t *testing.T) {
	expectRejected(t, map[string]rejection{
		"rate 0":       {dropoutOp(DropoutOptions{}), [][]int{{2, 3}, {1}}, ErrOption},
		"rate 1":       {dropoutOp(DropoutOptions{Rate: 1}), [][]int{{2, 3}, {1}}, ErrOption},
		"two steps":    {dropoutOp(DropoutOptions{Rate: 0.5}), [][]int{{2, 3}, {2}}, ErrShape},
		"step of rank": {dropoutOp(DropoutOptions{Rate: 0.5}), [][]int{{2, 3}, {1, 1}}, ErrShape},
	})
}

func TestDropoutsThatDifferAreTwoNodes(t *testing.T) {
	mask := func(o DropoutOptions) build {
		return func(in gorgonia.Nodes) (*gorgonia.Node, error) {
			y, err := Dropout(in[0], in[1], o)
			if err != nil {
				return nil, err
			}
			return maskOf(y), nil
		}
	}
	a, b := DropoutOptions{Rate: 0.5}, DropoutOptions{Rate: 0.5, Key: [2]uint64{0, 1}}
	expectMerged(t, true, mask(a), mask(a), []int{2, 3}, []int{1})
	expectMerged(t, false, mask(a), mask(b), []int{2, 3}, []int{1})
	expectMerged(t, false, mask(a), mask(DropoutOptions{Rate: 0.25}), []int{2, 3}, []int{1})
}

// maskOf is the mask of a dropout's node.
func maskOf(y *gorgonia.Node) *gorgonia.Node {
	for it := y.Graph().From(y.ID()); it.Next(); {
		if n := it.Node().(*gorgonia.Node); !n.IsVar() {
			return n
		}
	}
	return nil
}
