package op

import (
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/student/internal/blas"
)

// spec is an operator of one golden case, and the same written straight from the formula.
type spec struct {
	op        build
	reference func(inputs []array) array
}

// specs are all golden cases, by name.
func specs() map[string]spec {
	all := map[string]spec{}
	for _, group := range []map[string]spec{
		convSpecs(), linearSpecs(), batchNormSpecs(), reluSpecs(), maxPoolSpecs(), avgPoolSpecs(), globalPoolSpecs(),
		flattenSpecs(), l2normalizeSpecs(), addSpecs(), activationSpecs(), softmaxSpecs(), layerNormSpecs(), concatSpecs(),
		padSpecs(), convTransposeSpecs(), graphSpecs(), importedSpecs(),
	} {
		for name, s := range group {
			all[name] = s
		}
	}
	return all
}

// eachSpec runs body for every golden case as a subtest, and fails where the two lists differ.
func eachSpec(t *testing.T, body func(t *testing.T, s spec, g golden)) {
	t.Helper()
	cases, all := readGolden(t), specs()
	for name := range all {
		if _, ok := cases[name]; !ok {
			t.Errorf("no golden file has a case %q", name)
		}
	}
	for name, g := range cases {
		t.Run(name, func(t *testing.T) {
			s, ok := all[name]
			if !ok {
				t.Fatal("no operator for this golden case")
			}
			body(t, s, g)
		})
	}
}

func TestOperatorsComputeTheirFormula(t *testing.T) {
	eachSpec(t, func(t *testing.T, s spec, g golden) {
		want := s.reference(g.Inputs)
		expectClose(t, "float64", forward[float64](t, s.op, g.Inputs), want, 1e-12)
		expectClose(t, "float32", forward[float32](t, s.op, g.Inputs), want, 1e-5)
	})
}

func TestOperatorsAgreeWithPyTorch(t *testing.T) {
	eachSpec(t, func(t *testing.T, s spec, g golden) {
		agree[float64](t, s, g, 1e-10)
		agree[float32](t, s, g, 1e-5)
	})
}

func agree[T blas.Float](t *testing.T, s spec, g golden, tolerance float64) {
	t.Helper()
	r := newGraph[T](t, s.op, g.Inputs, g.constants(), g.GY)
	expectClose(t, "output", undense[T](t, r.output), g.Output, tolerance)
	for i, want := range g.Grads {
		if want != nil {
			expectClose(t, "gradient "+string(rune('0'+i)), undense[T](t, r.grads[i]), *want, tolerance)
		}
	}
}

// jittered moves every element a little, so that no maximum is shared and nothing is exactly 0.
func jittered(inputs []array) []array {
	rng := rand.New(rand.NewPCG(3, 5))
	moved := make([]array, len(inputs))
	for i, in := range inputs {
		moved[i] = array{in.Shape, slices.Clone(in.Data)}
		for j := range in.Data {
			moved[i].Data[j] += 0.1 * (1 + rng.Float64())
		}
	}
	return moved
}

func TestGradientsMatchCentralDifferences(t *testing.T) {
	eachSpec(t, func(t *testing.T, s spec, g golden) {
		inputs := jittered(g.Inputs)
		r := newGraph[float64](t, s.op, inputs, g.constants(), g.GY)
		for i, in := range inputs {
			if g.Grads[i] == nil {
				continue
			}
			want := centralDifferences(in, func() (total float64) { // of Σ gy·y, whose gradient on y is gy
				for j, v := range forward[float64](t, s.op, inputs).Data {
					total += v * g.GY.Data[j]
				}
				return total
			})
			expectClose(t, "gradient "+string(rune('0'+i)), undense[float64](t, r.grads[i]), want, 1e-6)
		}
	})
}

