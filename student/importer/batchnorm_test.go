package importer_test

import (
	"math"
	"slices"
	"testing"

	"gorgonia.org/tensor"

	"rkd/models/ort/orttest"
	"rkd/student/arch"
	"rkd/student/engine"
	"rkd/student/importer"
	"rkd/student/optim"
)

// residualRaw is a network with two batch normalisations, which are trained on unless freeze matches them.
func residualRaw(t *testing.T, freeze ...string) *arch.Network {
	t.Helper()
	n, err := imported(testModel(t, "residual_raw"), importer.Options{
		Input: []int{3, 12, 12}, TrainBatchNorm: true, Freeze: freeze,
	}, arch.Head{Dim: 3})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// In inference the statistics are the file's; in training they are the batch's, and move the running ones by a tenth.
func TestTrainBatchNorm(t *testing.T) {
	orttest.Start(t)
	expectParityOf(t, testModel(t, "residual_raw"), importer.Options{
		Output: "output", Input: []int{3, 12, 12}, TrainBatchNorm: true,
	}, 3, false)
	const batch = 4
	n := residualRaw(t)
	x := normal(batch * 3 * 12 * 12)
	objective := func(embedding, gradient []float32) (float64, error) {
		for i, v := range embedding {
			gradient[i] = v - float32(i%2)
		}
		return 0, nil
	}
	var trained []*arch.Weights
	for kind, open := range map[string]func(w *arch.Weights) (engine.Engine, error){
		"gorgonia": func(w *arch.Weights) (engine.Engine, error) { return engine.NewGorgonia(n, w, batch) },
		"onnxruntime": func(w *arch.Weights) (engine.Engine, error) {
			return engine.NewONNXRuntime(n, w, batch, engine.Options{Threads: 2})
		},
	} {
		w := n.Init(5, tensor.Float32)
		e, err := open(w)
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		defer func() { _ = e.Close() }()
		if err := e.Optimize(engine.Update{Optimizer: optim.Options{Kind: optim.SGD}}); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Step(x, 1e-3, objective); err != nil {
			t.Fatal(err)
		}
		trained = append(trained, w)
	}
	first := n.Init(5, tensor.Float32)
	for i, b := range first.Buffers {
		got, other := floats(trained[0].Buffers[i]), floats(trained[1].Buffers[i])
		if slices.Equal(got, floats(b)) {
			t.Errorf("%s stays %v in training", b.Name, got)
		}
		for j, v := range got {
			if math.Abs(float64(v-other[j])) > 1e-4*(1+math.Abs(float64(v))) {
				t.Errorf("%s[%d] is %v on one engine and %v on the other", b.Name, j, v, other[j])
			}
		}
	}
	for i, p := range first.Params {
		got, other := floats(trained[0].Params[i]), floats(trained[1].Params[i])
		for j, v := range got {
			if math.Abs(float64(v-other[j])) > 1e-4*(1+math.Abs(float64(v))) {
				t.Errorf("%s[%d] is %v on one engine and %v on the other", p.Name, j, v, other[j])
			}
		}
	}
}

// A normalisation whose scale is frozen keeps the file's statistics, the other one does not.
func TestTrainBatchNormLeavesFrozenOnesAlone(t *testing.T) {
	n := residualRaw(t, "stem.1.weight")
	w := n.Init(5, tensor.Float32)
	e, err := engine.NewGorgonia(n, w, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	if _, err := e.Step(normal(2*3*12*12), 0, func(_, gradient []float32) (float64, error) {
		gradient[0] = 1
		return 0, nil
	}); err != nil {
		t.Fatal(err)
	}
	for i, b := range n.Init(5, tensor.Float32).Buffers {
		moved := !slices.Equal(floats(w.Buffers[i]), floats(b))
		if want := b.Name == "body.1.running_mean" || b.Name == "body.1.running_var"; moved != want {
			t.Errorf("%s moves: %t, expected %t", b.Name, moved, want)
		}
	}
}
