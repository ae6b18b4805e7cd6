package arch_test

import (
	"math"
	"slices"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/student/arch"
)

// dropping has two dropouts of equal rate on values of equal shape.
var dropping = arch.Config{Layers: []arch.Layer{
	{Kind: arch.Dropout, Rate: 0.5}, {Kind: arch.Dropout, Rate: 0.5},
}}

// embedOnes is the embedding of 500 samples of 8 ones by a network whose last layer copies its input.
func embedOnes(t *testing.T, seed uint64, step float64, training bool) []float32 {
	t.Helper()
	n, err := arch.New(dropping, []int{8}, 8, false)
	if err != nil {
		t.Fatal(err)
	}
	w := n.Init(seed, tensor.Float32)
	for i := range 64 {
		floats(w.Params[0])[i] = 0
		if i%9 == 0 {
			floats(w.Params[0])[i] = 1
		}
	}
	clear(floats(w.Params[1]))
	x := input([]int{8}, 500, func(int) float64 { return 1 }, tensor.Float32)
	g, err := n.Build(x, w, training)
	if err != nil {
		t.Fatal(err)
	}
	if (g.Step != nil) != training {
		t.Errorf("training is %t, the graph's step %v", training, g.Step)
	}
	if g.Step != nil {
		g.Step.Value().Data().([]float32)[0] = float32(step)
	}
	machine := gorgonia.NewTapeMachine(x.Graph())
	defer machine.Close()
	if err := machine.RunAll(); err != nil {
		if math.IsNaN(step) {
			return nil
		}
		t.Fatal(err)
	}
	return slices.Clone(g.Embedding.Value().Data().([]float32))
}

func TestDropoutIsAFunctionOfSeedLayerAndStep(t *testing.T) {
	want := embedOnes(t, 1, 0, true)
	if !slices.Equal(embedOnes(t, 1, 0, true), want) {
		t.Error("the same seed and step give other masks")
	}
	if slices.Equal(embedOnes(t, 2, 0, true), want) || slices.Equal(embedOnes(t, 1, 1, true), want) {
		t.Error("another seed or step gives the same masks")
	}
	// Were the two layers' masks the same, half of the elements would be left.
	left := 0
	for _, v := range want {
		if v == 4 {
			left++
		}
	}
	if left < 850 || left > 1150 {
		t.Errorf("%d of %d elements are left, expected about a quarter", left, len(want))
	}
}

func TestInferenceHasNoDropout(t *testing.T) {
	if y := embedOnes(t, 1, 0, false); slices.Min(y) != 1 || slices.Max(y) != 1 {
		t.Errorf("ones become %v to %v", slices.Min(y), slices.Max(y))
	}
}

func TestDropoutDoesNotRunWithoutAStep(t *testing.T) {
	if y := embedOnes(t, 1, math.NaN(), true); y != nil {
		t.Error("an embedding, expected the error that no step was set")
	}
}

func TestNetworksWithoutDropoutHaveNoStep(t *testing.T) {
	n, err := arch.New(arch.Config{MLP: []int{4}}, []int{8}, 8, false)
	if err != nil {
		t.Fatal(err)
	}
	g, err := n.Build(input([]int{8}, 2, func(int) float64 { return 1 }, tensor.Float32), n.Init(1, tensor.Float32), true)
	if err != nil {
		t.Fatal(err)
	}
	if g.Step != nil {
		t.Errorf("step is %v, expected none", g.Step)
	}
}