// centralDifferences is the gradient of f on the elements of x, which it moves and puts back.
func centralDifferences(x array, f func() float64) array {
	const h = 1e-6
	gradient := newArray(x.Shape...)
	for j, v := range x.Data {
		x.Data[j] = v + h
		up := f()
		x.Data[j] = v - h
		gradient.Data[j] = (up - f()) / (2 * h)
		x.Data[j] = v
	}
	return gradient
}

func TestResultsDoNotDependOnTheNumberOfProcessors(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	s := newStudent[float32](t, 19, 8, 16, 32)
	bits := func() (all []uint32) {
		s.step(t)
		for _, v := range append([]gorgonia.Value{s.embedding}, s.grads...) {
			for _, x := range v.Data().([]float32) {
				all = append(all, math.Float32bits(x))
			}
		}
		return all
	}
	runtime.GOMAXPROCS(1)
	want := bits()
	for _, procs := range []int{2, 5} {
		runtime.GOMAXPROCS(procs)
		if !slices.Equal(bits(), want) {
			t.Errorf("GOMAXPROCS=%d gives other bits than 1", procs)
		}
	}
	eachSpec(t, func(t *testing.T, s spec, g golden) {
		r := newGraph[float32](t, s.op, g.Inputs, g.constants(), g.GY)
		run := func(procs int) (all []float32) {
			runtime.GOMAXPROCS(procs)
			r.run(t)
			for _, v := range append(r.grads, r.output) {
				if v != nil {
					all = append(all, v.Data().([]float32)...)
				}
			}
			return slices.Clone(all)
		}
		if want := run(1); !slices.Equal(run(2), want) || !slices.Equal(run(5), want) {
			t.Error("results differ between 1, 2 and 5 processors")
		}
	})
}

// TestOutputsAreFullyOverwritten holds Do and UsePreallocDo together on every operator of every graph, gradients too: a
// preallocated output may hold anything, and inputs are only read.
func TestOutputsAreFullyOverwritten(t *testing.T) {
	eachSpec(t, func(t *testing.T, s spec, g golden) {
		r := newGraph[float64](t, s.op, g.Inputs, g.constants(), g.GY)
		checked := 0
		for _, n := range r.AllNodes() {
			op, ok := n.Op().(gorgonia.UsePreallocDoer)
			if !ok || n.Value() == nil {
				continue // an input, or a gradient that nobody asked for
			}
			var inputs []gorgonia.Value
			var before []array
			for it := r.From(n.ID()); it.Next(); {
				v := it.Node().(*gorgonia.Node).Value()
				inputs, before = append(inputs, v), append(before, undense[float64](t, v))
			}
			if n.Op().Arity() != len(inputs) {
				continue // an operator that gets one node twice: the graph's iterator names it once
			}
			want, err := n.Op().Do(inputs...)
			if err != nil {
				t.Fatal(err)
			}
			dirty := dense[float64](filled(func([]int) float64 { return math.NaN() }, n.Shape()...))
			got, err := op.UsePreallocDo(dirty, inputs...)
			if err != nil {
				t.Fatal(err)
			}
			if got != gorgonia.Value(dirty) {
				t.Errorf("%v did not return the preallocated output", n.Op())
			}
			expectClose(t, n.Op().String(), undense[float64](t, got), undense[float64](t, want), 0)
			for i, v := range inputs {
				expectClose(t, n.Op().String()+"'s input", undense[float64](t, v), before[i], 0)
				if v.Uintptr() == got.Uintptr() || v.Uintptr() == want.Uintptr() {
					t.Errorf("%v shares memory between input %d and output", n.Op(), i)
				}
			}
			wrong := tensor.New(tensor.Of(tensor.Float64), tensor.WithShape(append(n.Shape().Clone(), 2)...))
			if _, err := op.UsePreallocDo(wrong, inputs...); err == nil {
				t.Errorf("%v takes an output of shape %v, want an error", n.Op(), wrong.Shape())
			}
			checked++
		}
		if checked == 0 {
			t.Error("no operator was checked")
		}
	})
}
