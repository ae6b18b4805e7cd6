package engine_test

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"testing"

	"gorgonia.org/tensor"

	"rkd/models/ort/orttest"
	"rkd/student/arch"
	"rkd/student/engine"
	"rkd/student/optim"
)

// Weights and running statistics after some steps are the same bytes whatever the number of threads.
func TestWeightsDoNotDependOnTheNumberOfThreads(t *testing.T) {
	orttest.Start(t)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(8)) // a team has no more workers than that
	wide := map[string]network{
		// Dense layers as wide as the batch, or wider: products that ONNX Runtime divides by the number of threads.
		"dense 3136→64":   {convNet(), []int{1, 28, 28}, 10, false},
		"mlp 784→512→256": {arch.Config{MLP: []int{512, 256}, Norm: "none"}, []int{1, 28, 28}, 64, false},
	}
	for name, n := range networks() {
		t.Run(name, func(t *testing.T) { sameForAllThreads(t, n, 67) })
	}
	for name, n := range wide {
		for _, batch := range []int{37, 64} {
			t.Run(fmt.Sprintf("%s, batch %d", name, batch), func(t *testing.T) { sameForAllThreads(t, n, batch) })
		}
	}
}

// sameForAllThreads trains some steps with 1, 2, 3 and 8 threads, and compares weights and embeddings.
func sameForAllThreads(t *testing.T, n network, batch int) {
	const steps = 3
	var want []*tensor.Dense
	var embedded []float32
	for _, threads := range []int{1, 2, 3, 8} {
		build := func(net *arch.Network, weights *arch.Weights, batch int) (observable, error) {
			return engine.NewONNXRuntime(net, weights, batch, engine.Options{Threads: threads})
		}
		tr := newTraining(t, n, build, batch, optim.Adam)
		x := samples(batch * tensor.Shape(n.input).TotalSize())
		for range steps {
			tr.step(t, x)
		}
		var got []*tensor.Dense
		for i, w := range slices.Concat(tr.weights.Params, tr.weights.Buffers) {
			got = append(got, w.Value)
			if want != nil && !sameBits(w.Value.Data().([]float32), want[i].Data().([]float32)) {
				t.Errorf("%d threads give another %s than one thread", threads, w.Name)
			}
		}
		out, err := tr.Embed(t.Context(), nil, x)
		if err != nil {
			t.Fatal(err)
		}
		if want != nil && !sameBits(out, embedded) {
			t.Errorf("%d threads give other embeddings than one thread", threads)
		}
		if want == nil {
			want, embedded = got, out
		}
	}
}

func sameBits(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) })
}
